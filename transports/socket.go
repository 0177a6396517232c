package transports

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// socket is a WebSocket's net.Conn. Where the connection is plain TCP, it holds no
// buffer while it waits for the client, reads as much at once as there is, and can
// write as much as the kernel takes without waiting for the client. So who sends
// to many clients can write to each itself, which measures much cheaper than
// waking a goroutine for each.
//
// The library writes control frames by Write, and reads by Read. Messages are
// written by frames of the socket's own, in one piece and one system call.
type socket struct {
	net.Conn
	t   *webSocket
	raw syscall.RawConn // nil: reads and writes wait

	// The reader's own.
	library *bufio.Reader   // the library's buffer
	ahead   []byte          // what has been read from the client and not by the library
	buffer  *[readSize]byte // what ahead is in; nil: it came with the request
	readErr error
	fill    func(fd uintptr) bool
	frames  frameCheck
	fault   error  // of the frame that comes next
	pinged  bool   // a ping is not answered yet
	ping    string // the newest

	stalledSince atomic.Int64 // by Endpoint.clock; 0: the client does not leave a message unfinished

	mu sync.Mutex // held while a write is under way
}

// libraryBuffer is the size of the buffer that the library reads frames by. It
// takes no smaller one.
const libraryBuffer = 288

// longestHeader is the size of the longest header of a client's frame.
const longestHeader = 14

// hijacker lets the WebSocket library have a socket in place of the request's
// net.Conn.
type hijacker struct {
	http.ResponseWriter
	socket *socket
	tunnel *tunnel // over HTTP/2; nil: the connection is hijacked
	err    error   // why it did not have it; the library passes on the text alone
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if h.tunnel != nil {
		return h.tunnel.hijack(h.socket)
	}
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		h.err = err
		return nil, nil, err
	}
	s := h.socket
	s.Conn = conn
	if tcp, ok := conn.(*net.TCPConn); ok && canTry {
		if raw, err := tcp.SyscallConn(); err == nil {
			s.raw = raw
			s.fill = s.tryRead
		}
	}
	if n := rw.Reader.Buffered(); n > 0 { // frames behind the request: the library takes only what it reads itself
		ahead, _ := rw.Reader.Peek(n)
		s.ahead = bytes.Clone(ahead)
	}
	s.library = bufio.NewReaderSize(s, libraryBuffer)
	rw.Reader = s.library
	return s, rw, nil
}

// Read reads for the library.
func (s *socket) Read(p []byte) (int, error) {
	if s.fault != nil {
		return 0, s.fault
	}
	n, err := s.read(p)
	n, s.fault = s.frames.check(p[:n])
	if n == 0 && err == nil {
		return 0, s.fault
	}
	return n, err
}

func (s *socket) read(p []byte) (int, error) {
	if len(s.ahead) == 0 {
		s.t.c.StartDeferred() // since it may have to wait
		s.pong()
		if s.frames.unfinished() {
			s.stalledSince.Store(s.t.c.endpoint.clock(time.Now()))
			defer s.stalledSince.Store(0)
		}
		if s.raw == nil {
			return s.Conn.Read(p)
		}
		if err := s.raw.Read(s.fill); err != nil {
			return 0, err
		}
		if s.readErr != nil {
			return 0, s.readErr
		}
	}
	n := copy(p, s.ahead)
	if s.ahead = s.ahead[n:]; len(s.ahead) == 0 {
		if s.buffer != nil {
			s.t.shared.readBuffers.Put(s.buffer)
		}
		s.ahead, s.buffer = nil, nil
	}
	return n, nil
}

// tryRead reads what there is, and returns false if that is nothing.
func (s *socket) tryRead(fd uintptr) bool {
	buffer := s.t.shared.readBuffers.Get().(*[readSize]byte)
	n, err := tryRead(fd, buffer[:])
	if n > 0 {
		s.ahead, s.buffer = buffer[:n], buffer
		return true
	}
	s.t.shared.readBuffers.Put(buffer)
	switch {
	case err == nil:
		s.readErr = io.EOF
	case err == errWouldWait:
		return false
	default:
		s.readErr = err
	}
	return true
}

// notePing is called for each ping. Of several that have been read together only the
// newest is answered (RFC 6455 5.5.3): each would take a system call.
func (s *socket) notePing(data string) error {
	s.pinged, s.ping = true, data
	return nil
}

// pong answers the newest ping, before the reader waits for the client or the application.
func (s *socket) pong() {
	if !s.pinged {
		return
	}
	data := []byte(s.ping)
	s.pinged, s.ping = false, ""
	_ = s.t.socket.WriteControl(websocket.PongMessage, data, time.Now().Add(s.t.c.endpoint.opts.sendTimeout)) // the reader notices what fails
}

// unread returns how many bytes have been read from the client, and not from the
// library.
func (s *socket) unread() int { return s.library.Buffered() + len(s.ahead) }

// hasFrame reports whether a whole frame is unread, where the next one begins.
func (s *socket) hasFrame() bool {
	have := s.unread()
	if have < 2 {
		return false
	}
	var header [10]byte // the mask not included
	begin, _ := s.library.Peek(min(s.library.Buffered(), len(header)))
	copy(header[copy(header[:], begin):], s.ahead)
	const mask = 4
	switch size := uint64(header[1] & 0x7f); size {
	case 126:
		return have >= 4+mask+int(binary.BigEndian.Uint16(header[2:]))
	case 127:
		size = binary.BigEndian.Uint64(header[2:])
		return size <= readSize+libraryBuffer && have >= 10+mask+int(size)
	default:
		return have >= 2+mask+int(size)
	}
}

// SetWriteDeadline does nothing: the sweep ends writes that hang. The library wants
// an answer to a ping to leave within a second, although it may have to wait behind
// a message for a slow client; it would write no control frame ever after.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// Write writes a control frame, or the answer to the request: all of it, some
// perhaps after it has returned, since the reader answers pings. It waits only for
// the frame that is being written.
func (s *socket) Write(data []byte) (int, error) {
	s.mu.Lock()
	if s.raw == nil {
		defer s.mu.Unlock()
		n, err := s.wait(data)
		if err != nil && n > 0 { // nothing can follow half a frame
			_ = s.Conn.Close()
		}
		return n, err
	}
	f := s.t.shared.frames.Get().(*frame)
	defer s.t.shared.frames.Put(f)
	f.data = append(f.data[:0], data...)
	rest, err := s.try(f)
	if rest == nil {
		s.mu.Unlock()
		return f.n, err
	}
	go func() {
		_, err := s.wait(rest)
		s.mu.Unlock()
		if err != nil {
			s.t.lost(err)
		}
	}()
	return len(data), nil
}

// wait writes all of data, waiting for the client. The socket is locked.
func (s *socket) wait(data []byte) (int, error) {
	s.t.c.writing()
	defer s.t.c.written()
	return s.Conn.Write(data)
}

// frame is memory for a frame, and one try to write it. It is pooled with the
// function that is given to a RawConn, which would be allocated otherwise.
type frame struct {
	data []byte
	n    int
	err  error
	try  func(fd uintptr) bool
}

func newFrame() any {
	f := &frame{}
	f.try = func(fd uintptr) bool {
		f.n, f.err = tryWrite(fd, f.data)
		return true // whatever came of it, do not wait
	}
	return f
}

// The opcodes of frames that hold a whole message (RFC 6455 5.2).
const (
	wholeText   = 0x80 | 1
	wholeBinary = 0x80 | 2
)

// appendHeader appends the header of a frame.
func appendHeader(dst []byte, opcode byte, size int) []byte {
	switch {
	case size < 126:
		return append(dst, opcode, byte(size))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, opcode, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(dst, opcode, 127), uint64(size))
	}
}

// writeFrame writes messages as one frame, waiting for the client. The socket is
// locked.
func (s *socket) writeFrame(opcode byte, messages [][]byte) error {
	if len(messages) == 1 && len(messages[0]) > frameSize { // not copied
		s.t.c.writing()
		defer s.t.c.written()
		parts := net.Buffers{appendHeader(nil, opcode, len(messages[0])), messages[0]}
		_, err := parts.WriteTo(s.Conn)
		return err
	}
	f := s.frame(opcode, messages)
	defer s.t.shared.frames.Put(f)
	_, err := s.wait(f.data)
	return err
}

// tryFrame is writeFrame as far as the kernel takes the frame at once. What it
// does not take is returned.
func (s *socket) tryFrame(opcode byte, messages [][]byte) (rest []byte, err error) {
	f := s.frame(opcode, messages)
	defer s.t.shared.frames.Put(f)
	return s.try(f)
}

// try writes what the kernel takes of a frame at once and returns the rest. The
// socket is locked.
func (s *socket) try(f *frame) (rest []byte, err error) {
	f.n, f.err = 0, nil
	if err := s.raw.Write(f.try); err != nil {
		return nil, err
	}
	if f.err != nil || f.n == len(f.data) {
		return nil, f.err
	}
	return bytes.Clone(f.data[f.n:]), nil
}

func (s *socket) frame(opcode byte, messages [][]byte) *frame {
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	f := s.t.shared.frames.Get().(*frame)
	f.data = appendHeader(f.data[:0], opcode, size)
	for _, m := range messages {
		f.data = append(f.data, m...)
	}
	return f
}

package transports

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"
)

// socket is a WebSocket's net.Conn. Where the connection is plain TCP, a write
// never waits for the client: what the kernel does not take at once is written by
// a goroutine. So who sends to many clients can write to each itself, which
// measures much cheaper than waking a goroutine for each.
type socket struct {
	net.Conn
	c    *Connection
	lost func(error)     // is told of a write that failed in the background
	raw  syscall.RawConn // nil: writes wait

	mu       sync.Mutex // held while a write is under way
	err      error      // of a write in the background
	deadline bool       // a write deadline is set
}

// attempt is one try of writing without waiting. It is pooled, since the function
// given to a RawConn would be allocated otherwise.
type attempt struct {
	data []byte
	n    int
	err  error
	run  func(fd uintptr) bool
}

func newAttempt() any {
	a := &attempt{}
	a.run = func(fd uintptr) bool {
		a.n, a.err = writeNow(fd, a.data)
		return true // whatever came of it, do not wait
	}
	return a
}

// hijacker lets the WebSocket library have a socket in place of the request's
// net.Conn.
type hijacker struct {
	http.ResponseWriter
	socket *socket
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.socket.Conn = conn
	if tcp, ok := conn.(*net.TCPConn); ok && canWriteNow {
		if raw, err := tcp.SyscallConn(); err == nil {
			h.socket.raw = raw
		}
	}
	return h.socket, rw, nil
}

// SetWriteDeadline leaves out the calls that change nothing, which the library
// makes for every message.
func (s *socket) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.IsZero() && !s.deadline {
		return nil
	}
	s.deadline = !t.IsZero()
	return s.Conn.SetWriteDeadline(t)
}

// busy reports whether a write would have to wait for another one.
func (s *socket) busy() bool {
	if !s.mu.TryLock() {
		return true
	}
	s.mu.Unlock()
	return false
}

// Write writes all of data, some of it perhaps after it has returned.
func (s *socket) Write(data []byte) (int, error) {
	s.mu.Lock()
	if s.err != nil {
		defer s.mu.Unlock()
		return 0, s.err
	}
	s.c.writing()
	if s.raw == nil {
		defer s.mu.Unlock()
		defer s.c.written()
		return s.Conn.Write(data)
	}
	n, err := s.try(data)
	if err != nil || n == len(data) {
		s.c.written()
		s.mu.Unlock()
		return n, err
	}
	rest := slices.Clone(data[n:])
	go func() {
		_, err := s.Conn.Write(rest)
		s.err = err
		s.c.written()
		s.mu.Unlock()
		if err != nil {
			s.lost(err)
		}
	}()
	return len(data), nil
}

// try writes what the kernel takes at once.
func (s *socket) try(data []byte) (int, error) {
	attempts := &s.c.endpoint.webSockets.attempts
	a := attempts.Get().(*attempt)
	defer attempts.Put(a)
	a.data = data
	err := s.raw.Write(a.run)
	a.data = nil
	if err == nil {
		err = a.err
	}
	return a.n, err
}

package transports

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-signalr/signalr/negotiate"
)

const (
	// readSize is the size of a read from a socket, and of what the
	// application receives at once.
	readSize = 4 << 10
	// writeSize is the size of the shared buffers in which frames are made: up
	// to that a frame is one write.
	writeSize = 16 << 10
	// frameSize is how much of the queue is joined to one WebSocket message.
	// Longer messages of the application still travel in one piece.
	frameSize = 64 << 10
	// idleReadBuffer is what each idle WebSocket keeps for reading.
	idleReadBuffer = 1 << 10
)

// webSockets is what the WebSockets of an endpoint share: an idle one holds no
// buffer but its reader's.
type webSockets struct {
	upgrader     websocket.Upgrader
	readBuffers  sync.Pool // *[readSize]byte
	frameBuffers sync.Pool // *[]byte
	attempts     sync.Pool // *attempt
	writeBuffers sync.Pool // the upgrader's
}

func (ws *webSockets) init() {
	ws.readBuffers.New = func() any { return new([readSize]byte) }
	ws.attempts.New = newAttempt
	ws.frameBuffers.New = func() any { b := make([]byte, 0, frameSize); return &b }
	ws.upgrader = websocket.Upgrader{
		ReadBufferSize:  idleReadBuffer,
		WriteBufferSize: writeSize,
		WriteBufferPool: &ws.writeBuffers,
		CheckOrigin:     func(*http.Request) bool { return true }, // done before
	}
}

// isWebSocketUpgrade reports whether a GET asks for a WebSocket (reference
// 2.1); a broken request for one is taken for a poll, as by the reference
// server.
func isWebSocketUpgrade(r *http.Request) bool {
	if !websocket.IsWebSocketUpgrade(r) || strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) != "13" {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	return err == nil && len(key) == 16
}

// serveWebSocket turns a request into the transport of a connection, of a new
// one if it names none.
func (e *Endpoint) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	var c *Connection
	if token, _ := negotiate.QueryValue(r, "id"); token != "" {
		if c = e.find(token); c == nil {
			w.Header()["Content-Type"] = nil
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(textUnknownID))
			return
		}
		if !e.identify(w, r, c) {
			return
		}
	}
	if !e.opts.enabled[WebSockets] {
		refuse(w, http.StatusNotFound, WebSockets.String()+textNotHere)
		return
	}
	if !e.opts.checkOrigin(r) {
		refuse(w, http.StatusForbidden, "")
		return
	}
	if c == nil {
		var err error
		if c, err = e.add(negotiate.NewGrant(0, e.opts.node)); err != nil {
			refuse(w, http.StatusServiceUnavailable, "")
			return
		}
	}
	t := &webSocket{c: c, shared: &e.webSockets, closed: make(chan struct{}), detached: make(chan struct{})}
	b := c.bind(WebSockets, t, r)
	if b == boundAlready {
		t.again = true
		b = c.rebind(t, r)
	}
	switch b {
	case boundOK:
	case boundCancelled:
		return
	default:
		refuseBound(w, b)
		return
	}
	t.conn = &socket{c: c, lost: t.lost}
	var header http.Header
	if name := e.opts.subProtocol(websocket.Subprotocols(r)); name != "" {
		header = http.Header{"Sec-Websocket-Protocol": {name}}
	}
	ws, err := e.webSockets.upgrader.Upgrade(hijacker{w, t.conn}, r, header)
	if err != nil { // it has answered the request
		t.leave(err)
		return
	}
	// A goroutine of its own lets go of all that net/http keeps for a request.
	go t.serve(ws)
}

// webSocket is the WebSocket transport. One goroutine reads; whoever finds the
// outbox without a writer becomes the writer until it is empty.
type webSocket struct {
	c      *Connection
	shared *webSockets
	again  bool // it takes the place of one that was lost
	writer int  // the outbox's number for it
	conn   *socket

	mu     sync.Mutex
	socket *websocket.Conn // over conn; nil until serve
	ended  bool
	closed chan struct{} // closed when ended: nothing more will be written

	detached chan struct{} // closed when another one may take its place, or none will
}

func (t *webSocket) wake() { go t.writeQueued() }

// writeNow writes what is queued as far as that does not take waiting, and leaves
// the rest to a goroutine.
func (t *webSocket) writeNow() {
	var batch [][]byte
	var state outboxState
	for {
		if t.conn.raw == nil || t.conn.busy() {
			go t.writeQueued()
			return
		}
		if batch, state = t.c.out.take(batch, t.writer); batch == nil {
			break
		}
		for rest := batch; len(rest) > 0; {
			n := joint(rest)
			if t.conn.busy() || n == 1 && len(rest[0]) > writeSize/2 {
				go t.writeRest(rest)
				return
			}
			if err := t.write(rest[:n]); err != nil {
				t.lost(err)
				return
			}
			rest = rest[n:]
		}
	}
	if state == outboxFinishing {
		go t.sayGoodbye()
	}
}

// writeOnce writes what is queued, waiting for the client, and leaves what is
// queued meanwhile to a goroutine.
func (t *webSocket) writeOnce() {
	batch, state := t.c.out.take(nil, t.writer)
	if batch != nil {
		if !t.writeAll(batch) {
			return
		}
		if batch, state = t.c.out.take(batch, t.writer); batch != nil {
			go t.writeRest(batch)
			return
		}
	}
	if state == outboxFinishing {
		t.sayGoodbye()
	}
}

// writeRest goes on where another writer left off.
func (t *webSocket) writeRest(rest [][]byte) {
	if t.writeAll(rest) {
		t.writeQueued()
	}
}

func (t *webSocket) abort() {
	t.endWriting()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.socket != nil {
		_ = t.socket.NetConn().Close()
	}
}

func (t *webSocket) endWriting() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.ended = true
		close(t.closed)
	}
}

// start notes the socket; false means that abort came first.
func (t *webSocket) start(socket *websocket.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.socket = socket
	return !t.ended
}

func (t *webSocket) serve(socket *websocket.Conn) {
	cause := ErrAborted
	if t.start(socket) {
		cause = t.read(t.receiver())
	}
	t.leave(cause)
}

// leave takes the WebSocket, which the client has closed properly (nil) or which
// is lost, off its connection.
func (t *webSocket) leave(cause error) {
	if cause != nil && t.c.detach(t) {
		return // until the client comes back
	}
	defer close(t.detached)
	t.c.close(cause)
	if cause == nil { // the client waits for the other half of the closing handshake
		<-t.closed
	}
	t.abort()
	t.c.remove()
}

// receiver opens the connection, or goes on with it.
func (t *webSocket) receiver() Receiver {
	if t.again {
		return t.c.resume(t)
	}
	return t.c.open()
}

// read passes on what the client sends, until it closes the socket properly
// (nil) or the socket fails.
func (t *webSocket) read(receiver Receiver) error {
	t.socket.SetCloseHandler(func(int, string) error { return nil }) // answered by the writer, at the end
	for {
		_, message, err := t.socket.NextReader()
		if err != nil {
			if closed := (*websocket.CloseError)(nil); errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
				return nil
			}
			return err
		}
		buffer := t.shared.readBuffers.Get().(*[readSize]byte)
		for err == nil {
			var n int
			if n, err = message.Read(buffer[:]); n > 0 {
				receiver.Receive(buffer[:n])
			}
		}
		t.shared.readBuffers.Put(buffer)
		// An error other than the message's end comes again from NextReader.
	}
}

// writeQueued writes until the outbox is empty, and then, when the application
// has finished, closes the socket.
func (t *webSocket) writeQueued() {
	var batch [][]byte
	var state outboxState
	for {
		if batch, state = t.c.out.take(batch, t.writer); batch == nil {
			break
		}
		if !t.writeAll(batch) {
			return
		}
	}
	if state == outboxFinishing {
		t.sayGoodbye()
	}
}

// writeAll writes messages, as few frames, and reports whether it could.
func (t *webSocket) writeAll(messages [][]byte) bool {
	for len(messages) > 0 {
		n := joint(messages)
		if err := t.write(messages[:n]); err != nil {
			t.lost(err)
			return false
		}
		messages = messages[n:]
	}
	return true
}

// lost breaks the transport after a write that failed: the reader then notices.
func (t *webSocket) lost(err error) {
	if t.c.endsWith(t) {
		t.c.end(err)
	} else {
		t.abort()
	}
}

// joint returns how many of the messages go into the next frame.
func joint(messages [][]byte) int {
	size, n := len(messages[0]), 1
	for n < len(messages) && size+len(messages[n]) <= frameSize {
		size += len(messages[n])
		n++
	}
	return n
}

// write sends messages as one frame.
func (t *webSocket) write(messages [][]byte) error {
	kind := websocket.TextMessage
	if t.c.binary.Load() {
		kind = websocket.BinaryMessage
	}
	if len(messages) == 1 {
		return t.socket.WriteMessage(kind, messages[0])
	}
	buffer := t.shared.frameBuffers.Get().(*[]byte)
	frame := (*buffer)[:0]
	for _, m := range messages {
		frame = append(frame, m...)
	}
	err := t.socket.WriteMessage(kind, frame)
	t.shared.frameBuffers.Put(buffer)
	return err
}

// sayGoodbye sends the closing frame (reference 2.4) and gives the client some
// time to send its own.
func (t *webSocket) sayGoodbye() {
	code := websocket.CloseNormalClosure
	if t.c.faulted.Load() {
		code = websocket.CloseInternalServerErr
	}
	deadline := time.Now().Add(t.c.endpoint.opts.closeTimeout)
	_ = t.socket.SetReadDeadline(deadline)
	_ = t.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), deadline)
	t.endWriting()
}

// pong shows middle boxes that the socket is in use.
func (t *webSocket) pong() {
	_ = t.socket.WriteControl(websocket.PongMessage, nil, time.Now().Add(t.c.endpoint.opts.sendTimeout))
}

package classic

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const (
	idleReadBuffer  = 1 << 10 // what each idle socket keeps for reading
	sharedWriteSize = 4 << 10
)

// upgrader is what the sockets of an endpoint share.
type upgrader struct {
	websocket.Upgrader
	buffers sync.Pool
}

func (u *upgrader) init() {
	u.Upgrader = websocket.Upgrader{
		ReadBufferSize:  idleReadBuffer,
		WriteBufferSize: sharedWriteSize,
		WriteBufferPool: &u.buffers,
		CheckOrigin:     func(*http.Request) bool { return true }, // done before
	}
}

var (
	errNoUpgrade  = errors.New("classic: it has no headers Connection: Upgrade and Upgrade: websocket, which a proxy may have dropped")
	errSocketBody = errors.New("classic: it has a body, which would be taken for frames")
)

// socket is the WebSocket transport (classic reference 5). One goroutine reads;
// what is written, whoever has the connection's turn writes.
type socket struct {
	conn    *websocket.Conn
	timeout time.Duration // of a write
	close   time.Duration // of the closing handshake

	writes  sync.Mutex     // held during a write
	goodbye sync.WaitGroup // the closing frame is being sent

	mu      sync.Mutex
	stopped bool
}

// serveSocket turns a request into a socket, which a goroutine of its own serves:
// that lets go of all that net/http keeps for a request.
func (e *Endpoint) serveSocket(q *request, s *stream) error {
	switch {
	case !websocket.IsWebSocketUpgrade(q.r):
		return &refusal{status: http.StatusBadRequest, text: textNoSocket, cause: errNoUpgrade}
	case q.r.ContentLength != 0:
		return &refusal{status: http.StatusBadRequest, text: textNoSocket, cause: errSocketBody}
	}
	t := &socket{timeout: e.opts.sendTimeout, close: e.opts.closeTimeout}
	s.out = t
	s.slots = make(chan struct{}, e.opts.parallelCalls)
	c, known, err := e.enter(q, s)
	if err == nil {
		err = c.allow(q, s)
	}
	d := (*dismissed)(nil)
	if err != nil && !errors.As(err, &d) {
		return err
	}
	conn, err := e.upgrade(q)
	if err != nil {
		if c != nil {
			s.end(endLost)
			c.release(s)
		}
		return err
	}
	conn.SetReadLimit(int64(e.opts.maxMessageSize))
	t.start(conn)
	if d != nil {
		e.logRefusal(q, http.StatusSwitchingProtocols, d)
		_ = t.send(d.text(s.cursorText)) // it has to go anyway
		s.end(endClosed)
		t.wait()
		return nil
	}
	q.w = nil
	if !e.goLive(func() { e.runSocket(q, s, t, c, known) }) {
		s.end(endShutdown)
		t.wait()
	}
	return nil
}

// upgrade answers a request with a socket.
func (e *Endpoint) upgrade(q *request) (*websocket.Conn, error) {
	var refused *refusal
	u := e.webSockets.Upgrader
	u.Error = func(_ http.ResponseWriter, _ *http.Request, status int, reason error) {
		refused = &refusal{status: status, text: http.StatusText(status), cause: reason}
	}
	h := &hijacker{ResponseWriter: q.w}
	conn, err := u.Upgrade(h, q.r, nil)
	switch {
	case err == nil:
		return conn, nil
	case refused != nil:
		if errors.Is(h.err, http.ErrNotSupported) {
			refused = &refusal{status: http.StatusNotImplemented, cause: h.err, logged: true}
			e.policy.LogUnfit(q.r, refused.status, webSockets.String(), h.err)
		}
		q.w.Header().Set("Sec-WebSocket-Version", "13") // the version that is supported
		return nil, refused
	default: // the connection is closed
		q.w = nil
		return nil, err
	}
}

// runSocket serves a socket until it ends.
func (e *Endpoint) runSocket(q *request, s *stream, t *socket, c *connection, known bool) {
	e.stats.opened(webSockets)
	defer e.stats.closed(webSockets)
	c.open(q, s, known)
	c.greeted(q, s)
	err := t.read(func(data []byte) { c.receive(q, s, data) })
	if errors.Is(err, websocket.ErrReadLimit) {
		e.logger.Debug("a client's message is too long", "connection", c.id, "limit", e.opts.maxMessageSize)
	} else {
		e.logger.Debug("socket closed", "connection", c.id, "error", err)
	}
	s.end(endLost)
	c.release(s)
	t.wait()
}

// start begins to use the socket.
func (t *socket) start(conn *websocket.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn = conn
	if t.stopped { // it was replaced meanwhile
		t.sayGoodbye()
	}
}

// read passes on what the client sends until the socket ends.
func (t *socket) read(receive func([]byte)) error {
	for {
		kind, message, err := t.conn.NextReader()
		if err != nil {
			return err
		}
		if kind != websocket.TextMessage {
			return errors.New("classic: a binary message")
		}
		data, err := io.ReadAll(message)
		if err != nil {
			return err
		}
		if !utf8.Valid(data) {
			deadline := time.Now().Add(t.close)
			_ = t.conn.SetReadDeadline(deadline)
			_ = t.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseInvalidFramePayloadData, ""), deadline)
			return errors.New("classic: a text message that is not valid UTF-8")
		}
		receive(data)
	}
}

func (t *socket) send(response []byte) error {
	t.writes.Lock()
	defer t.writes.Unlock()
	t.mu.Lock()
	stopped := t.stopped
	t.mu.Unlock()
	if stopped {
		return errEnded
	}
	_ = t.conn.SetWriteDeadline(time.Now().Add(t.timeout))
	return t.conn.WriteMessage(websocket.TextMessage, response)
}

func (t *socket) keepAlive() error { return t.send([]byte("{}")) }

func (t *socket) stop(why ending) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped {
		return
	}
	t.stopped = true
	switch {
	case t.conn == nil: // start sees it
	case why == endLost || !t.writes.TryLock():
		_ = t.conn.NetConn().Close()
	default:
		t.writes.Unlock()
		t.sayGoodbye()
	}
}

// sayGoodbye closes the socket properly; the reader waits for the client's half.
// The socket is locked.
func (t *socket) sayGoodbye() {
	deadline := time.Now().Add(t.close)
	_ = t.conn.SetReadDeadline(deadline)
	t.goodbye.Go(func() {
		_ = t.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline)
	})
}

// wait closes the socket after the reader has ended, or where there is none.
func (t *socket) wait() {
	t.goodbye.Wait()
	_ = t.conn.Close()
}

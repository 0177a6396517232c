package transports

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-signalr/signalr/negotiate"
)

const (
	// readSize is the size of a read from a socket, and of what the
	// application receives at once.
	readSize = 4 << 10
	// writeSize is the size of the library's shared buffers, for control frames.
	writeSize = 512
	// frameSize is how much of the queue is joined to one WebSocket message.
	// Longer messages of the application still travel in one piece.
	frameSize = 64 << 10
	// stallTimeout is how long a client may send nothing more of a message that it
	// has begun.
	stallTimeout = time.Minute
	// probeInterval is how long a client is held back before it is sent a pong, which
	// clients ignore, and then the time between two: the end of what the client has sent cannot be read then, but its
	// kernel tells by a reset when nobody has the socket open any more. It is a bit less
	// than the time between sweeps.
	probeInterval = sweepInterval * 3 / 4
)

// webSockets is what the WebSockets of an endpoint share: an idle one holds no
// buffer but its reader's.
type webSockets struct {
	upgrader     websocket.Upgrader
	readBuffers  sync.Pool // *[readSize]byte
	frames       sync.Pool // *frame
	writeBuffers sync.Pool // the upgrader's
	watch        watch
}

func (ws *webSockets) init(refuse func(http.ResponseWriter, *http.Request, int, error)) {
	ws.readBuffers.New = func() any { return new([readSize]byte) }
	ws.frames.New = newFrame
	ws.upgrader = websocket.Upgrader{
		WriteBufferSize: writeSize,
		WriteBufferPool: &ws.writeBuffers,
		CheckOrigin:     func(*http.Request) bool { return true }, // done before
		Error:           refuse,
	}
}

// isWebSocketUpgrade reports whether a GET asks for a WebSocket; a broken request for
// one is taken for a poll, as by the reference server.
func isWebSocketUpgrade(r *http.Request) bool { return checkUpgrade(r) == nil }

// checkUpgrade returns why a request is no upgrade to a WebSocket.
func checkUpgrade(r *http.Request) error {
	if r.Method != http.MethodGet {
		return errUpgradeMethod
	}
	if !websocket.IsWebSocketUpgrade(r) {
		return errUpgradeHeaders
	}
	if strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) != "13" {
		return errUpgradeVersion
	}
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	if err != nil || len(key) != 16 {
		return errUpgradeKey
	}
	return nil
}

// upgradeFault returns what is wrong with a request that was meant for a WebSocket, for
// which nothing else may be wrong, or otherwise.
func upgradeFault(r *http.Request, otherwise error) error {
	switch {
	case r.Method == http.MethodConnect:
		if r.Header.Get(":protocol") == "websocket" && !isWebSocketConnect(r) {
			return errUpgradeVersion
		}
	case websocket.IsWebSocketUpgrade(r), r.Header.Get("Sec-WebSocket-Key") != "": // without which a proxy may have passed it on
		if err := checkUpgrade(r); err != nil {
			return err
		}
	}
	return otherwise
}

// serveWebSocket turns a request into the transport of a connection, of a new
// one if it names none.
func (e *Endpoint) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	var c *Connection
	if token, _ := negotiate.QueryValue(r, "id"); token != "" {
		if c = e.find(token); c == nil {
			e.refuseUntyped(w, r, http.StatusNotFound, textUnknownID, errUnknownID)
			return
		}
		if !e.identify(w, r, c) {
			return
		}
	}
	if !e.opts.enabled[WebSockets] {
		e.refuseNotEnabled(w, r, WebSockets)
		return
	}
	upgrade, tunnel := r, (*tunnel)(nil)
	if r.Method == http.MethodConnect {
		if !canFlush(w) {
			e.refuseUnfit(w, r, WebSockets, http.ErrNotSupported)
			return
		}
		upgrade, tunnel = asUpgrade(r), newTunnel(w, r)
	} else if r.ContentLength != 0 { // its body would be taken for frames
		e.refuse(w, r, http.StatusBadRequest, "", errBody)
		return
	}
	if c == nil {
		var err error
		if c, err = e.add(negotiate.NewGrant(0, e.opts.node), ""); err != nil {
			e.refuse(w, r, http.StatusServiceUnavailable, "", err)
			return
		}
	}
	t := &webSocket{c: c, shared: &e.webSockets, detached: make(chan struct{})}
	t.conn.t = t
	t.closed.Add(1)
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
		e.refuseBound(w, r, c, WebSockets, b)
		return
	}
	var header http.Header
	if name := e.opts.subProtocol(websocket.Subprotocols(r)); name != "" {
		header = http.Header{"Sec-Websocket-Protocol": {name}}
		if tunnel != nil {
			w.Header()["Sec-Websocket-Protocol"] = []string{name}
		}
	}
	h := &hijacker{ResponseWriter: w, socket: &t.conn, tunnel: tunnel}
	ws, err := e.webSockets.upgrader.Upgrade(h, upgrade, header)
	if err != nil { // it is refused, or the client is gone
		t.leave(err)
		return
	}
	// A goroutine of its own lets go of all that net/http keeps for a request.
	go t.serve(ws)
	if tunnel != nil {
		tunnel.wait()
	}
}

// refuseUpgrade answers a request that the WebSocket library does not upgrade.
func (e *Endpoint) refuseUpgrade(w http.ResponseWriter, r *http.Request, status int, reason error) {
	if h := w.(*hijacker); h.err != nil {
		e.refuseUnfit(w, r, WebSockets, h.err)
		return
	}
	e.refuse(w, r, status, "", reason)
}

// webSocket is the WebSocket transport. One goroutine reads; when it has other
// work to do for long, another one takes its place. Whoever finds the outbox
// without a writer becomes the writer until it is empty.
type webSocket struct {
	c      *Connection
	shared *webSockets
	again  bool // it takes the place of one that was lost
	writer int  // the outbox's number for it
	conn   socket

	// The reader's own.
	receiver Receiver
	message  io.Reader // the message that is being read
	isText   bool      // it has to be UTF-8
	text     textCheck // of what has been read of it

	first reader

	receiving atomic.Bool  // the application takes what was read, or holds the client back
	heldSince atomic.Int64 // since when the sweep finds it receiving, or has last sent a pong; 0: it does not
	lostSince atomic.Int64 // by Endpoint.clock; 0: it is not broken

	mu     sync.Mutex
	socket *websocket.Conn // over conn; nil until serve
	ended  bool
	closed sync.WaitGroup // until ended: nothing more will be written

	detached chan struct{} // closed when another one may take its place, or none will
}

func (t *webSocket) wake() { go t.writeQueued() }

// writeNow writes what is queued as far as that does not take waiting, and leaves
// the rest, and what is queued meanwhile, to a goroutine.
func (t *webSocket) writeNow() {
	if t.conn.raw == nil || !t.conn.mu.TryLock() {
		go t.writeQueued()
		return
	}
	batch, state := t.c.out.take(nil, t.writer)
	for rest := batch; len(rest) > 0; {
		if len(rest[0]) > frameSize {
			t.conn.mu.Unlock()
			go t.writeRest(rest)
			return
		}
		n := joint(rest)
		unwritten, err := t.conn.tryFrame(t.opcode(rest[:n]), rest[:n])
		if err != nil {
			t.conn.mu.Unlock()
			t.lost(err)
			return
		}
		if rest = rest[n:]; unwritten != nil {
			go t.finishFrame(unwritten, rest)
			return
		}
	}
	if batch != nil {
		batch, state = t.c.out.take(batch, t.writer)
	}
	t.conn.mu.Unlock()
	switch {
	case batch != nil:
		go t.writeRest(batch)
	case state == outboxFinishing:
		go t.sayGoodbye()
	}
}

// finishFrame goes on where writeNow would have to wait. The socket is locked.
func (t *webSocket) finishFrame(unwritten []byte, rest [][]byte) {
	_, err := t.conn.wait(unwritten)
	t.conn.mu.Unlock()
	if err != nil {
		t.lost(err)
		return
	}
	t.writeRest(rest)
}

// opcode returns the type of the frame for messages. Those of a hub that are to be
// text are; a client would fail the connection for a text that is not UTF-8.
func (t *webSocket) opcode(messages [][]byte) byte {
	if t.c.binary.Load() || t.c.raw && !isText(messages) {
		return wholeBinary
	}
	return wholeText
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
	t.lostSince.CompareAndSwap(0, t.c.endpoint.clock(time.Now()))
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
		t.closed.Done()
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
	if !t.start(socket) {
		t.leave(ErrAborted)
		return
	}
	t.socket.SetCloseHandler(func(int, string) error { return nil }) // answered by the writer, at the end
	t.socket.SetPingHandler(t.conn.notePing)
	t.receiver = t.open()
	t.first = reader{t: t, seat: t.shared.watch.seat()}
	t.readOn(&t.first)
}

// readOn reads until the transport ends or another goroutine reads.
func (t *webSocket) readOn(r *reader) {
	if cause, ended := t.read(r); ended {
		t.c.StartDeferred() // a call that the application has taken waits for nobody
		t.leave(cause)
	}
}

// leave takes the WebSocket, which the client has closed properly (nil) or which
// is lost, off its connection.
func (t *webSocket) leave(cause error) {
	code := closeCode(cause)
	if cause != nil && code == 0 && t.c.detach(t, cause) {
		return // until the client comes back
	}
	defer close(t.detached)
	if code != 0 {
		t.c.out.kill()
		t.writeClose(code)
	}
	t.c.close(cause)
	switch {
	case cause == nil: // the client waits for the other half of the closing handshake
		t.closed.Wait()
	case cause == errNotText:
		t.drain()
	case cause == errFrameLength: // what follows is no frames
		_, _ = io.Copy(io.Discard, t.conn.Conn)
	}
	t.abort()
	t.c.remove()
}

// closeCode returns the code of the closing frame for a client that does not keep to
// RFC 6455, and 0 for others, and for what the library has answered itself.
func closeCode(cause error) int {
	switch cause {
	case errNotText, errCloseText:
		return websocket.CloseInvalidFramePayloadData
	case errShortClose, errFrameLength:
		return websocket.CloseProtocolError
	default:
		return 0
	}
}

// open opens the connection, or goes on with it.
func (t *webSocket) open() Receiver {
	if t.again {
		return t.c.resume(t)
	}
	return t.c.open()
}

// read passes on what the client sends, until it closes the socket properly
// (nil), the socket fails, or another goroutine reads instead (not ended).
func (t *webSocket) read(r *reader) (cause error, ended bool) {
	for {
		if t.message == nil {
			kind, message, err := t.socket.NextReader()
			if closed := (*websocket.CloseError)(nil); errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
				return nil, true
			}
			if err != nil {
				return err, true
			}
			t.message = message
			t.isText = kind == websocket.TextMessage
		}
		buffer := t.shared.readBuffers.Get().(*[readSize]byte)
		n, err := t.message.Read(buffer[:])
		for err == nil && n < len(buffer) && t.conn.unread() >= longestHeader { // it does not wait
			var more int
			more, err = t.message.Read(buffer[n:])
			n += more
		}
		valid := !t.isText || t.text.valid(buffer[:n]) && (err != io.EOF || t.text.end())
		if n > 0 && valid {
			t.conn.pong()
			t.receiving.Store(true)
			t.receiver.Receive(buffer[:n])
			t.receiving.Store(false)
		}
		t.shared.readBuffers.Put(buffer)
		if !valid {
			return errNotText, true
		}
		if err != nil {
			t.message = nil // an error other than the message's end comes again from NextReader
		}
		// What was deferred waits for all that has been read already. Where that
		// is misjudged, the socket sees to it before it waits for the client.
		if t.c.deferred == nil || t.conn.unread() > 0 && (t.message != nil || t.conn.hasFrame()) {
			continue
		}
		if !t.work(r) {
			return nil, false
		}
	}
}

// work does what was deferred, and reports whether this goroutine goes on reading
// after that.
func (t *webSocket) work(r *reader) (reads bool) {
	work := t.c.deferred
	t.c.deferred = nil
	t.c.out.hold()
	if !t.shared.watch.enter(r) {
		go work.Work()
		if t.c.out.release() {
			t.writeNow()
		}
		return true
	}
	// From here on another goroutine may read.
	defer func() {
		if !t.shared.watch.leave(r) {
			reads = false
			return
		}
		if t.c.out.release() {
			t.writeNow()
		}
		if !reads { // the work has ended this goroutine
			go t.readOn(r)
		}
	}()
	work.Work()
	return true
}

// takeOver lets another goroutine read, since the one that did works for long.
func (t *webSocket) takeOver() {
	if t.c.out.release() {
		t.wake()
	}
	go t.readOn(&reader{t: t, seat: t.shared.watch.seat()})
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
		t.conn.mu.Lock()
		err := t.conn.writeFrame(t.opcode(messages[:n]), messages[:n])
		t.conn.mu.Unlock()
		if err != nil {
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

// sayGoodbye sends the closing frame and gives the client some
// time to send its own.
func (t *webSocket) sayGoodbye() {
	code := websocket.CloseNormalClosure
	if t.c.faulted.Load() {
		code = websocket.CloseInternalServerErr
	}
	t.writeClose(code)
	t.endWriting()
}

// writeClose sends the closing frame, and lets the reader wait for the client's no
// longer than the close timeout.
func (t *webSocket) writeClose(code int) {
	deadline := time.Now().Add(t.c.endpoint.opts.closeTimeout)
	_ = t.socket.SetReadDeadline(deadline)
	_ = t.socket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""), deadline)
}

// drain reads until the client closes or the read deadline: with input unread, the kernel
// would take the closing frame back.
func (t *webSocket) drain() {
	for {
		if _, _, err := t.socket.NextReader(); err != nil {
			return
		}
	}
}

// pong shows middle boxes that the socket is in use. One that the client has closed is
// found out by it, or by the next.
func (t *webSocket) pong() {
	err := t.socket.WriteControl(websocket.PongMessage, nil, time.Now().Add(t.c.endpoint.opts.sendTimeout))
	if err != nil && err != websocket.ErrCloseSent {
		t.lost(err)
	}
}

// sweep applies the timeouts of a WebSocket, and finds out whether a client has gone that
// the application holds back, so that nobody reads: within two sweeps of the client's
// end. A WebSocket that was lost meanwhile has the limit, as connections without one have,
// until the reader notices and another can take its place.
func (t *webSocket) sweep(now int64, limit time.Duration, inactive error) {
	if since := t.conn.stalledSince.Load(); since != 0 && now-since > int64(stallTimeout) {
		t.c.end(errStalled)
		return
	}
	if since := t.lostSince.Load(); since != 0 && now-since > int64(limit) && t.c.waitsFor(t) {
		t.c.end(inactive)
		return
	}
	switch {
	case !t.receiving.Load():
		t.heldSince.Store(0)
	case t.heldSince.Load() == 0:
		t.heldSince.Store(now)
	case now-t.heldSince.Load() > int64(probeInterval) && t.c.writingSince.Load() == 0:
		t.heldSince.Store(now)
		go t.pong() // over TLS it may wait for the client
	}
}

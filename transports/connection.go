package transports

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-signalr/signalr/negotiate"
)

// Handler serves the connections of an [Endpoint]. It is called by several
// goroutines at once.
type Handler interface {
	// Connect is called once for each connection, when its first transport
	// is up. It must not block.
	Connect(c *Connection) Receiver
}

// Receiver is the application's end of one connection.
type Receiver interface {
	// Receive takes bytes from the client, in order, one call at a time.
	// Message boundaries are not preserved. data is only valid during the
	// call. Blocking holds the client back; that it has gone meanwhile is
	// noticed within some seconds, but a WebSocket's proper end counts as lost
	// then.
	Receive(data []byte)
	// Tick is called about once a second, also during Receive and perhaps
	// once after Close. It must not block.
	Tick(now time.Time)
	// Close is called once, after the last Receive or, when the endpoint
	// itself ends the connection, at any time. cause is nil if the client
	// ended the connection properly. When the transport is still up, what is
	// sent now still reaches the client. Close returns after the application
	// has called [Connection.Finish].
	Close(cause error)
}

// Connection is one client, whatever its transport. All methods are safe for
// concurrent use.
type Connection struct {
	endpoint *Endpoint
	grant    negotiate.Grant
	logger   *slog.Logger

	out          outbox
	webSocket    atomic.Pointer[webSocket] // the transport, if it is one
	binary       atomic.Bool
	raw          bool         // the application may send any bytes; set by Connect
	writingSince atomic.Int64 // by Endpoint.clock; 0: no write is under way

	closeOnce sync.Once // calls Receiver.Close
	faulted   atomic.Bool

	mu        sync.Mutex
	kind      Kind      // fixed by the first transport request
	transport transport // nil: inactive
	idleSince time.Time // when inactive
	disposed  bool      // no transport request finds it any more
	removed   bool
	cause     error // why the connection ended; the first one wins
	settled   bool  // cause is final; nil: by the client's wish
	finished  bool  // by the application: however the transport ends, it is not the cause
	receiver  Receiver
	request   *http.Request
	identity  string // of the negotiation, if it had one, and of the request
	expires   int64  // Unix nanoseconds, of the wall clock as tokens are; 0: never

	resumes bool          // a WebSocket that is lost may be replaced (resume.go)
	rebinds chan struct{} // ends the wait of a WebSocket for the one before; nil: none waits

	// Of the goroutine that calls Receive.
	deferred Worker // see Defer
	gathers  bool   // see Gather

	// For transports whose bytes come by POST.
	input      chan struct{} // holds a token while a POST is under way
	delivering atomic.Bool   // the application takes bytes of one
	pollWaits  bool          // a poll waits for another to end
}

// transport is what carries a connection at the moment.
type transport interface {
	// wake tells the writer that the outbox needs it. It does not block.
	wake()
	// abort breaks the transport. Whoever reads from it then ends the
	// connection. It does not wait for the client, but for TLS's good-bye.
	abort()
}

func newConnection(e *Endpoint, grant negotiate.Grant, identity string) *Connection {
	return &Connection{
		endpoint:  e,
		grant:     grant,
		identity:  identity,
		logger:    e.opts.logger,
		out:       outbox{buffer: e.opts.bufferSize, limit: e.opts.outboxLimit},
		idleSince: time.Now(),
	}
}

// ID returns the public id of the connection.
func (c *Connection) ID() string { return c.grant.ConnectionID }

// Transport returns the transport in use.
func (c *Connection) Transport() Kind {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kind
}

// Request returns the first request of the transport: the WebSocket upgrade,
// the event stream's GET, or the first poll. Its context carries the values of
// the request's own and never ends; its body must not be read.
func (c *Connection) Request() *http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.request
}

// Identity returns whose connection it is, as told by [WithIdentity].
func (c *Connection) Identity() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identity
}

// SetBinary chooses the type of the WebSocket messages sent from now on. It
// starts as text.
func (c *Connection) SetBinary(binary bool) { c.binary.Store(binary) }

// Send queues a message for the client and never blocks. The message must not
// be changed any more; one message can be sent to many connections. Messages
// leave in the order of the calls, several at a time where several are queued,
// and are never split between WebSocket messages, events or poll bodies.
//
// The error is [ErrClosed] or, when the outbox is full, [ErrSlowClient]; the
// connection is then aborted.
func (c *Connection) Send(msg []byte) error {
	return c.put(msg, false)
}

// SendThen is [Connection.Send], and runs then when the message is queued and not
// yet sent. What is sent from there on comes after the message.
func (c *Connection) SendThen(msg []byte, then func()) error {
	wake, err := c.out.put(msg, false)
	if err != nil {
		return err
	}
	then()
	if wake {
		c.writeNow()
	}
	return nil
}

// SendLast is [Connection.Send] for the last message: later sends fail with
// [ErrClosed].
func (c *Connection) SendLast(msg []byte) error { return c.put(msg, true) }

func (c *Connection) put(msg []byte, last bool) error {
	wake, err := c.out.put(msg, last)
	switch {
	case errors.Is(err, ErrSlowClient):
		c.end(err)
	case wake:
		c.writeNow()
	}
	return err
}

// SendWait is [Connection.Send] for senders that can wait: it queues the message
// when no more than the buffer size is waiting for the client. The error is
// [ErrClosed], or ctx's cause if that is done first.
func (c *Connection) SendWait(ctx context.Context, msg []byte) error {
	wake, err := c.out.putWait(ctx, msg)
	if wake {
		c.wake()
	}
	return err
}

// Write is [Connection.SendWait], but where it can it does the write itself
// instead of leaving it to another goroutine.
func (c *Connection) Write(ctx context.Context, msg []byte) error {
	wake, err := c.out.putWait(ctx, msg)
	if wake {
		c.writeOrWake()
	}
	return err
}

// Queued returns how many bytes of messages wait in the outbox. Those that are
// being written do not count.
func (c *Connection) Queued() int { return c.out.queued() }

// Flushed reports whether every message sent has been written to the network, or
// dropped for lack of a transport.
func (c *Connection) Flushed() bool { return c.out.flushed() }

// Finish says that the application sends nothing more: what is queued is
// delivered, then the transport ends, as failed if err is not nil.
func (c *Connection) Finish(err error) {
	c.mu.Lock()
	if !c.finished {
		c.faulted.Store(err != nil)
	}
	c.finished = true
	c.endRebind()
	away := c.transport == nil && c.kind == WebSockets
	c.mu.Unlock()
	if c.out.finish() {
		c.wake()
	}
	if away { // nobody else is there to end it
		go func() {
			c.close(nil)
			c.remove()
		}()
	}
}

// Abort ends the connection at once: what is queued is lost. Receiver.Close is
// then called with [ErrAborted].
func (c *Connection) Abort() { c.end(ErrAborted) }

// Ending says that the application is about to end the connection, and why, for
// [Stats] and the log: nil means by the client's wish, an error of this package that
// one, and any other error that something has failed. What happens to the transport
// from then on is not the reason. It counts only if the connection is not ending for
// another reason already. [Connection.Finish] is still to follow.
func (c *Connection) Ending(cause error) {
	if cause != nil && reason(cause) == reasonLost {
		cause = &failure{cause}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(cause)
}

// settle notes why the connection ends; the first reason counts. c is locked.
func (c *Connection) settle(cause error) {
	if !c.settled {
		c.cause, c.settled = cause, true
		c.endRebind()
	}
}

// end breaks the connection for a reason of the server's. The application is told
// at once: whoever reads from the transport may be held up in Receive.
func (c *Connection) end(cause error) {
	c.mu.Lock()
	c.settle(cause)
	t := c.transport
	c.mu.Unlock()
	c.out.kill()
	if t != nil {
		t.abort()
	}
	go c.close(cause)
}

func (c *Connection) wake() {
	c.mu.Lock()
	t := c.transport
	c.mu.Unlock()
	if t != nil {
		t.wake()
	}
}

// writeOrWake writes what is queued, waiting for the client, where the sender can
// do that.
func (c *Connection) writeOrWake() {
	if t := c.webSocket.Load(); t != nil {
		t.writeOnce()
	} else {
		c.wake()
	}
}

// writeNow writes what is queued as far as that takes no waiting, where the sender
// can do that.
func (c *Connection) writeNow() {
	if t := c.webSocket.Load(); t != nil {
		t.writeNow()
	} else {
		c.wake()
	}
}

// writing and written surround every write to the client, so that the sweep
// notices one that hangs.
func (c *Connection) writing() { c.writingSince.Store(c.endpoint.clock(time.Now())) }
func (c *Connection) written() { c.writingSince.Store(0) }

// bound is the outcome of binding a transport request to a connection.
type bound uint8

const (
	boundOK         bound = iota
	boundOther            // the connection uses another transport
	boundAlready          // the connection uses this transport already
	boundSuperseded       // a newer request has taken the place meanwhile
	boundDisposed         // the connection ended meanwhile
	boundCancelled        // the client went away meanwhile
)

// err returns why the connection is not to be had.
func (b bound) err() error {
	switch b {
	case boundOther:
		return errOther
	case boundAlready:
		return errAlready
	case boundSuperseded:
		return errSuperseded
	default:
		return errEnded
	}
}

// bind makes t the connection's transport, once.
func (c *Connection) bind(kind Kind, t transport, r *http.Request) bound {
	identity, expires := c.endpoint.opts.identity(r), expiry(c.endpoint.opts.expires(r))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.disposed, c.cause != nil && c.kind == 0:
		return boundDisposed
	case c.kind == kind:
		return boundAlready
	case c.kind != 0:
		return boundOther
	}
	c.kind = kind
	c.transport = t
	c.identity = identity
	c.expires = expires
	if t, ok := t.(*webSocket); ok {
		c.webSocket.Store(t)
	}
	c.request = r.WithContext(context.WithoutCancel(r.Context()))
	c.endpoint.stats.started(kind)
	return boundOK
}

// open hands the connection to the application.
func (c *Connection) open() Receiver {
	receiver := c.endpoint.handler.Connect(c)
	c.mu.Lock()
	c.receiver = receiver
	cause, over := c.cause, c.cause != nil || c.disposed
	c.mu.Unlock()
	if over { // the connection ended meanwhile
		c.close(cause)
	}
	return receiver
}

// close tells the application once that the connection has ended and waits
// until it has finished. The endpoint's own reason, if there is one, goes before
// what the transport noticed.
func (c *Connection) close(cause error) {
	c.mu.Lock()
	if cause != nil && !c.finished {
		c.settle(cause)
	}
	cause = c.cause
	receiver := c.receiver
	c.mu.Unlock()
	if receiver != nil {
		c.closeOnce.Do(func() { receiver.Close(cause) })
	}
}

// Drainer is a [Receiver] that [Endpoint.Shutdown] asks before it ends the connection.
type Drainer interface {
	Receiver
	// Drain returns when the connection may end. Each Shutdown calls it by a
	// goroutine of its own. It must return soon after Close was called: the
	// connection may end meanwhile.
	Drain()
}

// shutDown ends the connection because its endpoint shuts down. The application
// says good-bye first: by the transport, or by the next poll.
func (c *Connection) shutDown() {
	if c.Transport() == 0 {
		c.dispose(ErrShutdown)
	}
	c.mu.Lock()
	drainer, ok := c.receiver.(Drainer)
	c.mu.Unlock()
	if ok {
		drainer.Drain()
	}
	c.close(ErrShutdown)
}

// dispose removes the connection if it has no transport.
func (c *Connection) dispose(cause error) {
	c.mu.Lock()
	if c.transport != nil || c.disposed {
		c.mu.Unlock()
		return
	}
	c.disposed = true
	c.mu.Unlock()
	c.discard(cause)
}

// discard removes the connection, which is disposed.
func (c *Connection) discard(cause error) {
	c.out.kill()
	c.close(cause)
	c.remove()
}

// terminate ends the connection because the client wishes it, without waiting.
// From now on nobody finds it.
func (c *Connection) terminate() {
	c.mu.Lock()
	disposed, t := c.disposed, c.transport
	c.disposed = true
	c.mu.Unlock()
	if disposed {
		return
	}
	c.endpoint.forget(c)
	c.out.kill()
	if t != nil {
		t.abort()
	}
	go func() {
		c.close(nil)
		c.remove()
	}()
}

// remove takes a connection that has no transport any more out of the table.
func (c *Connection) remove() {
	c.mu.Lock()
	if c.removed {
		c.mu.Unlock()
		return
	}
	c.removed = true
	c.disposed = true
	lost := c.kind == WebSockets && c.transport == nil
	c.transport = nil
	c.webSocket.Store(nil)
	kind, cause := c.kind, c.cause
	c.mu.Unlock()
	c.out.kill()
	if kind != 0 {
		c.endpoint.stats.ended(kind, reason(cause), lost)
	}
	c.logger.Debug("connection ended", "connection", c.ID(), "transport", kind.String(), "reason", reason(cause))
	c.endpoint.forget(c)
	c.endpoint.live.Done()
}

// sweep applies the timeouts. A connection without transport is disposed of after
// the time given, for the cause given. Each decision takes effect before the lock is
// released: a request that arrives in between must either prolong the connection or
// find that it has ended.
func (c *Connection) sweep(now time.Time, limit time.Duration, inactive error) {
	if since := c.writingSince.Load(); since != 0 && c.endpoint.clock(now)-since > int64(c.endpoint.opts.sendTimeout) {
		c.end(ErrWriteTimeout)
		return
	}
	if t := c.webSocket.Load(); t != nil {
		t.sweep(c.endpoint.clock(now), limit, inactive)
	}
	c.mu.Lock()
	idle := c.transport == nil && !c.disposed && now.Sub(c.idleSince) > limit
	c.disposed = c.disposed || idle
	receiver := c.receiver
	expired := receiver != nil && !idle && c.expires != 0 && now.UnixNano() > c.expires
	if expired {
		c.expires = 0
	}
	c.mu.Unlock()
	switch {
	case idle:
		go c.discard(inactive)
	case expired:
		go c.close(ErrExpired)
	case receiver != nil:
		receiver.Tick(now)
	}
}

package classic

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// connection is a client that this node knows, with or without a request that it
// receives by at the moment.
//
// Lock order: Endpoint.mu, connection.mu, turn.mu. What takes from the members or
// writes to the client has the turn.
type connection struct {
	endpoint *Endpoint
	id       string
	items    sync.Map
	hubs     []listed  // those whose lifecycle methods run
	log      *localLog // what it gets from this node alone; nil: it gets all by hubs
	ctx      context.Context
	cancel   context.CancelCauseFunc
	gone     chan struct{} // closed when it is not in the table any more
	turn     turn
	retry    atomic.Bool   // what was missed could not be read
	aborting atomic.Bool   // it is to end after what is there for it
	sent     atomic.Uint64 // messages written

	// With the turn.
	sources   []source
	shape     uint32
	written   string   // the cursor that the client should have; "": none
	unsure    bool     // what was taken may not have reached the client
	admitted  bool     // it is known what has happened to it
	mark      string   // of the groups token that the client has; "": none
	proven    bool     // that token says that it was accepted
	regrouped bool     // the groups are not those of that token
	parked    [][]byte // taken already, for the next response
	next      int      // source to take from first

	mu        sync.Mutex
	request   *http.Request // the latest that it receives by
	transport transport     // of that
	stream    *stream       // nil: it receives nothing at the moment
	newest    *stream       // the latest that has asked to be it
	lastSeen  time.Time     // when it had a stream last
	created   time.Time
	expires   time.Time       // of the authentication; zero: never
	expired   bool            // it has, which has ended the latest stream
	due       bool            // a keep-alive
	stale     bool            // another cursor is due, if it has moved
	refreshed time.Time       // when the client has got a cursor, or it had not moved
	barriers  []chan struct{} // are closed when what was there before is written
	calls     int             // of the application's code, its OnDisconnected aside
	returned  chan struct{}   // closed when none runs and no other starts
	quiet     bool            // returned is closed
	draining  bool            // the endpoint shuts down
	ended     bool
	cause     error  // why, if it has ended
	last      []byte // what an aborted client has still to get

	begun    bool          // OnConnected has begun, or has run elsewhere
	started  chan struct{} // closed when it has returned
	startErr error
}

// listed is a hub that a client has listed, and who the client is there.
type listed struct {
	*served
	user string
}

// source is a member of the bus and what its cursor belongs to.
type source struct {
	bridge.Member
	hub    string // "": it is the log
	user   string
	groups []string
}

// Causes for which a connection ends.
var (
	errRefused  = errors.New("classic: OnConnected has failed")
	errNotBegun = errors.New("classic: the client has not started the connection in time")
	errLeft     = errors.New("classic: the client is on another node")
	errAborted  = hubs.ErrAborted
	errStopped  = errors.New("classic: the client has stopped")
	errShutdown = hubs.ErrShutdown
)

// elsewhere is the cause of a connection that another node has ended. That node
// runs OnDisconnected.
type elsewhere struct{ cause error }

func (e *elsewhere) Error() string { return e.cause.Error() + ", on another node" }

func (e *elsewhere) Unwrap() error { return e.cause }

// isFinal reports whether a connection that has ended for a cause must not come
// back.
func isFinal(cause error) bool {
	return errors.Is(cause, errAborted) || errors.Is(cause, errStopped) || errors.Is(cause, errUnproven)
}

// isLost reports whether a connection has ended because its client did not come back.
func isLost(cause error) bool {
	return errors.Is(cause, hubs.ErrClientTimeout) || errors.Is(cause, hubs.ErrExpired)
}

// isNews reports whether an error of taking messages is one of those that end the
// connection.
func isNews(err error) bool {
	return isFinal(err) || errors.Is(err, errLeft)
}

func newConnection(e *Endpoint, q *request) *connection {
	now := time.Now()
	c := &connection{
		endpoint:  e,
		id:        q.id,
		hubs:      q.hubs,
		gone:      make(chan struct{}),
		started:   make(chan struct{}),
		returned:  make(chan struct{}),
		lastSeen:  now,
		created:   now,
		refreshed: now,
	}
	c.turn.init(c.pass)
	c.ctx, c.cancel = context.WithCancelCause(context.WithoutCancel(q.r.Context()))
	c.use(q)
	if e.raw != nil || len(q.hubs) == 0 {
		c.log = newLocalLog(c.turn.wake)
	}
	if len(q.hubs) == 0 { // nobody asks for it
		c.begun = true
		close(c.started)
	}
	return c
}

// use notes by what request the client receives. c.mu is locked, or nobody else
// has c.
func (c *connection) use(q *request) {
	c.request, c.transport, c.expires, c.expired = settledRequest(q.r), q.transport, q.expires, false
}

// lists reports whether the client has listed all of these hubs from the
// beginning. It may lose some later, by authorisation.
func (c *connection) lists(hubs []listed) bool {
	for _, h := range hubs {
		if !slices.ContainsFunc(c.hubs, func(own listed) bool { return own.served == h.served }) {
			return false
		}
	}
	return c.log == nil || c.endpoint.raw != nil || len(hubs) == 0
}

// settledRequest returns a request for application code: its context has the
// values of the request's own and never ends.
func settledRequest(r *http.Request) *http.Request {
	settled := r.WithContext(context.WithoutCancel(r.Context()))
	settled.Body = http.NoBody
	return settled
}

// peer returns the connection as application code sees it while a request is
// handled.
func (c *connection) peer(h listed, r *http.Request, ctx context.Context, t transport) *bridge.Peer {
	return c.endpoint.peer(c.id, &c.items, h, r, ctx, t)
}

func (e *Endpoint) peer(id string, items *sync.Map, h listed, r *http.Request, ctx context.Context, t transport) *bridge.Peer {
	return &bridge.Peer{
		ConnectionID: id,
		UserID:       h.user,
		Request:      r,
		Transport:    t.kind(),
		Items:        items,
		Context:      ctx,
		Abort:        func() { e.abort(h, id) },
	}
}

// abort ends a connection by the application's wish, behind what was sent to it
// before. It does not wait.
func (e *Endpoint) abort(h listed, id string) {
	if c := e.lookup(id); c != nil && (c.log != nil || h.hub == nil) {
		c.abort()
		return
	}
	e.later(func(ctx context.Context) {
		if err := h.hub.Abort(ctx, id); err != nil {
			e.warn("a connection cannot be ended", "connection", id, "error", err)
		}
	})
}

// abort ends the connection after what is there for it.
func (c *connection) abort() {
	c.aborting.Store(true)
	c.turn.wake()
}

// lifetime returns a context with the values of a request that is done when the
// connection ends. release lets go of it.
func (c *connection) lifetime(r *http.Request) (ctx context.Context, release func()) {
	return within(context.WithoutCancel(r.Context()), c.ctx)
}

// within returns a context with the values of ctx that is done when ctx or until is.
// release lets go of it.
func within(ctx, until context.Context) (both context.Context, release func()) {
	both, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(until, func() { cancel(context.Cause(until)) })
	return both, func() { stop(); cancel(nil) }
}

// start runs OnConnected once, and returns its error to all who ask.
func (c *connection) start(r *http.Request, t transport) error {
	c.mu.Lock()
	if c.begun {
		c.mu.Unlock()
		<-c.started
		return c.startErr
	}
	if err := c.enterCallLocked(); err != nil {
		c.mu.Unlock()
		return err
	}
	defer c.leaveCall()
	c.begun = true
	c.mu.Unlock()
	ctx, release := c.lifetime(r)
	defer release()
	r = settledRequest(r)
	err := forAll(c.hubs, func(h listed) error {
		return h.life.Connected(c.peer(h, r, ctx, t))
	}, func(h listed) { // the others have refused the client
		c.disconnected(h, errRefused)
	})
	c.startErr = err
	close(c.started)
	if err != nil {
		c.end(errRefused)
		return err
	}
	c.endpoint.logger.Debug("client connected", "connection", c.id)
	c.turn.wake()
	return nil
}

// startBy runs start for a stream, which ends if the client is refused.
func (c *connection) startBy(q *request, s *stream) bool {
	err := c.start(q.r, q.transport)
	if err != nil {
		c.endpoint.logger.Debug("client refused", "connection", c.id, "error", err)
		s.end(endFailed)
	}
	return err == nil
}

// noteStarted says that OnConnected has run, on another node perhaps.
func (c *connection) noteStarted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun {
		c.begun = true
		close(c.started)
		c.turn.wake()
	}
}

// isStarted reports whether the application has accepted the client.
func (c *connection) isStarted() bool {
	select {
	case <-c.started:
		return c.startErr == nil
	default:
		return false
	}
}

// reconnected runs OnReconnected; when it fails, the stream ends.
func (c *connection) reconnected(q *request, s *stream) {
	if c.enterCall() != nil {
		return
	}
	defer c.leaveCall()
	ctx, release := c.lifetime(q.r)
	defer release()
	r := settledRequest(q.r)
	err := forAll(q.hubs, func(h listed) error {
		return h.life.Reconnected(c.peer(h, r, ctx, q.transport))
	}, nil)
	if err != nil {
		c.endpoint.logger.Debug("OnReconnected has failed", "connection", c.id, "error", err)
		s.end(endFailed)
	}
}

func (c *connection) disconnected(h listed, cause error) {
	c.mu.Lock()
	r, t := c.request, c.transport
	c.mu.Unlock()
	ctx, release := within(r.Context(), c.endpoint.hooks)
	defer release()
	if err := h.life.Disconnected(c.peer(h, r, ctx, t), cause); err != nil {
		c.endpoint.logger.Debug("OnDisconnected has failed", "connection", c.id, "error", err)
	}
}

// forAll runs something for all hubs at once. If it fails for one, undo, which may
// be nil, runs for those for which it has not.
func forAll(hubs []listed, do func(listed) error, undo func(listed)) error {
	errs := make([]error, len(hubs))
	if len(hubs) == 1 {
		errs[0] = do(hubs[0])
	} else {
		var wait sync.WaitGroup
		for i, h := range hubs {
			wait.Go(func() { errs[i] = do(h) })
		}
		wait.Wait()
	}
	err := errors.Join(errs...)
	if err != nil && undo != nil {
		for i, h := range hubs {
			if errs[i] == nil {
				undo(h)
			}
		}
	}
	return err
}

// end ends the connection once, without waiting. What the cause is decides
// whether OnDisconnected runs.
func (c *connection) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(cause)
}

// endLocked is end with c.mu locked.
func (c *connection) endLocked(cause error) {
	if c.ended {
		return
	}
	c.ended, c.cause = true, cause
	c.noteReturn()
	go c.retire(cause)
}

// retire does what is to be done when a connection ends.
func (c *connection) retire(cause error) {
	if isLost(cause) {
		if news := c.news(); isNews(news) && !errors.Is(news, errUnproven) {
			cause = news
		}
	}
	left := errors.Is(cause, errLeft)
	if !left { // else the client waits for its calls elsewhere
		c.cancel(publicCause(cause))
	}
	c.mu.Lock()
	s := c.stream
	c.stream = nil
	begun := c.begun
	c.mu.Unlock()
	if s != nil {
		s.end(endOf(cause))
	}
	c.turn.take()
	c.detach()
	c.turn.give() // whoever gets it sees that it has ended
	if isFinal(cause) {
		last, _ := c.final()
		c.endpoint.bury(c.id, cause, last)
		c.tellEnd(cause, last)
	}
	if left {
		c.endpoint.forget(c, cause)
		close(c.gone)
		c.endCalls()
	} else {
		<-c.returned
		if told, tell := farewellOf(cause); tell && begun && c.startErr == nil {
			_ = forAll(c.hubs, func(h listed) error { c.disconnected(h, told); return nil }, nil)
		}
		c.endpoint.forget(c, cause)
		close(c.gone)
	}
	c.endpoint.logger.Debug("client disconnected", "connection", c.id, "cause", cause)
	c.endpoint.leaveLive()
}

// farewellOf returns what OnDisconnected is told of a cause, and whether it runs.
func farewellOf(cause error) (told error, tell bool) {
	switch {
	case errors.As(cause, new(*elsewhere)):
		return nil, false
	case errors.Is(cause, errAborted), errors.Is(cause, errStopped), errors.Is(cause, errUnproven), isLost(cause):
		return publicCause(cause), true
	default:
		return nil, false
	}
}

// publicCause returns the error that the application gets for a cause: nil, if the
// client has ended the connection itself.
func publicCause(cause error) error {
	switch {
	case errors.Is(cause, errStopped):
		return nil
	case errors.Is(cause, errUnproven):
		return hubs.ErrClientTimeout
	default:
		return cause
	}
}

// endCalls waits for the calls of a client that has left. They go on, until the grace of
// a shutdown is over.
func (c *connection) endCalls() {
	select {
	case <-c.returned:
	case <-c.endpoint.grace.Done():
	}
	c.cancel(context.Cause(c.endpoint.grace))
	<-c.returned
}

// news looks in what nobody has taken for the end of the connection.
func (c *connection) news() error {
	ctx, cancel := context.WithTimeout(context.Background(), takeTimeout)
	defer cancel()
	c.turn.take()
	defer c.turn.give()
	return c.discard(ctx)
}

// detach takes the connection off the bus. The caller has the turn.
func (c *connection) detach() {
	for _, s := range c.sources {
		s.Detach()
	}
	c.sources, c.parked = nil, nil
}

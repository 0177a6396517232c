package classic

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// stream is one request that a client receives by: a socket, an event stream, a
// forever frame, or one poll.
type stream struct {
	transport transport
	out       outlet
	since     time.Time
	ctx       context.Context // done when it has ended
	cancel    context.CancelFunc

	// What the client has sent along.
	cursorText string
	cursor     cursor
	genuine    bool        // the cursor was given to this client, together with its groups
	member     *membership // nil: no valid groups token
	mark       string      // of the groups token

	init     bool        // the first response is an init message; with the turn
	accepted bool        // the groups token shows that the application has accepted the client; with the turn
	anew     bool        // the client gets what is sent from now on; with the turn
	doomed   bool        // the client has to go, or to come again; with the turn
	greet    atomic.Bool // the client needs a response, whether there is something or not

	slots   chan struct{} // of a socket: holds a token for each call under way
	results [][]byte      // of a socket's calls; under connection.mu

	once   sync.Once
	reason ending // set before ended is closed
	ended  chan struct{}
}

// outlet writes to the client. One goroutine at a time sends.
type outlet interface {
	// send writes one response.
	send(response []byte) error
	// keepAlive writes what shows the client that the stream lives.
	keepAlive() error
	// stop lets nothing more be written, and makes a write that is under way
	// fail unless the stream ends of itself. It may be called at any time and
	// does not wait for the client.
	stop(ending)
}

// ending is why a stream ends.
type ending uint8

const (
	endAnswered ending = iota + 1 // of a poll
	endLost                       // the client is gone, or does not read
	endReplaced
	endExpired
	endTimeout
	endFailed
	endClosed
	endShutdown
)

// endOf returns why a stream ends when its connection does.
func endOf(cause error) ending {
	if cause == errShutdown {
		return endShutdown
	}
	return endClosed
}

func newStream(t transport, ctx context.Context) *stream {
	s := &stream{transport: t, since: time.Now(), ended: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

// end ends the stream once.
func (s *stream) end(why ending) {
	s.once.Do(func() {
		s.reason = why
		s.cancel()
		close(s.ended)
		s.out.stop(why)
	})
}

func (s *stream) isEnded() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// release lets the next call of a socket begin.
func (s *stream) release() { <-s.slots }

// drop lets go of results that cannot be written any more.
func (s *stream) drop(results [][]byte) {
	for range results {
		s.release()
	}
}

// enter finds the connection of a receive request, or makes it, and ends what it
// receives by so far. known is false for a connection that was not here.
func (e *Endpoint) enter(q *request, s *stream) (c *connection, known bool, err error) {
	for {
		var gone chan struct{}
		c, known, gone, err = e.tryEnter(q, s)
		if gone == nil {
			return c, known, err
		}
		select {
		case <-gone: // one that was about to go
		case <-q.r.Context().Done():
			return nil, false, &refusal{status: http.StatusServiceUnavailable, cause: context.Cause(q.r.Context())}
		}
	}
}

func (e *Endpoint) tryEnter(q *request, s *stream) (c *connection, known bool, gone chan struct{}, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, known = e.connections[q.id]
	if e.stopped && !(known && q.isPoll() && !c.hasEnded()) { // those that wait for results may poll on
		return nil, false, nil, errDraining
	}
	if err := e.dismissal(q, c); err != nil {
		return nil, false, nil, err
	}
	if !known {
		if limit := e.opts.maxConnections; limit > 0 && len(e.connections) >= limit {
			return nil, false, nil, &refusal{status: http.StatusServiceUnavailable, text: "There are too many connections."}
		}
		c = newConnection(e, q)
		e.add(c)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, false, c.gone, nil
	}
	if !c.lists(q.hubs) {
		return nil, true, nil, &refusal{status: http.StatusBadRequest, text: "The hubs of a connection cannot change."}
	}
	if c.newest != nil {
		c.newest.end(endReplaced)
	}
	c.newest = s
	c.lastSeen = time.Now()
	return c, known, nil, nil
}

// open makes a stream what the connection receives by. The other nodes, on which
// the client may have been in between, are told before it gets anything: else it
// could be on another one before they are. known says that the connection was here
// before.
//
// A stream gets a response at once, whether there is a message or not, if its client
// has no cursor or one that does not fit: without a cursor a client cannot resume. Only
// a poll whose cursor fits waits for a message.
func (c *connection) open(q *request, s *stream, known bool) {
	c.turn.take()
	defer c.turn.give()
	c.mu.Lock()
	var over ending // why the stream does not even begin; 0: it does
	switch {
	case c.ended:
		over = endOf(c.cause) // a poll that meets a shutdown has to say so
	case c.newest != s:
		over = endReplaced
	default:
		c.use(q)
		s.init = q.isConnect()
	}
	c.mu.Unlock()
	if over != 0 {
		s.end(over)
		return
	}
	if !c.reusable(q, s) {
		if err := c.resume(q, s, known); err != nil {
			s.doomed = true
			_ = c.stop(s, err)
			s.end(endFailed) // if it has not ended: the client comes back
			return
		}
	}
	if s.cursorText == "" {
		s.greet.Store(true)
	}
	if q.isConnect() && q.protocol.less(startVersion) && !c.startBy(q, s) {
		return
	}
	if cause := c.endpoint.causeOfEnd(c.id, s.anew); cause != nil { // the word of it came before the members did
		c.end(cause)
	}
	c.mu.Lock()
	if c.ended {
		cause := c.cause
		c.mu.Unlock()
		s.end(endOf(cause))
		return
	}
	c.stream = s
	c.mu.Unlock()
	c.turn.wake()
}

// release takes a stream off the connection.
func (c *connection) release(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.drop(s.results)
	s.results = nil
	if c.stream == s {
		c.stream = nil
		c.lastSeen = time.Now()
	}
}

// greeted runs what a new stream asks for besides messages: who comes back is
// greeted by the application.
func (c *connection) greeted(q *request, s *stream) {
	switch {
	case q.isConnect(), s.doomed, c.hasEnded():
	case !s.accepted && !c.isBegun():
		// Nothing shows that the application has accepted this client. A poll
		// may be ahead of its start.
		if !q.isPoll() {
			c.startBy(q, s)
		}
	default:
		c.noteStarted()
		if !q.isPoll() {
			c.reconnected(q, s)
		}
	}
}

func (c *connection) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *connection) isBegun() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}

// moveTimeout limits how long a client waits until other nodes are told of it.
const moveTimeout = 2 * time.Second

// moved tells the other nodes that the client is here. The first hub does: a
// connection is on one node for all its hubs.
func (c *connection) moved(q *request) {
	if len(q.hubs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, moveTimeout)
	defer cancel()
	if err := q.hubs[0].hub.Moved(ctx, c.id); err != nil && c.ctx.Err() == nil {
		c.endpoint.warn("other nodes cannot be told that a client has moved", "connection", c.id, "error", err)
	}
}

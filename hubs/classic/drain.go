package classic

import (
	"context"
	"net/http"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// textShutdown is what clients show whose calls a shutdown refuses.
const textShutdown = "The server is shutting down."

// errDraining refuses requests during a shutdown.
var errDraining = &refusal{status: http.StatusServiceUnavailable, text: textShutdown}

// Shutdown ends every receive request in a way that lets clients come back, to
// another process: at once, or when the client's calls have returned, which have the
// time of [hubs.WithShutdownGrace] for that, the longest of the hubs'
// ([hubs.DefaultShutdownGrace] for raw connections). What they return or send until
// then reaches the client; afterwards their contexts end with [hubs.ErrShutdown]. No
// other calls start: they are answered with an error, as are new clients, with 503.
// OnDisconnected does not run. Shutdown waits until the connections are gone and all
// calls have returned. When ctx is done first, the grace is over and ctx's error is
// returned; the contexts of OnDisconnected that still run are done then.
func (e *Endpoint) Shutdown(ctx context.Context) error {
	defer e.endHooks()
	defer e.endGrace(errShutdown)
	grace := time.AfterFunc(e.shutdownGrace(), func() { e.endGrace(errShutdown) })
	defer grace.Stop()
	e.stop()
	for _, c := range e.snapshot(nil) {
		go c.shutDown()
	}
	select {
	case <-e.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shutdownGrace returns for how long calls may go on during a shutdown.
func (e *Endpoint) shutdownGrace() time.Duration {
	if e.raw != nil {
		return hubs.DefaultShutdownGrace
	}
	grace := time.Duration(0)
	for _, h := range e.hubs {
		grace = max(grace, h.hub.ShutdownGrace())
	}
	return grace
}

// stop refuses new connections and calls.
func (e *Endpoint) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	e.stopped = true
	for _, c := range e.connections {
		c.drain()
	}
	clear(e.unread)
	e.endBeat()
	if e.live == 0 {
		close(e.idle)
	}
}

// goLive runs something that Shutdown waits for; false: it waits for nothing any more.
func (e *Endpoint) goLive(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped && e.live == 0 {
		return false
	}
	e.live++
	go func() {
		defer e.leaveLive()
		f()
	}()
	return true
}

// later runs something that need not be waited for, for a limited time.
func (e *Endpoint) later(f func(context.Context)) {
	e.goLive(func() {
		ctx, cancel := context.WithTimeout(context.Background(), takeTimeout)
		defer cancel()
		f(ctx)
	})
}

// leaveLive ends what Shutdown waits for.
func (e *Endpoint) leaveLive() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.live--; e.stopped && e.live == 0 {
		close(e.idle)
	}
}

// enterCall counts a call that comes by a request of its own. c is nil if its connection
// is on another node.
func (e *Endpoint) enterCall(id string) (c *connection, leave func(), err error) {
	if c = e.lookup(id); c != nil && c.enterCall() == nil {
		return c, c.leaveCall, nil
	}
	if e.hasEnded(id) {
		return nil, nil, errConnectionEnded
	}
	leave, err = e.enterElsewhere()
	return nil, leave, err
}

// enterElsewhere counts a call of a connection that another node has.
func (e *Endpoint) enterElsewhere() (leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.stopped:
		return nil, errDraining
	case !e.farm || e.raw != nil:
		return nil, errNoConnection
	}
	e.live++
	return e.leaveLive, nil
}

// enterCall counts code of the application that is about to run, as long as there is no
// reason why it must not.
func (c *connection) enterCall() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.enterCallLocked()
}

// enterCallLocked is enterCall with c.mu locked.
func (c *connection) enterCallLocked() error {
	switch {
	case c.ended:
		return errConnectionEnded
	case c.draining:
		return errDraining
	}
	c.calls++
	return nil
}

func (c *connection) leaveCall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	c.noteReturn()
}

// noteReturn notices that the last call has returned. c.mu is locked.
func (c *connection) noteReturn() {
	if c.calls == 0 && !c.quiet && (c.ended || c.draining) {
		c.quiet = true
		close(c.returned)
	}
}

// shutDown ends the connection when its calls have returned and the client has what
// they have sent, or when the grace is over.
func (c *connection) shutDown() {
	grace, ran := c.endpoint.grace, false
	select {
	case <-c.returned:
	default:
		ran = true
		select {
		case <-c.returned:
		case <-c.ctx.Done():
		case <-grace.Done():
		}
	}
	c.flushLast(grace, ran)
	c.end(errShutdown)
}

// drain lets no more calls start.
func (c *connection) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	c.noteReturn()
}

// flushLast waits, for a limited time, until what there is for the client is written. One
// that polls has it by the answers to some polls: after an answer, or if again is set, it
// is waited for until it waits itself.
func (c *connection) flushLast(ctx context.Context, again bool) {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	for ctx.Err() == nil && c.ctx.Err() == nil {
		s, written := c.latest(), c.barrier()
		var ended <-chan struct{}
		switch {
		case s == nil:
			return
		case !s.isEnded():
			ended = s.ended
		case s.transport != longPolling || !again:
			return
		}
		select {
		case <-written:
		case <-ended:
		case <-ctx.Done():
		case <-c.ctx.Done():
		}
		if !s.isEnded() {
			return
		}
		again = again || s.reason == endAnswered
	}
}

// latest returns the stream that the client has asked for last. It is perhaps only about
// to be used, or has ended; nil: there was none.
func (c *connection) latest() *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.newest
}

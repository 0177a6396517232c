package transports

import (
	"net/http"
	"time"
)

// Resumer is a [Receiver] whose connections may change their WebSocket: stateful
// reconnect. While a connection has none, what is sent is dropped without error; the
// receiver keeps what it wants to send again.
type Resumer interface {
	Receiver
	// Detached is called when the transport is lost, after the last Receive
	// from it.
	Detached()
	// Resumed is called when there is a new one, before the first Receive from
	// it. Until it calls attach, sends are still dropped.
	Resumed(attach func())
}

// WithStatefulReconnect lets clients that ask for it keep their connection when
// its WebSocket is lost, for as long as the disconnect timeout. The default is
// not to.
func WithStatefulReconnect() Option {
	return func(o *options) error {
		o.isFor(WebSockets, "WithStatefulReconnect")
		o.resume = true
		return nil
	}
}

// StatefulReconnect reports whether the client has asked for stateful reconnect
// and may use it, by WebSockets.
func (c *Connection) StatefulReconnect() bool {
	return c.grant.StatefulReconnect && c.Transport() == WebSockets
}

// AllowResume lets the client replace a WebSocket that is lost, or not any more:
// then no transport request finds the connection again. The receiver must be a
// [Resumer]. From then on the outbox has no limit: what waits in it the receiver
// keeps as well, and bounds ([Connection.Queued]).
func (c *Connection) AllowResume(allow bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resumes && !allow {
		c.disposed = true
		c.endRebind()
	}
	if c.resumes = allow; allow {
		c.out.lift()
	}
}

// resumable reports whether another WebSocket may take the place of one that is
// lost. c is locked.
func (c *Connection) resumable() bool {
	return c.resumes && !c.finished && !c.disposed && !c.settled
}

// endsWith reports whether the loss of t is the end of the connection.
func (c *Connection) endsWith(t *webSocket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport == t && !c.resumable()
}

// waitsFor reports whether another WebSocket may take the place of t once nobody reads
// from that any more.
func (c *Connection) waitsFor(t *webSocket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport == t && c.resumable()
}

// detach takes a lost WebSocket off the connection, if another may take its
// place. The disconnect timeout counts from now.
func (c *Connection) detach(t *webSocket, cause error) bool {
	c.mu.Lock()
	resumable := c.resumable()
	c.mu.Unlock()
	if !resumable {
		return false
	}
	c.logger.Debug("WebSocket lost", "connection", c.ID(), "error", cause)
	c.out.detach()
	t.abort()
	c.receiver.(Resumer).Detached() // set before AllowResume was called
	c.mu.Lock()
	c.transport = nil
	c.webSocket.Store(nil)
	c.idleSince = time.Now()
	finished := c.finished
	c.mu.Unlock()
	close(t.detached)
	if finished { // meanwhile, when there was still a transport to end it
		c.close(nil)
		c.remove()
	}
	return true
}

// rebind makes t the connection's WebSocket in place of the one it has, which is
// broken if it still lives, or has lost. Of several that wait for the
// one before, only the newest still has a client: it ends the wait of the others.
func (c *Connection) rebind(t *webSocket, r *http.Request) bound {
	expires := expiry(c.endpoint.opts.expires(r))
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.resumes {
		return boundAlready
	}
	wait := c.waitToRebind()
	if before := c.webSocket.Load(); before != nil && c.resumable() {
		c.mu.Unlock()
		before.abort()
		select {
		case <-before.detached:
		case <-wait:
		case <-r.Context().Done():
		}
		c.mu.Lock()
	}
	newest := c.rebinds == wait
	if newest {
		c.rebinds = nil
	}
	switch {
	case r.Context().Err() != nil:
		return boundCancelled
	case !c.resumable():
		return boundDisposed
	case !newest:
		return boundSuperseded
	}
	t.writer = c.out.nextWriter()
	c.transport = t
	c.webSocket.Store(t)
	c.expires = expires
	return boundOK
}

// waitToRebind begins the wait of a WebSocket for the one before. The result is closed
// when a newer one comes, or none can come any more. c is locked.
func (c *Connection) waitToRebind() <-chan struct{} {
	c.endRebind()
	c.rebinds = make(chan struct{})
	return c.rebinds
}

// endRebind ends the wait of a WebSocket, if one waits. c is locked.
func (c *Connection) endRebind() {
	if c.rebinds != nil {
		close(c.rebinds)
		c.rebinds = nil
	}
}

// resume goes on with the connection on a new WebSocket.
func (c *Connection) resume(t *webSocket) Receiver {
	receiver := c.receiver.(Resumer) // set before AllowResume was called
	c.logger.Debug("WebSocket replaced", "connection", c.ID())
	c.endpoint.stats.resumed()
	receiver.Resumed(func() {
		if c.out.attach() {
			t.wake()
		}
	})
	return receiver
}

package classic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/transports"
)

// RawHandler is an application of raw connections, which carry texts from the
// client and JSON to it, and no hub messages. Its functions may be nil, and are
// called by several goroutines at once; Received, for one client with a socket, by
// one after the other. A panic in one counts as an error.
type RawHandler struct {
	// Connected runs once for a client that starts; an error refuses it.
	Connected func(c *RawConn) error
	// Received runs for each text that a client sends.
	Received func(c *RawConn, data string) error
	// Reconnected runs when a client has come back.
	Reconnected func(c *RawConn) error
	// Disconnected runs when a client is gone: of its own wish (nil), of the
	// application's ([hubs.ErrAborted]), or because it did not come back in
	// time ([hubs.ErrClientTimeout], or [hubs.ErrExpired] if it had to
	// authenticate anew).
	Disconnected func(c *RawConn, cause error)
}

// NewConnections returns an endpoint of raw connections.
// They live on this process alone: what is sent to a client that was lost and
// comes back waits for it here. Every option with a wrong value is reported in the
// error.
func NewConnections(handler RawHandler, opts ...Option) (*Endpoint, error) {
	o, err := newOptions(opts)
	errs := []error{err}
	if len(o.more) > 0 {
		errs = append(errs, errors.New("classic: WithHubs is for endpoints of hubs"))
	}
	if o.detailedErrors {
		errs = append(errs, errors.New("classic: WithDetailedErrors is for endpoints of hubs"))
	}
	nobody := transports.ConnectionHandler(func(*transports.RawConn) error { return nil })
	policy, err := transports.NewEndpoint(nobody, o.policy...) // for its policy alone
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	e, err := newBareEndpoint(o)
	if err != nil {
		return nil, err
	}
	if e.logger = o.logger; e.logger == nil {
		e.logger = slog.Default()
	}
	e.policy = policy.Policy().LoggingTo(e.logger)
	e.rawLife = &rawLife{handler, e}
	e.raw = &served{life: e.rawLife, policy: e.policy}
	return e, nil
}

// RawConn is a raw connection while the application handles one event of it. It is
// safe for concurrent use.
type RawConn struct {
	endpoint *Endpoint
	peer     *bridge.Peer
}

// ConnectionID returns the id of the connection.
func (c *RawConn) ConnectionID() string { return c.peer.ConnectionID }

// UserID returns the id of the client's user, by [transports.WithIdentity]; empty
// if it has none.
func (c *RawConn) UserID() string { return c.peer.UserID }

// Request returns the request that is handled. Its body must not be read.
func (c *RawConn) Request() *http.Request { return c.peer.Request }

// Items returns values that the application keeps for as long as the connection
// lives.
func (c *RawConn) Items() *sync.Map { return c.peer.Items }

// Context is done when the connection ends. Its values are those of the request. In
// Disconnected it is done when the context of [Endpoint.Shutdown] is.
func (c *RawConn) Context() context.Context { return c.peer.Context }

// Send sends a value as JSON to the client and never waits for it. The error is
// that of encoding the value, [transports.ErrClosed], or
// [transports.ErrSlowClient] when too much waits for the client already.
func (c *RawConn) Send(value any) error {
	text, err := encodeValue(value)
	if err != nil {
		return fmt.Errorf("classic: the message cannot be encoded: %w", err)
	}
	here := c.endpoint.lookup(c.peer.ConnectionID)
	if here == nil {
		return transports.ErrClosed
	}
	return here.log.append(text)
}

// Abort ends the connection after what has been sent to it. The client does not
// reconnect.
func (c *RawConn) Abort() { c.peer.Abort() }

// rawLife calls a RawHandler.
type rawLife struct {
	handler  RawHandler
	endpoint *Endpoint
}

func (l *rawLife) run(p *bridge.Peer, event string, f func(*RawConn) error) (err error) {
	if f == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			l.endpoint.logger.Error("the application panicked", "connection", p.ConnectionID, "method", event,
				"panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("classic: panic: %v", v)
		}
	}()
	return f(&RawConn{l.endpoint, p})
}

// Connected implements lifecycle.
func (l *rawLife) Connected(p *bridge.Peer) error { return l.run(p, "Connected", l.handler.Connected) }

// Reconnected implements lifecycle.
func (l *rawLife) Reconnected(p *bridge.Peer) error {
	return l.run(p, "Reconnected", l.handler.Reconnected)
}

// Disconnected implements lifecycle.
func (l *rawLife) Disconnected(p *bridge.Peer, cause error) error {
	if l.handler.Disconnected == nil {
		return nil
	}
	return l.run(p, "Disconnected", func(c *RawConn) error {
		l.handler.Disconnected(c, cause)
		return nil
	})
}

func (l *rawLife) received(p *bridge.Peer, data string) error {
	if l.handler.Received == nil {
		return nil
	}
	return l.run(p, "Received", func(c *RawConn) error { return l.handler.Received(c, data) })
}

// receiveRaw takes what a client of a raw connection sends that has no socket.
func (e *Endpoint) receiveRaw(q *request, c *connection, data string) error {
	ctx, release := c.lifetime(q.r)
	defer release()
	if err := e.rawLife.received(c.peer(q.hubs[0], settledRequest(q.r), ctx, q.transport), data); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/plain")
	return nil
}

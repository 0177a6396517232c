package hubs

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/go-signalr/signalr/transports"
)

// Context is what a hub method knows of the call and of the connection it came
// by. It is a context.Context that is done when the client cancels the call,
// when the method has returned and the stream that it returned, if any, has ended, or
// when the connection ends; its values are those of the connection's request. That of
// OnDisconnected is done when OnDisconnected has returned, or when the context of
// [Hub.Shutdown] is done before. [context.Cause] tells why the connection has ended, as
// OnDisconnected is told. Once its call is over only its accessors are of use. It is safe for
// concurrent use.
type Context struct {
	hub  *Hub
	conn connection
	call *call // nil in OnConnected and OnDisconnected

	mu      sync.Mutex
	derived *derivedContext // made when somebody asks
	ended   error           // why it is done, nil while it is not
}

// derivedContext is what a Context hands out.
type derivedContext struct {
	context.Context
	stop context.CancelCauseFunc
}

var _ context.Context = (*Context)(nil)

// ConnectionID returns the public id of the connection, by which others can
// reach it.
func (c *Context) ConnectionID() string { return c.conn.connectionID() }

// UserID returns the id of the connection's user, empty if it has none.
func (c *Context) UserID() string { return c.conn.user() }

// Request returns the first request of the connection's transport: the WebSocket
// upgrade, the event stream's GET or the first poll. Its body must not be read.
func (c *Context) Request() *http.Request { return c.conn.request() }

// Transport returns the transport of the connection.
func (c *Context) Transport() transports.Kind { return c.conn.transport() }

// Method returns the name of the hub method that is called, empty in OnConnected
// and OnDisconnected.
func (c *Context) Method() string {
	if c.call == nil {
		return ""
	}
	return c.call.method.name
}

// Arguments returns the arguments of the call, as decoded for the method, to filters;
// those that are streams are left out. When the filters of a streaming method have
// returned, there are none.
func (c *Context) Arguments() []any {
	if c.call == nil {
		return nil
	}
	return c.call.arguments()
}

// Items returns values that the application keeps for as long as the connection
// lives.
func (c *Context) Items() *sync.Map {
	return c.conn.values()
}

// Hub returns the hub.
func (c *Context) Hub() *Hub { return c.hub }

// Clients returns the clients of the hub, and among them the caller.
func (c *Context) Clients() CallerClients {
	return CallerClients{allClients: c.hub.Clients(), caller: c}
}

// Groups returns the groups of the hub.
func (c *Context) Groups() Groups { return c.hub.Groups() }

// Abort ends the connection after what has been sent to it so far. The client
// does not reconnect by itself. cause, which may be nil, tells why; [Target.Abort] says
// to whom.
func (c *Context) Abort(cause error) { c.conn.abort(settled(cause)) }

// Deadline reports that there is none.
func (c *Context) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done returns a channel that is closed when the context is done.
func (c *Context) Done() <-chan struct{} { return c.context().Done() }

// Err returns nil until the context is done, then [context.Canceled].
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return context.Canceled
	}
	return c.conn.lifetime().Err()
}

// callKey finds the *Context among the parents of a context.
type callKey struct{}

// Value returns a value of the connection's request.
func (c *Context) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.context().Value(key) // context.WithCancel and the like look for its insides
}

// context returns a context that end ends. Most calls never need it.
func (c *Context) context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.derived == nil {
		ctx, stop := context.WithCancelCause(c.conn.lifetime())
		c.derived = &derivedContext{ctx, stop}
		if c.ended != nil {
			stop(c.ended)
		}
	}
	return c.derived
}

// end makes the context done; the first cause stays.
func (c *Context) end(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(cause)
}

func (c *Context) endLocked(cause error) {
	if c.ended != nil {
		return
	}
	c.ended = cause
	if c.derived != nil {
		c.derived.stop(cause)
	}
}

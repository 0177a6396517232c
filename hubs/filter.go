package hubs

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// Filter is middleware around what a hub runs for its clients: calls, and the
// coming and going of clients. A function that is nil lets everything pass. Each
// function runs what it is wrapped around by calling next, at most once. A panic
// of the application passes through: what must run all the same is deferred.
//
// To use a filter for several hubs, give it to each.
type Filter struct {
	// Call wraps the calls of hub methods: [Context.Method] and
	// [Context.Arguments] tell which. The result may be replaced; that of a
	// streaming method is an iter.Seq2[any, error], which is read after the
	// filters have returned. Calls of methods that do not exist, or with
	// arguments that do not fit, come to no filter.
	Call func(c *Context, next func() (any, error)) (any, error)
	// Connected wraps OnConnected, also if the hub has none. An error refuses
	// the client.
	Connected func(c *Context, next func() error) error
	// Reconnected wraps OnReconnected, also if the hub has none. An error ends
	// the client's transport, and it may come back again.
	Reconnected func(c *Context, next func() error) error
	// Disconnected wraps OnDisconnected, also if the hub has none, with the same
	// context and cause.
	Disconnected func(c *Context, cause error, next func())
}

// WithFilters adds filters; the first one is the outermost.
func WithFilters(filters ...Filter) Option {
	return func(c *config) error {
		c.filters = append(c.filters, filters...)
		return nil
	}
}

// errUnauthorized is the failure of a call that was refused.
var errUnauthorized = bridge.ErrUnauthorized

// WithMethodAuthorization checks each call of the methods named, or of all
// methods if none is named: an error refuses the call, which the client is told
// without the reason. It is a filter among the others, in the order of the options.
func WithMethodAuthorization(check func(*Context) error, methods ...string) Option {
	return func(c *config) error {
		if check == nil {
			return errors.New("hubs: the authorization of methods must not be nil")
		}
		c.authorized = append(c.authorized, methods...)
		return WithFilters(Filter{Call: func(c *Context, next func() (any, error)) (any, error) {
			named := func(name string) bool { return strings.EqualFold(name, c.Method()) }
			if len(methods) == 0 || slices.ContainsFunc(methods, named) {
				if err := check(c); err != nil {
					return nil, fmt.Errorf("%w: %w", errUnauthorized, err)
				}
			}
			return next()
		}})(c)
	}
}

// checkAuthorized reports names of methods that do not exist: a misspelt one
// would not be protected.
func (c *config) checkAuthorized(methods *methodTable) error {
	var errs []error
	for _, name := range c.authorized {
		if methods.find(name) == nil {
			errs = append(errs, fmt.Errorf("hubs: there is no method %q to authorise", name))
		}
	}
	return errors.Join(errs...)
}

// call runs a method within the filters.
func (c *config) call(ctx *Context, invoke func(*Context) (any, error)) (any, error) {
	next := func() (any, error) { return invoke(ctx) }
	for _, f := range slices.Backward(c.filters) {
		if f.Call != nil {
			inner := next
			next = func() (any, error) { return f.Call(ctx, inner) }
		}
	}
	return next()
}

// connect runs OnConnected within the filters.
func (c *config) connect(ctx *Context) error {
	next := func() error {
		if c.onConnected == nil {
			return nil
		}
		return c.onConnected(ctx)
	}
	for _, f := range slices.Backward(c.filters) {
		if f.Connected != nil {
			inner := next
			next = func() error { return f.Connected(ctx, inner) }
		}
	}
	return next()
}

// reconnect runs OnReconnected within the filters.
func (c *config) reconnect(ctx *Context) error {
	next := func() error {
		if c.onReconnected == nil {
			return nil
		}
		return c.onReconnected(ctx)
	}
	for _, f := range slices.Backward(c.filters) {
		if f.Reconnected != nil {
			inner := next
			next = func() error { return f.Reconnected(ctx, inner) }
		}
	}
	return next()
}

// disconnect runs OnDisconnected within the filters.
func (c *config) disconnect(ctx *Context, cause error) {
	next := func() {
		if c.onDisconnected != nil {
			c.onDisconnected(ctx, cause)
		}
	}
	for _, f := range slices.Backward(c.filters) {
		if f.Disconnected != nil {
			inner := next
			next = func() { f.Disconnected(ctx, cause, inner) }
		}
	}
	next()
}

// connectsSilently reports whether nothing runs when a client connects.
func (c *config) connectsSilently() bool {
	return c.onConnected == nil && !slices.ContainsFunc(c.filters, func(f Filter) bool { return f.Connected != nil })
}

// Package transports carries bytes between SignalR clients and an application:
// it negotiates, keeps the table of connections, and runs the WebSocket,
// Server-Sent Events and long-polling transports. It knows
// nothing of hubs or messages and can be used on its own.
//
// A server that sends back what it receives:
//
//	echo := transports.ConnectionHandler(func(c *transports.RawConn) error {
//		_, err := io.Copy(c, c)
//		return err
//	})
//	endpoint, err := transports.NewEndpoint(echo)
//	mux.Handle("/chat", endpoint)
//	mux.Handle("/chat/", endpoint)
//
// WebSockets work over HTTP/1.1 and, where net/http offers them there, which takes the
// environment variable GODEBUG=http2xconnect=1, over HTTP/2. A WebSocket over HTTP/2
// costs a goroutine and buffers more.
//
// # Timeouts of the http.Server
//
// Give the [http.Server] a ReadHeaderTimeout, against clients that never finish a
// request. A ReadTimeout, for handlers beside this one, does no harm: the endpoint bounds
// the bodies of its requests itself, and net/http applies it to nothing else. A
// WriteTimeout is lifted from event streams and polls, but should be longer than the
// application can hold back what a client POSTs.
//
// # Differences from ASP.NET Core
//
//   - Requests of pages of other origins are refused unless [WithAllowedOrigins]
//     lists them, whatever the transport, but for negotiations, which CORS keeps from
//     them.
//   - Clients must negotiate version 1 unless [WithMinimumProtocolVersion] says otherwise,
//     and one of version 0 gets no stateful reconnect.
//   - A long poll waits 55 s, not 90 s, so that proxies do not end it first, and one
//     whose place another poll takes gets an empty 200, not 204, which would end a
//     client whose poll a proxy has repeated.
//   - An event stream begins with a comment of 4 KiB, not of no length, so that
//     proxies which wait for some data do not hold it back. Where the
//     http.ResponseWriter cannot flush, it is refused with 501.
//   - Requests that are refused, and negotiate responses, have Cache-Control: no-store.
//   - A client that sends nothing for a minute in the middle of a WebSocket message is
//     disconnected.
//   - The body of a request has the send timeout to come, and is else refused with 408.
//   - A client without an identity may DELETE its long-polling connection by the
//     secret connection token, after its user has logged out.
package transports

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/cors"

	"github.com/go-signalr/signalr/negotiate"
)

// Endpoint serves the connections of one path: it is mounted at the path itself
// and at the path's "/negotiate". It is safe for concurrent use.
//
// While it has connections, one goroutine of it runs the timeouts of all; an
// endpoint without connections has none.
type Endpoint struct {
	handler    Handler
	opts       *options
	negotiator negotiate.Handler
	stats      counters
	webSockets webSockets
	cors       *cors.Cors // nil: for pages of the same origin alone
	warnings   warnings
	start      time.Time // of clock
	servers    sync.Map  // the *http.Server of requests, as keys

	mu          sync.RWMutex
	connections map[string]*Connection // by connection token
	sweepEnd    chan struct{}          // ends the sweep; nil: none is running
	stopped     bool                   // by Shutdown
	counts      []func() int           // connections that the clients have elsewhere
	live        sync.WaitGroup         // connections in the table, and the sweep
}

// NewEndpoint returns an endpoint whose connections handler serves, which must not
// be nil. Every option with a bad value is reported in the error.
func NewEndpoint(handler Handler, opts ...Option) (*Endpoint, error) {
	o, err := newOptions(opts)
	if serve, raw := handler.(rawHandler); handler == nil || raw && serve == nil {
		err = errors.Join(errors.New("transports: the handler must not be nil"), err)
	}
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		handler:     handler,
		opts:        o,
		start:       time.Now(),
		connections: make(map[string]*Connection),
	}
	e.stats.init()
	e.webSockets.init(e.refuseUpgrade)
	if o.allowOrigin != nil {
		e.cors = newCORS(o.allowOrigin)
	}
	e.negotiator = negotiate.Handler{
		Node:              o.node,
		MinimumVersion:    o.minVersion,
		StatefulReconnect: o.resume,
		Redirect:          o.redirect,
		Refused:           func(r *http.Request, status int, reason error) { e.logRefusal(r, status, reason) },
		Register: func(r *http.Request, grant negotiate.Grant) error {
			_, err := e.add(grant, o.identity(r))
			return err
		},
	}
	for _, k := range e.Transports() {
		e.negotiator.Transports = append(e.negotiator.Transports, k.offer())
	}
	return e, nil
}

// ServeHTTP serves one request of a client.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.Policy().Serve(w, r, e.dispatch)
}

// dispatch hands a request on by its path and method.
func (e *Endpoint) dispatch(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimSuffix(r.URL.Path, "/")
	isNegotiation := strings.EqualFold(path[strings.LastIndexByte(path, '/')+1:], "negotiate")
	if !isNegotiation && e.Policy().CheckSite(r) != nil {
		answer(w, http.StatusForbidden, "")
		return
	}
	if err := e.opts.authorize(r); err != nil {
		if c := e.loggedOut(r, err); c != nil {
			c.terminate()
			answer(w, http.StatusAccepted, "")
			return
		}
		e.refuseUnauthorized(w, r, err)
		return
	}
	if isNegotiation {
		e.negotiator.ServeHTTP(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet:
		switch {
		case acceptsEvents(r):
			e.serveEvents(w, r)
		case isWebSocketUpgrade(r):
			e.serveWebSocket(w, r)
		default:
			e.servePoll(w, r)
		}
	case http.MethodPost:
		e.serveSend(w, r)
	case http.MethodDelete:
		e.serveDelete(w, r)
	case http.MethodConnect:
		if isWebSocketConnect(r) {
			e.serveWebSocket(w, r)
			return
		}
		fallthrough
	default:
		e.refuse(w, r, http.StatusMethodNotAllowed, "", upgradeFault(r, errMethod))
	}
}

// Transports returns the transports that are enabled, in the order in which clients are
// offered them.
func (e *Endpoint) Transports() []Kind {
	var enabled []Kind
	for k := WebSockets; k < kinds; k++ {
		if e.opts.enabled[k] {
			enabled = append(enabled, k)
		}
	}
	return enabled
}

// StatefulReconnect reports whether it is allowed ([WithStatefulReconnect]).
func (e *Endpoint) StatefulReconnect() bool { return e.opts.resume }

// Node returns the node that connection ids tell ([WithNode]), or 0.
func (e *Endpoint) Node() uint32 { return e.opts.node }

// Stats returns the endpoint's counters.
func (e *Endpoint) Stats() Stats { return e.stats.snapshot() }

// Shutdown ends all connections, giving the application the chance to say
// good-bye on each, and waits until they are gone. New ones are refused with
// status 503. When ctx is done first, the connections left are aborted and
// ctx's error is returned. Call it before [http.Server.Shutdown], which knows
// nothing of WebSockets and would wait for event streams and polls.
func (e *Endpoint) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	for _, c := range e.snapshot(nil) {
		go c.shutDown()
	}
	gone := make(chan struct{})
	go func() {
		e.live.Wait()
		e.webSockets.watch.shutDown()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		for _, c := range e.snapshot(nil) {
			c.end(ErrShutdown)
		}
		return ctx.Err()
	}
}

// add enters a connection into the table. It belongs to the identity, if that is not
// empty.
func (e *Endpoint) add(grant negotiate.Grant, identity string) (*Connection, error) {
	c := newConnection(e, grant, identity)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil, ErrShutdown
	}
	if limit := e.opts.maxConnections; limit > 0 && len(e.connections) >= limit {
		return nil, errFull
	}
	e.connections[grant.ConnectionToken] = c
	e.live.Add(1)
	if e.sweepEnd == nil {
		e.sweepEnd = make(chan struct{})
		e.live.Add(1)
		go e.sweep(e.sweepEnd)
	}
	return c, nil
}

// clock returns a moment as nanoseconds of the monotonic clock, which goes on evenly when
// the wall clock is set. It is never 0.
func (e *Endpoint) clock(now time.Time) int64 { return 1 + int64(now.Sub(e.start)) }

func (e *Endpoint) find(token string) *Connection {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.connections[token]
}

// forget takes a connection out of the table.
func (e *Endpoint) forget(c *Connection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.connections[c.grant.ConnectionToken] != c {
		return
	}
	delete(e.connections, c.grant.ConnectionToken)
	if len(e.connections) == 0 {
		close(e.sweepEnd)
		e.sweepEnd = nil
	}
}

// snapshot appends the connections to into.
func (e *Endpoint) snapshot(into []*Connection) []*Connection {
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, c := range e.connections {
		into = append(into, c)
	}
	return into
}

// disconnectTimeout is how long a connection may have no transport, and the cause of
// the end of one that has none for longer. A client that lives polls again at once,
// so that a shutdown need not wait for others.
func (e *Endpoint) disconnectTimeout() (limit time.Duration, cause error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.stopped {
		return min(e.opts.disconnectTimeout, e.opts.sweepInterval), ErrShutdown
	}
	return e.opts.disconnectTimeout, ErrInactive
}

// sweep runs the timeouts of all connections.
func (e *Endpoint) sweep(end <-chan struct{}) {
	defer e.live.Done()
	ticker := time.NewTicker(e.opts.sweepInterval)
	defer ticker.Stop()
	var all []*Connection
	for {
		select {
		case <-end:
			return
		case now := <-ticker.C:
			all = e.snapshot(all[:0])
			limit, cause := e.disconnectTimeout()
			for _, c := range all {
				c.sweep(now, limit, cause)
			}
			clear(all)
		}
	}
}

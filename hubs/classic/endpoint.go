package classic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/hubs/internal/warn"
	"github.com/go-signalr/signalr/transports"
)

// Endpoint serves the clients of one path: of hubs ([New]) or raw connections
// ([NewConnections]). Mount it with [Mount]. It is safe for concurrent use.
//
// While it has connections, one goroutine of it runs the timeouts of all.
type Endpoint struct {
	opts       *options
	hubs       []*served
	raw        *served // nil: the endpoint serves hubs
	rawLife    *rawLife
	farm       bool // other processes may serve the same clients
	policy     transports.Policy
	tokens     *tokens
	script     script
	logger     *slog.Logger
	warnings   warn.Limiter
	webSockets upgrader
	sends      limiter
	reads      reads
	stats      counters
	// cursorLimit is the longest cursor that is taken back. None that the endpoint
	// gives out is longer.
	cursorLimit int

	mu          sync.Mutex
	connections map[string]*connection  // by id
	ended       tombstones              // of connections that must not come back
	unread      map[string]lastResponse // by id, of ended connections
	beatEnd     chan struct{}           // ends the beat; nil: none is running
	stopped     bool                    // by Shutdown
	live        int                     // what Shutdown waits for: connections, calls, the beat
	idle        chan struct{}           // closed when Shutdown has nothing to wait for any more
	grace       context.Context         // done when the grace of a shutdown is over, because of errShutdown
	endGrace    context.CancelCauseFunc
	hooks       context.Context // done when Shutdown waits no longer for OnDisconnected
	endHooks    context.CancelFunc
}

// served is a hub, or the handler of raw connections, as the endpoint sees it.
type served struct {
	hub    bridge.Hub // nil: raw connections
	life   lifecycle
	policy transports.Policy
	name   string
}

// lifecycle is the application's code for the events of a connection.
type lifecycle interface {
	Connected(*bridge.Peer) error
	Reconnected(*bridge.Peer) error
	Disconnected(p *bridge.Peer, cause error) error
}

// New returns an endpoint that serves a hub, and those of [WithHubs], to classic
// clients. A hub must have the JSON protocol. What hubs demand of requests, by
// [hubs.WithAuthorization], [hubs.WithUserID], [hubs.WithExpiration] and
// [hubs.WithAllowedOrigins], they demand here too; the first hub decides about
// origins, and whom a connection belongs to. Every option with a wrong value is
// reported in the error.
func New(hub *hubs.Hub, opts ...Option) (*Endpoint, error) {
	o, err := newOptions(opts)
	errs := []error{err}
	if len(o.policy) > 0 {
		errs = append(errs, errors.New("classic: WithPolicy is for raw connections: a hub has its own"))
	}
	var bridges []bridge.Hub
	names := make(map[string]bool)
	for _, h := range append([]*hubs.Hub{hub}, o.more...) {
		if h == nil {
			errs = append(errs, errNoHub)
			continue
		}
		b, err := h.Bridge()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		name, _ := b.Name()
		if key := strings.ToLower(name); names[key] {
			errs = append(errs, fmt.Errorf("classic: there are two hubs %q", name))
		} else {
			names[key] = true
		}
		bridges = append(bridges, b)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return newEndpoint(bridges, o)
}

var errNoHub = errors.New("classic: a hub must not be nil")

func newEndpoint(bridges []bridge.Hub, o *options) (*Endpoint, error) {
	e, err := newBareEndpoint(o)
	if err != nil {
		return nil, err
	}
	streams := 0
	for _, b := range bridges {
		streams += b.Streams()
		name, _ := b.Name()
		e.hubs = append(e.hubs, &served{hub: b, life: b, policy: b.Policy(), name: name})
	}
	e.cursorLimit = max(minCursorLimit, longestCursor(len(e.hubs), streams)+signatureLength)
	e.policy = e.hubs[0].policy
	if e.logger = o.logger; e.logger == nil {
		e.logger = bridges[0].Logger()
	}
	e.policy = e.policy.LoggingTo(e.logger)
	e.policy.Count(func() int { return int(e.Stats().Connections) })
	for _, b := range bridges {
		b.Watch(e.heard)
	}
	e.script = newScript(bridges)
	return e, nil
}

func newBareEndpoint(o *options) (*Endpoint, error) {
	t, err := newTokens(o.key, o.tokenLifetime)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		opts:        o,
		cursorLimit: minCursorLimit,
		farm:        o.key != nil,
		tokens:      t,
		connections: make(map[string]*connection),
		unread:      make(map[string]lastResponse),
		idle:        make(chan struct{}),
	}
	e.grace, e.endGrace = context.WithCancelCause(context.Background())
	e.hooks, e.endHooks = context.WithCancel(context.Background())
	e.ended.init(o)
	e.webSockets.init()
	e.sends.init(o.parallelCalls)
	e.reads.init(o.logAllowance, o.logRecovery)
	e.stats.init()
	return e, nil
}

// warn logs a warning, a constant, that clients can cause again and again once some
// fault is there.
func (e *Endpoint) warn(message string, args ...any) {
	e.logger.Log(context.Background(), e.warnings.Level(slog.LevelWarn, message), message, args...)
}

// find returns a hub by its name, whatever the case of its letters.
func (e *Endpoint) find(name string) *served {
	for _, h := range e.hubs {
		if strings.EqualFold(h.name, name) {
			return h
		}
	}
	return nil
}

// ServeHTTP serves one request of a client. Only the end of its path counts.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.policy.Serve(w, r, e.dispatch)
}

// checkSite refuses what a page of another site has a browser do. What carries no
// connection it may ask for, but browsers keep the response from it; JSONP, where it is
// enabled, is for such pages.
func (e *Endpoint) checkSite(q *request) error {
	switch {
	case q.callback != "":
		return nil
	case q.op == opHubs || q.op == opScript || q.op == opNegotiate || q.op == opPing:
		if !e.policy.AllowsOrigin(q.r) {
			e.logger.Debug("response withheld by browsers", "method", q.r.Method, "path", q.r.URL.Path,
				"origin", q.r.Header.Get("Origin"), "host", q.r.Host)
		}
		return nil
	}
	if err := e.policy.CheckSite(q.r); err != nil {
		return &refusal{status: http.StatusForbidden, cause: err, logged: true}
	}
	return nil
}

// dispatch checks a request, in the order of the reference (1), and hands it on.
func (e *Endpoint) dispatch(w http.ResponseWriter, r *http.Request) {
	q := &request{w: w, r: r, query: parseValues(r.URL.RawQuery), op: operation(r.URL.Path)}
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache, no-store") // responses hold tokens and messages
	if err := e.serve(q); err != nil {
		e.refuse(q, err)
	}
}

// serve answers a request, or returns why it does not.
func (e *Endpoint) serve(q *request) error {
	if callback := q.query["callback"]; callback != "" {
		switch {
		case !e.opts.jsonp:
			return &refusal{status: http.StatusForbidden, cause: errJSONP}
		case !isCallback(callback):
			return &refusal{status: http.StatusBadRequest, text: "The callback is no name of a function."}
		}
		q.callback = callback
	}
	if err := e.checkSite(q); err != nil {
		return err
	}
	q.leaving = q.op == opAbort && e.policy.Identity(q.r) == ""
	if err := e.authorize(q); err != nil {
		return err
	}
	switch q.op {
	case opHubs, opScript:
		if e.raw == nil {
			e.script.serve(q, e.base(q))
			return nil
		}
	case opNegotiate:
		return e.negotiate(q)
	case opPing:
		q.answer([]byte(`{ "Response": "pong" }`))
		return nil
	}
	if err := e.identify(q); err != nil {
		return err
	}
	switch q.op {
	case opAbort:
		return e.serveAbort(q)
	case opStart, opSend:
		if e.hasEnded(q.id) {
			return errConnectionEnded
		}
	}
	switch q.op {
	case opStart:
		return e.serveStart(q)
	case opSend:
		if q.r.Method != http.MethodPost && q.callback == "" {
			return &refusal{status: http.StatusMethodNotAllowed, cause: errMethod}
		}
		return e.serveSend(q)
	}
	return e.serveStream(q)
}

// authorize finds the hubs that a request lists and asks whether the client may
// use them. Those that it may not are left out (classic reference 9.1). A client that
// leaves is not asked who it is: its connection token, which is secret, suffices.
func (e *Endpoint) authorize(q *request) error {
	if e.raw != nil {
		q.hubs = []listed{{e.raw, e.raw.policy.Identity(q.r)}}
		if q.leaving {
			return nil
		}
		return refuseUnauthorized(e.raw.policy.Authorize(q.r))
	}
	names, err := parseConnectionData(q.query["connectiondata"])
	if err != nil {
		return err
	}
	for _, name := range names {
		h := e.find(name)
		if h == nil {
			return &refusal{status: http.StatusBadRequest, text: fmt.Sprintf("'%s' Hub could not be resolved.", name)}
		}
		if q.leaving {
			err = nil
		} else if err = h.policy.Authorize(q.r); err != nil {
			e.logger.Debug("hub refused", "path", q.r.URL.Path, "name", h.name, "error", err)
			continue
		}
		q.hubs = append(q.hubs, listed{h, h.policy.Identity(q.r)})
	}
	if len(names) > 0 && len(q.hubs) == 0 {
		return refuseUnauthorized(err)
	}
	if len(names) == 0 && !q.leaving && q.op != opHubs && q.op != opScript && q.op != opPing {
		return e.authorizeAny(q)
	}
	return nil
}

// authorizeAny refuses a request that lists no hub if there is none that its client may
// use: the connection would be good for nothing.
func (e *Endpoint) authorizeAny(q *request) error {
	var err error
	for _, h := range e.hubs {
		if err = h.policy.Authorize(q.r); err == nil {
			return nil
		}
	}
	return refuseUnauthorized(err)
}

func refuseUnauthorized(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transports.ErrUnauthenticated):
		return &refusal{status: http.StatusUnauthorized, cause: err}
	default:
		return &refusal{status: http.StatusForbidden, cause: err}
	}
}

var (
	errJSONP  = errors.New("classic: JSONP is not enabled")
	errMethod = errors.New("classic: messages come by POST")
)

// Texts of refusals.
const (
	textTransport    = "Protocol error: Unknown transport."
	textNoToken      = "Protocol error: Missing connection token."
	textBadToken     = "The ConnectionId is in the incorrect format."
	textUser         = "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."
	textMalformed    = "The message is malformed."
	textLongUser     = "The user id is too long."
	textTokenExpired = "The connection token has expired."
	textNoSocket     = "Not a valid web socket request."
	textCursor       = "The message id is malformed."
	textEnded        = "The connection has ended."
)

// identify finds out for which connection a request is, and whether it is its
// user's.
func (e *Endpoint) identify(q *request) error {
	if q.transport = parseTransport(q.query["transport"]); q.transport == 0 {
		return &refusal{status: http.StatusBadRequest, text: textTransport}
	}
	q.protocol = parseVersion(q.query["clientprotocol"])
	token := q.query["connectiontoken"]
	if token == "" {
		return &refusal{status: http.StatusBadRequest, text: textNoToken}
	}
	id, user, err := e.tokens.openConnection(token)
	switch {
	case errors.Is(err, errExpired):
		return &refusal{status: http.StatusForbidden, text: textTokenExpired}
	case err != nil:
		return &refusal{status: http.StatusBadRequest, text: textBadToken, cause: err}
	case user != e.policy.Identity(q.r) && !q.leaving:
		return &refusal{status: http.StatusForbidden, text: textUser}
	}
	q.id = id
	return nil
}

// Stats returns the endpoint's counters.
func (e *Endpoint) Stats() Stats { return e.stats.snapshot() }

// channel returns the hub by whose bus nodes speak of a connection with these hubs.
func (e *Endpoint) channel(hubs []listed) bridge.Hub {
	if len(hubs) > 0 {
		return hubs[0].hub
	}
	return e.hubs[0].hub
}

// channels returns the hubs of which at least one is by whose bus nodes speak of a
// connection: it has these hubs, or those of them that it was allowed.
func (e *Endpoint) channels(hubs []listed) []bridge.Hub {
	if len(hubs) == 0 {
		return []bridge.Hub{e.channel(nil)}
	}
	all := make([]bridge.Hub, len(hubs))
	for i, h := range hubs {
		all[i] = h.hub
	}
	return all
}

func (e *Endpoint) lookup(id string) *connection {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.connections[id]
}

// add enters a connection into the table, which is locked.
func (e *Endpoint) add(c *connection) {
	e.connections[c.id] = c
	e.live++
	e.stats.connected()
	e.startBeat()
}

// startBeat starts the beat unless it is running. The table is locked.
func (e *Endpoint) startBeat() {
	if e.beatEnd == nil {
		e.beatEnd = make(chan struct{})
		e.live++
		go e.beat(e.beatEnd)
	}
}

// forget takes a connection out of the table.
func (e *Endpoint) forget(c *connection, cause error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.connections, c.id)
	e.stats.ended(cause)
	e.endBeat()
}

// endBeat ends the beat if there is nothing for it to do. The table is locked.
func (e *Endpoint) endBeat() {
	if e.beatEnd != nil && len(e.connections) == 0 && len(e.unread) == 0 {
		close(e.beatEnd)
		e.beatEnd = nil
	}
}

// snapshot appends the connections to into.
func (e *Endpoint) snapshot(into []*connection) []*connection {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.connections {
		into = append(into, c)
	}
	return into
}

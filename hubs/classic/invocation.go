package classic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// invocation is a call by a client (classic reference 7.1).
type invocation struct {
	Hub       string            `json:"H"`
	Method    string            `json:"M"`
	Arguments []json.RawMessage `json:"A"`
	ID        invocationID      `json:"I"`
	State     json.RawMessage   `json:"S"`
}

// invocationID is a number of most clients, and a text of others. It goes back as
// a text.
type invocationID string

func (id *invocationID) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(id))
	}
	var n json.Number
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	*id = invocationID(n)
	return nil
}

var (
	errNotUTF8  = &refusal{status: http.StatusBadRequest, text: textMalformed, cause: errors.New("classic: it is not valid UTF-8")}
	errNoObject = &refusal{status: http.StatusBadRequest, text: textMalformed, cause: errors.New("classic: its state is not an object")}
	errState    = &refusal{status: http.StatusBadRequest, text: fmt.Sprintf("The hub's state is longer than %d characters.", maxState)}
)

func parseInvocation(data []byte) (invocation, error) {
	if !utf8.Valid(data) { // encoding/json would let it through in raw arguments
		return invocation{}, errNotUTF8
	}
	var inv invocation
	if err := json.Unmarshal(data, &inv); err != nil {
		return invocation{}, &refusal{status: http.StatusBadRequest, text: textMalformed, cause: err}
	}
	if len(inv.State) > maxState {
		return invocation{}, errState
	}
	if string(inv.State) == "null" {
		inv.State = nil
	}
	if len(inv.State) > 0 && inv.State[0] != '{' {
		return invocation{}, errNoObject
	}
	return inv, nil
}

// result is the answer to a call (classic reference 7.2).
type result struct {
	state  json.RawMessage
	value  json.RawMessage
	id     invocationID
	failed bool
	text   string // of the error
	ours   bool   // the error was meant for the client
	data   json.RawMessage
}

func (r *result) append(b []byte) []byte {
	b = append(b, '{')
	if r.state != nil {
		b = append(append(append(b, `"S":`...), r.state...), ',')
	}
	if r.value != nil && string(r.value) != "null" {
		b = append(append(append(b, `"R":`...), r.value...), ',')
	}
	b = appendJSON(append(b, `"I":`...), string(r.id))
	if r.failed {
		if r.ours {
			b = append(b, `,"H":true`...)
		}
		b = appendJSON(append(b, `,"E":`...), r.text)
		if r.data != nil {
			b = append(append(b, `,"D":`...), r.data...)
		}
	}
	return append(b, '}')
}

// caller is the client of a call, whose connection may be on another node.
type caller struct {
	id         string
	items      *sync.Map
	hubs       []listed
	request    *http.Request
	transport  transport
	connection *connection // nil: it is not here
	progressed bool        // it was told about progress
}

// call calls a method and returns the answer.
func (e *Endpoint) call(ctx context.Context, from *caller, inv *invocation) []byte {
	r := result{id: inv.ID}
	h, err := e.target(from, inv.Hub)
	if err == nil {
		c := &call{endpoint: e, from: from, id: inv.ID, state: CallerState{received: inv.State}}
		p := e.peer(from.id, from.items, h, from.request, context.WithValue(ctx, callKey{}, c), from.transport)
		p.State = c.state.changes
		r.value, err = h.hub.Call(p, inv.Method, inv.Arguments)
		from.progressed = c.finish()
		r.state = c.state.changes()
	}
	if err != nil {
		r.fail(e, h.served, inv, err)
	}
	return r.append(nil)
}

// refuseDraining returns the answer to a call that a shutdown does not let start.
func (e *Endpoint) refuseDraining(id string, inv *invocation) []byte {
	e.logger.Debug("invocation refused", "connection", id, "method", inv.Method, "error", errDraining)
	r := result{id: inv.ID, failed: true, ours: true, text: textShutdown}
	return r.append(nil)
}

// target finds the hub of a call. Hubs that the client does not listen to are not
// listed, and then authorised only now.
func (e *Endpoint) target(from *caller, name string) (listed, error) {
	for _, h := range from.hubs {
		if strings.EqualFold(h.name, name) {
			return h, nil
		}
	}
	h := e.find(name)
	if h == nil {
		//lint:ignore ST1005 it is the original server's text
		err := fmt.Errorf("'%s' Hub could not be resolved.", name)
		e.logInvocation(from, name, err)
		return listed{}, err
	}
	if err := h.policy.Authorize(from.request); err != nil {
		e.logInvocation(from, name, err)
		return listed{served: h}, bridge.ErrUnauthorized
	}
	return listed{h, h.policy.Identity(from.request)}, nil
}

// logInvocation logs why a call does not reach its hub.
func (e *Endpoint) logInvocation(from *caller, hub string, err error) {
	e.logger.Debug("invocation refused", "connection", from.id, "name", hub, "error", err)
}

// fail makes the result an error (classic reference 7.2).
func (r *result) fail(e *Endpoint, h *served, inv *invocation, err error) {
	r.failed, r.value = true, nil
	var ours *hubs.Error
	var withData *dataError
	switch {
	case errors.As(err, &ours) && ours != nil:
		r.text, r.ours = ours.Error(), true
		if errors.As(err, &withData) {
			r.data = withData.json
		}
	case !e.opts.detailedErrors:
		r.text = fmt.Sprintf("There was an error invoking Hub method '%s.%s'.", inv.Hub, inv.Method)
	case errors.Is(err, bridge.ErrNoMethod):
		r.text = fmt.Sprintf("'%s' method could not be resolved. No method found with that name.", inv.Method)
	case errors.Is(err, bridge.ErrArguments):
		r.text = fmt.Sprintf("'%s' method could not be resolved. Potential candidates are: %s. %v", inv.Method, candidates(h.hub, inv.Method), err)
	case errors.Is(err, bridge.ErrUnauthorized):
		r.text = fmt.Sprintf("Caller is not authorized to invoke the %s method on %s.", inv.Method, inv.Hub)
	default:
		r.text = err.Error()
	}
}

// candidates returns the signature of a method.
func candidates(h bridge.Hub, name string) string {
	for _, m := range h.Methods() {
		if strings.EqualFold(m.Name, name) {
			types := make([]string, len(m.Params))
			for i, t := range m.Params {
				types[i] = t.String()
			}
			if m.Variadic {
				types = append(types, "...")
			}
			return m.Name + "(" + strings.Join(types, ", ") + ")"
		}
	}
	return ""
}

// serveSend takes what a client sends that has no socket, and answers when it is
// done.
func (e *Endpoint) serveSend(q *request) error {
	const escaped = 3 // bytes that one byte takes in a form
	most := min(e.opts.maxMessageSize, math.MaxInt/escaped-1)
	if err := q.readForm(escaped*most+escaped, e.opts.sendTimeout); err != nil {
		return err
	}
	data := q.value("data")
	if len(data) > e.opts.maxMessageSize {
		return &refusal{status: http.StatusRequestEntityTooLarge, text: "The message is too long."}
	}
	if !e.sends.enter(q.id) {
		return &refusal{status: http.StatusTooManyRequests, text: "Too many calls are under way."}
	}
	defer e.sends.leave(q.id)
	c, leave, err := e.enterCall(q.id)
	if err == nil {
		defer leave()
	}
	draining := err == errDraining && e.raw == nil // the client has to be told by a result
	if err != nil && !draining {
		return err
	}
	if e.raw != nil {
		return e.receiveRaw(q, c, data)
	}
	inv, err := parseInvocation([]byte(data))
	if err != nil {
		return err
	}
	if e.find(inv.Hub) == nil {
		return &refusal{status: http.StatusBadRequest, text: fmt.Sprintf("'%s' Hub could not be resolved.", inv.Hub)}
	}
	if draining {
		q.answer(e.refuseDraining(q.id, &inv))
		return nil
	}
	from := &caller{id: q.id, hubs: q.hubs, request: settledRequest(q.r), transport: q.transport, connection: c}
	var ctx context.Context
	var release func()
	if c != nil { // the call goes on when the client gives up this request alone
		from.items = &c.items
		ctx, release = c.lifetime(q.r)
	} else {
		from.items = new(sync.Map)
		ctx, release = within(q.r.Context(), e.grace)
	}
	defer release()
	answer := e.call(ctx, from, &inv)
	if c != nil && from.progressed { // the result is the last that clients expect
		c.wait(q.r.Context(), c.barrier(), flushTimeout)
	}
	q.answer(answer)
	return nil
}

// startElsewhere runs OnConnected for a connection that another node has, and
// tells it.
func (e *Endpoint) startElsewhere(q *request) error {
	leave, err := e.enterElsewhere()
	if err != nil {
		return err
	}
	defer leave()
	ctx, release := within(context.WithoutCancel(q.r.Context()), e.grace)
	defer release()
	r, items := settledRequest(q.r), new(sync.Map)
	peer := func(h listed) *bridge.Peer { return e.peer(q.id, items, h, r, ctx, q.transport) }
	err = forAll(q.hubs, func(h listed) error { return h.life.Connected(peer(h)) },
		func(h listed) { _ = h.life.Disconnected(peer(h), errRefused) })
	if len(q.hubs) > 0 {
		tell := q.hubs[0].hub.Abort
		if err == nil {
			tell = func(ctx context.Context, id string) error {
				return q.hubs[0].hub.Push(ctx, id, []byte(commandStarted))
			}
		}
		err = errors.Join(err, tell(q.r.Context(), q.id))
	}
	if err != nil {
		return &refusal{status: http.StatusInternalServerError, cause: err}
	}
	q.answerStarted()
	return nil
}

// limiter counts what is under way for each connection.
type limiter struct {
	most int

	mu     sync.Mutex
	counts map[string]int
}

func (l *limiter) init(most int) { l.most, l.counts = most, make(map[string]int) }

func (l *limiter) enter(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[id] == l.most {
		return false
	}
	l.counts[id]++
	return true
}

func (l *limiter) leave(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts[id]--; l.counts[id] == 0 {
		delete(l.counts, id)
	}
}

// receive takes what a client sends by its socket. Calls begin in the order in
// which they come, and run at the same time; when too many do, it waits.
func (c *connection) receive(q *request, s *stream, data []byte) {
	e := c.endpoint
	if e.raw != nil {
		if c.enterCall() != nil {
			return
		}
		defer c.leaveCall()
		ctx, release := c.lifetime(q.r)
		defer release()
		if err := e.rawLife.received(c.peer(q.hubs[0], c.settled(), ctx, q.transport), string(data)); err != nil {
			e.logger.Debug("a message has failed", "connection", c.id, "error", err)
		}
		return
	}
	inv, err := parseInvocation(data)
	if err != nil {
		e.logger.Debug("a client's message is refused", "connection", c.id, "error", err)
		return
	}
	select {
	case s.slots <- struct{}{}:
	case <-s.ended:
		return
	}
	switch c.enterCall() {
	case nil:
	case errDraining:
		c.queue(s, e.refuseDraining(c.id, &inv))
		return
	default:
		s.release()
		return
	}
	from := &caller{id: c.id, items: &c.items, hubs: q.hubs, request: c.settled(), transport: q.transport, connection: c}
	go func() {
		defer c.leaveCall()
		ctx, release := c.lifetime(q.r) // it outlives the socket
		defer release()
		c.queue(s, e.call(ctx, from, &inv))
	}()
}

func (c *connection) settled() *http.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.request
}

// queue sends the result of a socket's call. When the socket has ended, the client
// has given the call up.
func (c *connection) queue(s *stream, result []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != s {
		s.release()
		return
	}
	s.results = append(s.results, result)
	c.turn.wake()
}

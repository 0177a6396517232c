package hubs

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
)

// Errors of [Invoke].
var (
	errNotSingle = errors.New("hubs: Invoke needs a target with one connection: Client or Caller")
	// ErrInOnConnected is returned by Invoke inside OnConnected: the client
	// cannot answer before OnConnected has returned.
	ErrInOnConnected = errors.New("hubs: a client cannot be asked inside OnConnected: it answers only afterwards")
	// ErrUnheard is returned by Invoke when the client's answer, if there is one,
	// could not be read for as long as the client timeout ([WithClientTimeout]):
	// the hub has read nothing from the client in that time, since too much of what
	// it has sent before still waits for hub methods ([WithInputBufferSize]).
	ErrUnheard      = errors.New("hubs: the client's answer cannot be read: too much of what it has sent before waits for hub methods")
	errDisconnected = errors.New("hubs: the connection has ended")
	errNoResults    = errors.New("hubs: clients of package classic give no results")
)

// NotConnectedError is returned by [Invoke] when the connection does not exist,
// or ends before the client has answered.
type NotConnectedError struct {
	ConnectionID string
	existed      bool
}

// Error returns the reference server's text.
func (e *NotConnectedError) Error() string {
	if e.existed {
		return "Connection '" + e.ConnectionID + "' disconnected."
	}
	return "Connection '" + e.ConnectionID + "' does not exist."
}

// Invoke calls a method of one client and returns its answer: target is a
// Client or a Caller. It waits until the client answers, ctx is done, or the
// connection ends; give ctx a deadline if the client may never answer. Inside a
// hub method, other calls of the same client run meanwhile. What a client that is
// asked has sent before its answer is kept up to a limit ([WithInputBufferSize]), and
// beyond it Invoke may fail with [ErrUnheard].
//
// An error of the client is an *[Error] with its text. That of an answer that is no T
// names the type, and is no *Error: returned from a hub method it reaches the caller
// only with [WithDetailedErrors]. A connection that is not there is a
// *[NotConnectedError]; one on a node that has died, or cannot be reached, gives
// [scaleout.ErrDown]. When ctx is done first, the error wraps ctx's cause.
func Invoke[T any](ctx context.Context, target Target, method string, args ...any) (T, error) {
	var result T
	err := target.invoke(ctx, method, args, &result)
	return result, err
}

// invoke decodes the answer of a client into result, a pointer.
func (t Target) invoke(ctx context.Context, method string, args []any, result any) error {
	switch {
	case t.hub == nil:
		return errNoTarget
	case t.selector != selectConnections || len(t.names) != 1:
		return errNotSingle
	case method == "":
		return errors.New("hubs: a client method needs a name")
	}
	if c, ok := ctx.Value(callKey{}).(*Context); ok && c.hub == t.hub {
		if err := c.conn.beforeQuestion(c.call); err != nil {
			return err
		}
	}
	id := t.names[0]
	if bridge.IsConnectionID(id) {
		return errNoResults
	}
	var answer *clientAnswer
	var err error
	switch owner := ownerOf(id); owner {
	case 0: // no node has made that id
		answer = &clientAnswer{outcome: outcomeUnknown}
	case t.hub.farm.node.ID():
		answer, err = t.hub.invokeHere(ctx, id, method, args)
	default:
		answer, err = t.hub.farm.invokeThere(ctx, owner, id, method, args)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return &canceledError{err}
	case errors.Is(err, scaleout.ErrDown):
		return fmt.Errorf("hubs: the connection '%s' cannot be asked: %w", id, err)
	case err != nil:
		return err
	}
	return answer.decode(id, result)
}

// invokeHere asks a client of this node.
func (h *Hub) invokeHere(ctx context.Context, connectionID, method string, args []any) (*clientAnswer, error) {
	s := h.registry.find(connectionID)
	if s == nil {
		return &clientAnswer{outcome: outcomeUnknown}, nil
	}
	id := h.results.newID()
	frame, err := s.encoding.invocation(id, method, args)
	if err != nil {
		return nil, err
	}
	answers := make(chan *clientAnswer, 1)
	h.results.expect(id, s, func(a *clientAnswer) { answers <- a })
	s.send(frame)
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		h.results.forget(id)
		return nil, context.Cause(ctx)
	}
}

// clientAnswer is how a call to a client ended.
type clientAnswer struct {
	outcome  uint8
	failure  string // the client's error, if it is not empty
	result   []byte
	encoding *encoding // of result
}

// decode turns an answer into what Invoke returns.
func (a *clientAnswer) decode(connectionID string, result any) error {
	switch {
	case a.outcome == outcomeUnknown:
		return &NotConnectedError{ConnectionID: connectionID}
	case a.outcome == outcomeLost:
		return &NotConnectedError{ConnectionID: connectionID, existed: true}
	case a.outcome == outcomeUnheard:
		return ErrUnheard
	case a.failure != "":
		return NewError(a.failure)
	case a.result == nil:
		return NewError("Client didn't provide a result.")
	}
	if err := a.encoding.protocol.Unmarshal(a.result, result); err != nil {
		// No *Error: the types of this program are nothing for clients.
		return &namedError{hubException, fmt.Sprintf("Error trying to deserialize result to %v. %v", reflect.TypeOf(result).Elem(), err), err}
	}
	return nil
}

// canceledError is the end of an Invoke by its context.
type canceledError struct{ cause error }

func (e *canceledError) Error() string {
	return fmt.Sprintf("Invocation canceled by the server: %v", e.cause)
}
func (e *canceledError) Unwrap() error { return e.cause }

// resultTable holds the calls to clients of this node that wait for an answer. It
// is safe for concurrent use.
type resultTable struct {
	mu      sync.Mutex
	last    uint64
	pending map[string]*pendingResult
}

// pendingResult is one call to a client. done is called once, with how it ended;
// it must not block.
type pendingResult struct {
	session *session
	done    func(*clientAnswer)
}

func (t *resultTable) init() { t.pending = make(map[string]*pendingResult) }

func (t *resultTable) newID() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	return "s" + strconv.FormatUint(t.last, 10)
}

// expect notes a call that is about to be sent.
func (t *resultTable) expect(id string, s *session, done func(*clientAnswer)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.isEnding() { // drop may have been here already
		done(&clientAnswer{outcome: outcomeLost})
		return
	}
	t.pending[id] = &pendingResult{s, done}
	if len(s.asked) == 0 {
		s.setAsked(true)
	}
	if s.asked == nil {
		s.asked = make(map[string]struct{})
	}
	s.asked[id] = struct{}{}
}

// forget takes a call back: nobody waits for the answer any more.
func (t *resultTable) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.take(id)
}

// take removes a call from the books; the table is locked.
func (t *resultTable) take(id string) {
	if p := t.pending[id]; p != nil {
		delete(t.pending, id)
		delete(p.session.asked, id)
		if len(p.session.asked) == 0 {
			p.session.setAsked(false)
		}
	}
}

// complete takes an answer. Answers nobody waits for any more are ignored; an
// answer to another client's call ends the connection that sent it.
func (t *resultTable) complete(s *session, answer *protocol.Completion) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pending[answer.InvocationID]
	switch {
	case p == nil:
	case p.session != s:
		s.fail(errForeignResult)
	default:
		t.take(answer.InvocationID)
		p.done(&clientAnswer{failure: answer.Error, result: slices.Clone(answer.Result), encoding: s.encoding})
	}
}

var errForeignResult = errors.New("hubs: the client answered a call to another client")

// drop ends the calls to a session without an answer.
func (t *resultTable) drop(s *session, outcome uint8) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range s.asked {
		p := t.pending[id]
		t.take(id)
		p.done(&clientAnswer{outcome: outcome})
	}
}

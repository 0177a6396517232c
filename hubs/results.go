package hubs

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"github.com/go-signalr/signalr/protocol"
)

// Errors of [Invoke] (reference 6.10).
var (
	errNotSingle = errors.New("hubs: Invoke needs a target with one connection: Client or Caller")
	// ErrInOnConnected is returned by Invoke inside OnConnected: the client
	// cannot answer before OnConnected has returned.
	//
	//lint:ignore ST1005 it is the reference server's text
	ErrInOnConnected = errors.New("Client results inside OnConnectedAsync Hub methods are not allowed.")
	errDisconnected  = errors.New("hubs: the connection has ended")
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
// hub method, other calls of the same client run meanwhile.
//
// An error of the client is an *[Error] with its text, and so is an answer that
// is no T. A connection that is not there is a *[NotConnectedError]. When ctx is
// done first, the error wraps ctx's cause.
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
	if c, ok := ctx.Value(callKey{}).(*Context); ok && c.session.hub == t.hub {
		switch {
		case c.call != nil:
			c.session.giveSlot(c.call)
		case !c.session.wasConnected():
			return ErrInOnConnected
		}
	}
	s := t.hub.registry.find(t.names[0])
	if s == nil {
		return &NotConnectedError{ConnectionID: t.names[0]}
	}
	p := t.hub.results.expect(s)
	defer t.hub.results.forget(p)
	frame, err := s.encoding.invocation(p.id, method, args)
	if err != nil {
		return err
	}
	s.send(frame)
	select {
	case <-p.done:
	case <-ctx.Done():
		return &canceledError{context.Cause(ctx)}
	}
	switch {
	case p.lost:
		return &NotConnectedError{ConnectionID: t.names[0], existed: true}
	case p.answer.Error != "":
		return NewError(p.answer.Error)
	case p.answer.Result == nil:
		return NewError("Client didn't provide a result.")
	}
	if err := s.encoding.protocol.Unmarshal(p.answer.Result, result); err != nil {
		return Errorf("Error trying to deserialize result to %v. %v", reflect.TypeOf(result).Elem(), err)
	}
	return nil
}

// canceledError is the end of an Invoke by its context.
type canceledError struct{ cause error }

func (e *canceledError) Error() string {
	return fmt.Sprintf("Invocation canceled by the server: %v", e.cause)
}
func (e *canceledError) Unwrap() error { return e.cause }

// resultTable holds the calls to clients that wait for an answer. It is safe for
// concurrent use.
type resultTable struct {
	mu      sync.Mutex
	last    uint64
	pending map[string]*pendingResult
}

// pendingResult is one call to a client. Its outcome is set before done is
// closed.
type pendingResult struct {
	id      string
	session *session
	done    chan struct{}
	answer  protocol.Completion
	lost    bool // the connection ended
}

func (t *resultTable) init() { t.pending = make(map[string]*pendingResult) }

func (t *resultTable) expect(s *session) *pendingResult {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	p := &pendingResult{id: "s" + strconv.FormatUint(t.last, 10), session: s, done: make(chan struct{})}
	if s.isEnding() {
		p.lost = true
		close(p.done)
		return p
	}
	t.pending[p.id] = p
	return p
}

func (t *resultTable) forget(p *pendingResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pending, p.id)
}

// complete takes an answer. Answers nobody waits for any more are ignored; an
// answer to another client's call ends the connection that sent it.
func (t *resultTable) complete(s *session, answer *protocol.Completion) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pending[answer.InvocationID]
	if p == nil {
		return
	}
	if p.session != s {
		s.fail(errForeignResult)
		return
	}
	delete(t.pending, p.id)
	p.answer = *answer
	p.answer.Result = slices.Clone(answer.Result)
	close(p.done)
}

var errForeignResult = errors.New("hubs: the client answered a call to another client")

// drop ends the calls to a session that has ended.
func (t *resultTable) drop(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, p := range t.pending {
		if p.session == s {
			delete(t.pending, id)
			p.lost = true
			close(p.done)
		}
	}
}

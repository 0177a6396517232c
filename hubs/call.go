package hubs

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"runtime/debug"

	"github.com/go-signalr/signalr/protocol"
)

// call is one invocation by a client, with its context, from the moment its
// arguments are bound.
type call struct {
	Context
	invoker
	method *method
	id     string // empty: no answer wanted
	cost   int    // bytes that count to the session's input buffer while it waits

	slotGiven bool // under session.mu: it runs outside the limit since it waited for a client

	uncommon *uncommon // nil: nothing of that
}

// uncommon is what most calls do not have: they are as small as can be, since their
// number decides how often memory is collected.
type uncommon struct {
	uploads []*upload
	raw     [][]byte // arguments that are not decoded yet, see postpone
	bound   []any    // see binder; under Context.mu
	refused *refusal // the call does not run, only this is known of it
	failure error    // under Context.mu: replaces the result of a method with uploads
}

// makeUncommon returns what is uncommon of a call, to be changed.
func (c *call) makeUncommon() *uncommon {
	if c.uncommon == nil {
		c.uncommon = &uncommon{}
	}
	return c.uncommon
}

// uploads returns the streams from the client.
func (c *call) uploads() []*upload {
	if c.uncommon == nil {
		return nil
	}
	return c.uncommon.uploads
}

// refused returns why the call does not run, nil if it does.
func (c *call) refused() *refusal {
	if c.uncommon == nil {
		return nil
	}
	return c.uncommon.refused
}

// session returns the session of the call, nil for that of a guest, which has no
// streams.
func (c *call) session() *session {
	s, _ := c.conn.(*session)
	return s
}

// inline reports whether the call counts to the parallel invocations of its
// client.
func (c *call) inline() bool { return !c.method.streams && len(c.uploads()) == 0 }

// fail ends a call with streams from the client with an error, whatever its method
// returns.
func (c *call) fail(err error) {
	c.mu.Lock()
	if c.uncommon.failure == nil {
		c.uncommon.failure = err
	}
	c.mu.Unlock()
	c.end(err)
}

// finish ends the context of a call whose method has returned, and returns what
// replaces the method's result.
func (c *call) finish() (failure error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(errReturned)
	if c.uncommon == nil {
		return nil
	}
	return c.uncommon.failure
}

// errReturned ends the context of a method that has returned.
var errReturned = errors.New("hubs: the hub method has returned")

// errCancelled ends the context of a call that the client has cancelled.
var errCancelled = errors.New("hubs: the client has cancelled the call")

// errNoReturn is the failure of code that has ended its goroutine instead of
// returning, as a failing test does.
var errNoReturn = errors.New("hubs: the application's code has ended its goroutine")

// run runs a call and sends its answer, whatever the application's code does.
// last reports whether nothing else is about to be sent by this goroutine.
func (s *session) run(c *call, last func() bool) {
	if refused := s.bindPostponed(c); refused != nil {
		c.finish()
		s.release(c)
		s.logRefusal(c.method.name, refused)
		s.refuse(c.id, refused, s.answer)
		return
	}
	for _, u := range c.uploads() {
		if u.pump != nil {
			s.running.Go(u.pump)
		}
	}
	var result any
	streamed, err := false, errNoReturn
	defer func() { s.conclude(c, result, streamed, err, last) }()
	result, streamed, err = s.invoke(c)
}

// conclude ends a call that has run, and sends its answer.
func (s *session) conclude(c *call, result any, streamed bool, err error, last func() bool) {
	level := slog.LevelWarn
	if err != nil && c.Err() != nil {
		level = slog.LevelDebug // the client has left, or canceled the call
	}
	if failure := c.finish(); failure != nil {
		err, level = failure, slog.LevelDebug // the client's stream
	}
	s.release(c) // before the answer: the client may use the same ids again then
	var frame []byte
	if err == nil && c.id != "" {
		frame, err = s.encodeAnswer(c, result)
	}
	switch {
	case err != nil:
		s.logFailureAt(level, c.method.name, err)
		s.refuse(c.id, c.refusal(streamed, err), s.answer)
	case c.id == "":
	case last():
		_ = s.write(s.ctx, frame) // a connection that ended needs no answer
	default:
		s.answer(frame)
	}
}

// invoke calls the method. Of a streaming method it also sends the items;
// streamed says that it came that far.
func (s *session) invoke(c *call) (result any, streamed bool, err error) {
	defer s.hub.contain(s.conn.ID(), c.method.name, &err)
	if result, err = c.call(); err == nil && c.method.streams {
		c.forgetArguments()
		streamed = true
		err = s.sendStream(c, result.(resultStream))
	}
	return result, streamed, settled(err)
}

// encodeAnswer returns the frame of a successful answer. The application's own
// marshalers run here.
func (s *session) encodeAnswer(c *call, result any) (frame []byte, err error) {
	defer s.hub.contain(s.conn.ID(), c.method.name, &err)
	if c.method.streams {
		frame, err = s.encoding.message(&protocol.Completion{InvocationID: c.id})
	} else {
		frame, err = s.encoding.result(c.id, result)
	}
	return frame, settled(err)
}

// answer sends an answer when there is room for it. A connection that ended needs
// none.
func (s *session) answer(frame []byte) { _ = s.sendWait(s.ctx, frame) }

// answerFromReader is answer for the goroutine that also reads acknowledgements,
// and so cannot wait for them.
func (s *session) answerFromReader(frame []byte) {
	s.conn.Gather() // a client can have any number of them
	if s.relay != nil {
		s.send(frame)
		return
	}
	s.answer(frame)
}

// call calls the method, within the filters.
func (c *call) call() (any, error) {
	if config := c.hub.config; len(config.filters) > 0 {
		return config.call(&c.Context, c.invokeOnce)
	}
	return c.invokeOnce(&c.Context)
}

// invokeOnce calls the method itself, and lets go of its arguments, which a stream that is
// open may not need any more.
func (c *call) invokeOnce(ctx *Context) (any, error) {
	i := c.invoker
	c.invoker = nil
	return i.invoke(ctx)
}

// protect runs code of the application and turns a panic into an error.
func (s *session) protect(method string, code func() error) error {
	return s.hub.protect(s.conn.ID(), method, code)
}

// protectThen is protect, and gives the outcome to then, also if the code does not
// return.
func (s *session) protectThen(method string, code func() error, then func(error)) {
	err := errNoReturn
	defer func() { then(err) }()
	err = s.protect(method, code)
}

func (h *Hub) protect(connectionID, method string, code func() error) (err error) {
	defer h.contain(connectionID, method, &err)
	return settled(code())
}

// contain is deferred by what runs code of the application: it turns a panic into
// an error.
func (h *Hub) contain(connectionID, method string, err *error) {
	if v := recover(); v != nil {
		h.logPanic(connectionID, method, v)
		*err = &panicError{v}
	}
}

// refusal returns the answer to a call that has failed.
func (c *call) refusal(streamed bool, err error) *refusal {
	switch {
	case errors.Is(err, errUnauthorized):
		return &refusal{"Failed to invoke '" + c.method.name + "' because user is unauthorized", nil}
	case errors.Is(err, errNoStream):
		return &refusal{"The streaming method '" + c.method.name + "' returned nil instead of a stream.", nil}
	case streamed:
		return &refusal{"An error occurred on the server while streaming results.", err}
	default:
		return &refusal{c.method.failedText(), err}
	}
}

// arguments returns the decoded arguments.
func (c *call) arguments() []any {
	if c.uncommon == nil {
		return nil
	}
	c.mu.Lock()
	bound := c.uncommon.bound
	c.mu.Unlock()
	values := make([]any, len(bound))
	for i, pointer := range bound {
		values[i] = reflect.ValueOf(pointer).Elem().Interface()
	}
	return values
}

// forgetArguments lets go of the arguments when the filters have returned.
func (c *call) forgetArguments() {
	if c.uncommon == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uncommon.bound = nil
}

// refuse answers an invocation with an error.
func (s *session) refuse(id string, r *refusal, send func([]byte)) {
	if id == "" {
		return
	}
	text := r.text + detail(r.err, s.hub.config.detailedErrors)
	frame, err := s.encoding.message(&protocol.Completion{InvocationID: id, Error: text})
	if err != nil {
		s.logFailure("", err)
		return
	}
	send(frame)
}

// logFailure logs an error of the application's.
func (s *session) logFailure(method string, err error) {
	s.logFailureAt(slog.LevelWarn, method, err)
}

// logFailureAt logs an error of the application's at a level.
func (s *session) logFailureAt(level slog.Level, method string, err error) {
	s.hub.logFailure(s.ctx, level, s.conn.ID(), method, err)
}

// logFailure logs an error of the application's at a level, or at Debug what clients can
// bring about as often as they like. A panic has been logged where it was caught.
func (h *Hub) logFailure(ctx context.Context, level slog.Level, connectionID, method string, err error) {
	if _, panicked := err.(*panicError); panicked {
		return
	}
	if isRoutine(err) {
		level = slog.LevelDebug
	}
	h.logger.Log(ctx, level, "a hub method failed", "connection", connectionID, "method", method, "error", err)
}

func (h *Hub) logPanic(connectionID, method string, value any) {
	h.logger.Error("the application panicked", "connection", connectionID, "method", method,
		"panic", value, "stack", string(debug.Stack()))
}

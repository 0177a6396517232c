package hubs

import (
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/go-signalr/signalr/protocol"
)

// call is one invocation by a client, with its context, from the moment its
// arguments are bound.
type call struct {
	Context
	invoker
	method  *method
	id      string // empty: no answer wanted
	cost    int    // bytes that count to the session's input buffer while it waits
	uploads []*upload
	pumps   []func() // feed the channels of uploads

	slotGiven bool  // under session.mu: it runs outside the limit since it waited for a client
	failure   error // under Context.mu: replaces the method's result
}

// inline reports whether the call counts to the parallel invocations of its
// client (reference 6.6).
func (c *call) inline() bool { return !c.method.streams && len(c.uploads) == 0 }

// fail ends the call with an error, whatever its method returns.
func (c *call) fail(err error) {
	c.mu.Lock()
	if c.failure == nil {
		c.failure = err
	}
	c.mu.Unlock()
	c.end(err)
}

func (c *call) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// errReturned ends the context of a method that has returned.
var errReturned = errors.New("hubs: the hub method has returned")

// errCancelled ends the context of a call that the client has cancelled.
var errCancelled = errors.New("hubs: the client has cancelled the call")

// run runs a call and sends its answer. With last, nothing else is about to be
// sent by this goroutine.
func (s *session) run(c *call, last func() bool) {
	for _, pump := range c.pumps {
		s.running.Add(1)
		go func() {
			defer s.running.Done()
			pump()
		}()
	}
	general := "An unexpected error occurred invoking '" + c.method.name + "' on the server."
	result, err := c.protect()
	switch {
	case err == errNoStream: // never wrapped
		general = "The value returned by the streaming method '" + c.method.name + "' is not a ChannelReader<> or IAsyncEnumerable<>."
	case err == nil && c.method.streams:
		general = "An error occurred on the server while streaming results."
		err = s.protectStream(c, result)
	}
	if failure := c.failed(); failure != nil {
		err = failure
	}
	c.end(errReturned)
	s.release(c) // before the answer: the client may use the same ids again then
	if err != nil {
		s.logFailure(c.method.name, err)
	}
	if c.id == "" {
		return
	}
	var frame []byte
	if err == nil {
		if c.method.streams {
			frame, err = s.encoding.message(&protocol.Completion{InvocationID: c.id})
		} else {
			frame, err = s.encoding.result(c.id, result)
		}
		if err != nil {
			s.logFailure(c.method.name, err)
		}
	}
	if err != nil {
		s.refuse(c.id, &refusal{general, err})
		return
	}
	if last() {
		_ = s.conn.Write(s.ctx, frame) // a connection that ended needs no answer
	} else {
		s.send(frame)
	}
}

// protect calls the method and turns a panic into an error.
func (c *call) protect() (result any, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.session.logPanic(c.method.name, v)
			err = &panicError{v}
		}
	}()
	return c.invoke(&c.Context)
}

func (s *session) protectStream(c *call, result any) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.logPanic(c.method.name, v)
			err = &panicError{v}
		}
	}()
	return s.sendStream(c, result.(resultStream))
}

// refuse answers an invocation with an error.
func (s *session) refuse(id string, r *refusal) {
	if id == "" {
		return
	}
	text := r.text + detail(r.err, s.hub.config.detailedErrors)
	frame, err := s.encoding.message(&protocol.Completion{InvocationID: id, Error: text})
	if err != nil {
		s.logFailure("", err)
		return
	}
	s.send(frame)
}

// logFailure logs an error of the application's. Errors meant for the client are
// part of normal work.
func (s *session) logFailure(method string, err error) {
	level := slog.LevelWarn
	if hubError := (*Error)(nil); errors.As(err, &hubError) {
		level = slog.LevelDebug
	}
	s.hub.logger.Log(s.ctx, level, "a hub method failed", "connection", s.conn.ID(), "method", method, "error", err)
}

func (s *session) logPanic(method string, value any) {
	s.hub.logger.Error("the application panicked", "connection", s.conn.ID(), "method", method,
		"panic", value, "stack", string(debug.Stack()))
}

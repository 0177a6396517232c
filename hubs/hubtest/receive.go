package hubtest

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-signalr/signalr/protocol"
)

// Receive waits until the hub calls a method of the client, and decodes the
// arguments into args, pointers, of which there must be as many. Each call is
// received once, those of one method in their order; calls of other methods are
// left for later. Names are compared without regard to case, as other clients
// do. If nothing comes, or something else, the test fails at once.
//
// Only calls that want no answer are received; [Client.Handle] is for the others.
func (c *Client) Receive(method string, args ...any) {
	c.server.t.Helper()
	call := c.take(method)
	if len(call.Arguments) != len(args) {
		c.server.t.Fatalf("hubtest: received %s: not %d arguments", c.show(call), len(args))
	}
	for i, arg := range args {
		if err := c.protocol.Unmarshal(call.Arguments[i], arg); err != nil {
			c.server.t.Fatalf("hubtest: received %s: argument %d: %v", c.show(call), i+1, err)
		}
	}
}

// Expect is [Client.Receive] with the arguments that are expected. They are
// compared as they travel: a struct equals a map with the same members. Other
// arguments fail the test at once.
func (c *Client) Expect(method string, args ...any) {
	c.server.t.Helper()
	call := c.take(method)
	want := &protocol.Invocation{Target: method}
	for _, arg := range args {
		raw, err := c.protocol.AppendValue(nil, arg)
		if err != nil {
			c.server.t.Fatalf("hubtest: expect %s: %v", method, err)
		}
		want.Arguments = append(want.Arguments, raw)
	}
	same := len(args) == len(call.Arguments)
	for i := 0; same && i < len(args); i++ {
		same = c.same(call.Arguments[i], want.Arguments[i], reflect.TypeOf(args[i]))
	}
	if !same {
		c.server.t.Fatalf("hubtest: received %s, expected %s", c.show(call), c.show(want))
	}
}

// ExpectNothing fails the test if the client has been sent a call, of one of the
// methods or, if none is given, of any, that was not received. It looks behind a
// [Client.Barrier]: what the server sent before is seen, without waiting for what
// may come later.
func (c *Client) ExpectNothing(methods ...string) {
	c.server.t.Helper()
	c.Barrier()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, call := range c.inbox {
		named := func(method string) bool { return strings.EqualFold(method, call.Target) }
		if len(methods) == 0 || slices.ContainsFunc(methods, named) {
			c.server.t.Errorf("hubtest: received %s, expected nothing", c.show(call))
		}
	}
}

// take waits for the next call of a method.
func (c *Client) take(method string) *protocol.Invocation {
	c.server.t.Helper()
	var call *protocol.Invocation
	err := c.until(func() bool {
		for i, received := range c.inbox {
			if strings.EqualFold(received.Target, method) {
				call = received
				c.inbox = slices.Delete(c.inbox, i, i+1)
				return true
			}
		}
		return c.ended
	})
	if err == nil && call == nil {
		err = c.closedError()
	}
	if err != nil {
		c.server.t.Fatalf("hubtest: waiting for %s: %v", method, err)
	}
	return call
}

// same reports whether two encoded values, the second one of type t, are equal.
// The members of a map may be in any order. So they are compared decoded as any,
// to see all of them, and decoded as t, to see large numbers exactly.
func (c *Client) same(got, want []byte, t reflect.Type) bool {
	if bytes.Equal(got, want) {
		return true
	}
	if t == nil {
		return false
	}
	for _, t := range []reflect.Type{reflect.TypeFor[any](), t} {
		a, b := reflect.New(t), reflect.New(t)
		if c.protocol.Unmarshal(got, a.Interface()) != nil || c.protocol.Unmarshal(want, b.Interface()) != nil ||
			!reflect.DeepEqual(a.Interface(), b.Interface()) {
			return false
		}
	}
	return true
}

// show returns a readable form of a call.
func (c *Client) show(call *protocol.Invocation) string {
	args := make([]string, len(call.Arguments))
	for i, raw := range call.Arguments {
		var v any
		if err := c.protocol.Unmarshal(raw, &v); err != nil {
			args[i] = fmt.Sprintf("%x", raw)
			continue
		}
		args[i] = fmt.Sprintf("%#v", v)
	}
	return call.Target + "(" + strings.Join(args, ", ") + ")"
}

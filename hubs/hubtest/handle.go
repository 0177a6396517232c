package hubtest

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-signalr/signalr/protocol"
)

// Handle answers the hub when it asks for a result, with hubs.Invoke: fn is
// called with the arguments, behind a [context.Context] if it takes one, and returns
// the result, or a result and an error, whose text is then the answer. The context
// is done when the connection has ended. A later function takes an earlier one's
// place. Calls run concurrently. An fn of another form fails the test at once.
//
// Without a function the hub is told, as other clients do, that there is no
// result.
func (c *Client) Handle(method string, fn any) {
	c.server.t.Helper()
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.Type().IsVariadic() || !returnsResult(v.Type()) {
		c.server.t.Fatalf("hubtest: handle %s: a %T is no function that returns a result, or a result and an error", method, fn)
	}
	c.change(func() { c.handlers[strings.ToLower(method)] = &handler{v} })
}

func returnsResult(t reflect.Type) bool {
	errorType := reflect.TypeFor[error]()
	switch t.NumOut() {
	case 1:
		return t.Out(0) != errorType
	case 2:
		return t.Out(1) == errorType
	default:
		return false
	}
}

// handler answers calls of one method.
type handler struct{ fn reflect.Value }

// answer answers a call by the hub.
func (c *Client) answer(call *protocol.Invocation) {
	c.mu.Lock()
	h := c.handlers[strings.ToLower(call.Target)]
	c.mu.Unlock()
	answer := &protocol.Completion{InvocationID: call.InvocationID}
	var err error
	if h == nil {
		answer.Error = "Client didn't provide a result."
	} else if answer.Result, err = h.call(c.ctx, c.protocol, call.Arguments); err != nil {
		answer.Error = err.Error()
	}
	_ = c.write(answer) // a connection that has ended needs none
}

func (h *handler) call(ctx context.Context, p protocol.Protocol, args [][]byte) ([]byte, error) {
	t := h.fn.Type()
	types := argsOf(t)
	if len(types) != len(args) {
		return nil, fmt.Errorf("the function takes %d arguments, not %d", len(types), len(args))
	}
	in := make([]reflect.Value, 0, t.NumIn())
	if len(types) < t.NumIn() {
		in = append(in, reflect.ValueOf(ctx))
	}
	for i, raw := range args {
		v := reflect.New(types[i])
		if err := p.Unmarshal(raw, v.Interface()); err != nil {
			return nil, err
		}
		in = append(in, v.Elem())
	}
	out := h.fn.Call(in)
	if len(out) == 2 {
		if err, _ := out[1].Interface().(error); err != nil {
			return nil, err
		}
	}
	return p.AppendValue(nil, out[0].Interface())
}

// argsOf returns the types of a function's parameters behind a context.
func argsOf(fn reflect.Type) []reflect.Type {
	var types []reflect.Type
	for i := range fn.NumIn() {
		if i > 0 || fn.In(i) != reflect.TypeFor[context.Context]() {
			types = append(types, fn.In(i))
		}
	}
	return types
}

package hubtest

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/describe"
)

// Method returns the name by which clients call a method of a hub, so that the
// compiler checks that there is one:
//
//	err := ada.Invoke(hubtest.Method((*Chat).Send), "hello")
//
// It takes a method expression, a method value or a function with a name, and
// panics when given anything else.
func Method(method any) string {
	v := reflect.ValueOf(method)
	contextType := reflect.TypeFor[*hubs.Context]()
	if v.Kind() != reflect.Func || v.IsNil() {
		panic(fmt.Sprintf("hubtest: a %T is no method of a hub", method))
	}
	t := v.Type()
	if !(t.NumIn() > 0 && t.In(0) == contextType || t.NumIn() > 1 && t.In(1) == contextType) {
		panic(fmt.Sprintf("hubtest: a %T is no method of a hub", method))
	}
	name := strings.TrimSuffix(runtime.FuncForPC(v.Pointer()).Name(), "-fm") // a method value
	return name[strings.LastIndex(name, ".")+1:]
}

// ReceiveEvent is [Client.Receive] for a declared client method, such as a
// [hubs.Event1]: args must be pointers to the types of its arguments.
func (c *Client) ReceiveEvent(event hubs.ClientMethod, args ...any) {
	c.server.t.Helper()
	c.checkArgs("receive %s: args must be pointers to (%s), not (%s)", event, args, func(param, arg reflect.Type) bool {
		return arg != nil && arg.Kind() == reflect.Pointer && param.AssignableTo(arg.Elem())
	})
	c.Receive(event.Name(), args...)
}

// ExpectEvent is [Client.Expect] for a declared client method, such as a
// [hubs.Event1]: args must be of the types of its arguments.
func (c *Client) ExpectEvent(event hubs.ClientMethod, args ...any) {
	c.server.t.Helper()
	c.checkArgs("expect %s: args must be (%s), not (%s)", event, args, func(param, arg reflect.Type) bool {
		if arg == nil {
			switch param.Kind() {
			case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
				return true
			}
			return false
		}
		return arg.AssignableTo(param)
	})
	c.Expect(event.Name(), args...)
}

// HandleQuery is [Client.Handle] for a declared client method, such as a
// [hubs.Query1]: fn must take its arguments and return its result.
func (c *Client) HandleQuery(query hubs.ClientMethod, fn any) {
	c.server.t.Helper()
	c.Handle(query.Name(), fn)
	d := describe.ClientMethodOf(query)
	if d.Result == nil {
		c.server.t.Fatalf("hubtest: handle %s: it has no result", d.Name)
	}
	t := reflect.TypeOf(fn)
	in := argsOf(t)
	fits := len(in) == len(d.Params) && t.Out(0).AssignableTo(d.Result)
	for i := 0; fits && i < len(in); i++ {
		fits = d.Params[i].AssignableTo(in[i])
	}
	if !fits {
		c.server.t.Fatalf("hubtest: handle %s: a %v does not take (%s) and return %v", d.Name, t, typeList(d.Params), d.Result)
	}
}

// checkArgs fails the test if the arguments do not fit a client method.
func (c *Client) checkArgs(failure string, method hubs.ClientMethod, args []any, fits func(param, arg reflect.Type) bool) {
	c.server.t.Helper()
	d := describe.ClientMethodOf(method)
	types := make([]reflect.Type, len(args))
	ok := len(args) == len(d.Params)
	for i, arg := range args {
		types[i] = reflect.TypeOf(arg)
		ok = ok && fits(d.Params[i], types[i])
	}
	if !ok {
		c.server.t.Fatalf("hubtest: "+failure, d.Name, typeList(d.Params), typeList(types))
	}
}

func typeList(types []reflect.Type) string {
	list := make([]string, len(types))
	for i, t := range types {
		list[i] = fmt.Sprint(t)
	}
	return strings.Join(list, ", ")
}

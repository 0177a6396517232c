package hubs

import (
	"context"
	"reflect"
	"strings"
)

// ClientMethod is a client method declared with its types: an [Event0] to
// [Event4], or a [Query0] to [Query4].
type ClientMethod interface {
	// Name returns the name of the client method.
	Name() string

	signature() clientSignature
}

// clientSignature is what a client method takes and returns.
type clientSignature struct {
	names  string // of the parameters, as nameParams has them
	params []reflect.Type
	result reflect.Type // nil: nothing
}

func takes(names string, params ...reflect.Type) clientSignature {
	return clientSignature{names: names, params: params}
}

func returns[R any](names string, params ...reflect.Type) clientSignature {
	return clientSignature{names: names, params: params, result: reflect.TypeFor[R]()}
}

// nameParams joins the names of parameters, so that client methods can be compared.
func nameParams(names []string) string { return strings.Join(names, ",") }

// Event0 to Event4 are methods of the clients with that number of arguments,
// declared once with their types and used from anywhere:
//
//	var messageReceived = hubs.NewEvent2[string, string]("messageReceived", "name", "text")
//
//	err := messageReceived.Send(c, c.Clients().All(), name, text)
//
// The names of the arguments may be left out. They are for who reads the
// declaration, and for package typescript. Events are values, safe for concurrent
// use.

// Event0 is a client method with no arguments.
type Event0 struct{ name string }

// NewEvent0 declares a client method by its name.
func NewEvent0(name string) Event0 { return Event0{name} }

// Name returns the name of the client method.
func (e Event0) Name() string { return e.name }

func (e Event0) signature() clientSignature { return takes("") }

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event0) Send(ctx context.Context, to Target) error {
	return to.Send(ctx, e.name)
}

// Event1 is a client method with one argument.
type Event1[A any] struct{ name, params string }

// NewEvent1 declares a client method by its name and those of its arguments.
func NewEvent1[A any](name string, params ...string) Event1[A] {
	return Event1[A]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (e Event1[A]) Name() string { return e.name }

func (e Event1[A]) signature() clientSignature { return takes(e.params, reflect.TypeFor[A]()) }

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event1[A]) Send(ctx context.Context, to Target, a A) error {
	return to.Send(ctx, e.name, a)
}

// Event2 is a client method with two arguments.
type Event2[A, B any] struct{ name, params string }

// NewEvent2 declares a client method by its name and those of its arguments.
func NewEvent2[A, B any](name string, params ...string) Event2[A, B] {
	return Event2[A, B]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (e Event2[A, B]) Name() string { return e.name }

func (e Event2[A, B]) signature() clientSignature {
	return takes(e.params, reflect.TypeFor[A](), reflect.TypeFor[B]())
}

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event2[A, B]) Send(ctx context.Context, to Target, a A, b B) error {
	return to.Send(ctx, e.name, a, b)
}

// Event3 is a client method with three arguments.
type Event3[A, B, C any] struct{ name, params string }

// NewEvent3 declares a client method by its name and those of its arguments.
func NewEvent3[A, B, C any](name string, params ...string) Event3[A, B, C] {
	return Event3[A, B, C]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (e Event3[A, B, C]) Name() string { return e.name }

func (e Event3[A, B, C]) signature() clientSignature {
	return takes(e.params, reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C]())
}

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event3[A, B, C]) Send(ctx context.Context, to Target, a A, b B, c C) error {
	return to.Send(ctx, e.name, a, b, c)
}

// Event4 is a client method with four arguments.
type Event4[A, B, C, D any] struct{ name, params string }

// NewEvent4 declares a client method by its name and those of its arguments.
func NewEvent4[A, B, C, D any](name string, params ...string) Event4[A, B, C, D] {
	return Event4[A, B, C, D]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (e Event4[A, B, C, D]) Name() string { return e.name }

func (e Event4[A, B, C, D]) signature() clientSignature {
	return takes(e.params, reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C](), reflect.TypeFor[D]())
}

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event4[A, B, C, D]) Send(ctx context.Context, to Target, a A, b B, c C, d D) error {
	return to.Send(ctx, e.name, a, b, c, d)
}

// Query0 to Query4 are methods of the clients that return a result, declared once
// with their types:
//
//	var confirm = hubs.NewQuery1[string, bool]("confirm", "question")
//
//	ok, err := confirm.Ask(c, c.Clients().Caller(), "Really?")
//
// The names of the arguments may be left out, as with events. Queries are values, safe
// for concurrent use.

// Query0 is a client method with no arguments and a result.
type Query0[R any] struct{ name string }

// NewQuery0 declares a client method by its name.
func NewQuery0[R any](name string) Query0[R] { return Query0[R]{name} }

// Name returns the name of the client method.
func (q Query0[R]) Name() string { return q.name }

func (q Query0[R]) signature() clientSignature { return returns[R]("") }

// Ask calls the method of one client and returns its answer, like [Invoke].
func (q Query0[R]) Ask(ctx context.Context, client Target) (R, error) {
	return Invoke[R](ctx, client, q.name)
}

// Query1 is a client method with one argument and a result.
type Query1[A, R any] struct{ name, params string }

// NewQuery1 declares a client method by its name and those of its arguments.
func NewQuery1[A, R any](name string, params ...string) Query1[A, R] {
	return Query1[A, R]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (q Query1[A, R]) Name() string { return q.name }

func (q Query1[A, R]) signature() clientSignature { return returns[R](q.params, reflect.TypeFor[A]()) }

// Ask calls the method of one client and returns its answer, like [Invoke].
func (q Query1[A, R]) Ask(ctx context.Context, client Target, a A) (R, error) {
	return Invoke[R](ctx, client, q.name, a)
}

// Query2 is a client method with two arguments and a result.
type Query2[A, B, R any] struct{ name, params string }

// NewQuery2 declares a client method by its name and those of its arguments.
func NewQuery2[A, B, R any](name string, params ...string) Query2[A, B, R] {
	return Query2[A, B, R]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (q Query2[A, B, R]) Name() string { return q.name }

func (q Query2[A, B, R]) signature() clientSignature {
	return returns[R](q.params, reflect.TypeFor[A](), reflect.TypeFor[B]())
}

// Ask calls the method of one client and returns its answer, like [Invoke].
func (q Query2[A, B, R]) Ask(ctx context.Context, client Target, a A, b B) (R, error) {
	return Invoke[R](ctx, client, q.name, a, b)
}

// Query3 is a client method with three arguments and a result.
type Query3[A, B, C, R any] struct{ name, params string }

// NewQuery3 declares a client method by its name and those of its arguments.
func NewQuery3[A, B, C, R any](name string, params ...string) Query3[A, B, C, R] {
	return Query3[A, B, C, R]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (q Query3[A, B, C, R]) Name() string { return q.name }

func (q Query3[A, B, C, R]) signature() clientSignature {
	return returns[R](q.params, reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C]())
}

// Ask calls the method of one client and returns its answer, like [Invoke].
func (q Query3[A, B, C, R]) Ask(ctx context.Context, client Target, a A, b B, c C) (R, error) {
	return Invoke[R](ctx, client, q.name, a, b, c)
}

// Query4 is a client method with four arguments and a result.
type Query4[A, B, C, D, R any] struct{ name, params string }

// NewQuery4 declares a client method by its name and those of its arguments.
func NewQuery4[A, B, C, D, R any](name string, params ...string) Query4[A, B, C, D, R] {
	return Query4[A, B, C, D, R]{name, nameParams(params)}
}

// Name returns the name of the client method.
func (q Query4[A, B, C, D, R]) Name() string { return q.name }

func (q Query4[A, B, C, D, R]) signature() clientSignature {
	return returns[R](q.params, reflect.TypeFor[A](), reflect.TypeFor[B](), reflect.TypeFor[C](), reflect.TypeFor[D]())
}

// Ask calls the method of one client and returns its answer, like [Invoke].
func (q Query4[A, B, C, D, R]) Ask(ctx context.Context, client Target, a A, b B, c C, d D) (R, error) {
	return Invoke[R](ctx, client, q.name, a, b, c, d)
}

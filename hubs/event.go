package hubs

import "context"

// Event0 to Event4 are methods of the clients with that number of arguments,
// declared once with their types and used from anywhere:
//
//	var messageReceived = hubs.NewEvent2[string, string]("messageReceived")
//
//	err := messageReceived.Send(c, c.Clients().All(), name, text)
//
// They are values, safe for concurrent use.

// Event0 is a client method with no arguments.
type Event0 struct{ name string }

// NewEvent0 declares a client method by its name.
func NewEvent0(name string) Event0 { return Event0{name} }

// Name returns the name of the client method.
func (e Event0) Name() string { return e.name }

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event0) Send(ctx context.Context, to Target) error {
	return to.Send(ctx, e.name)
}

// Event1 is a client method with one argument.
type Event1[A any] struct{ name string }

// NewEvent1 declares a client method by its name.
func NewEvent1[A any](name string) Event1[A] { return Event1[A]{name} }

// Name returns the name of the client method.
func (e Event1[A]) Name() string { return e.name }

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event1[A]) Send(ctx context.Context, to Target, a A) error {
	return to.Send(ctx, e.name, a)
}

// Event2 is a client method with two arguments.
type Event2[A, B any] struct{ name string }

// NewEvent2 declares a client method by its name.
func NewEvent2[A, B any](name string) Event2[A, B] { return Event2[A, B]{name} }

// Name returns the name of the client method.
func (e Event2[A, B]) Name() string { return e.name }

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event2[A, B]) Send(ctx context.Context, to Target, a A, b B) error {
	return to.Send(ctx, e.name, a, b)
}

// Event3 is a client method with three arguments.
type Event3[A, B, C any] struct{ name string }

// NewEvent3 declares a client method by its name.
func NewEvent3[A, B, C any](name string) Event3[A, B, C] { return Event3[A, B, C]{name} }

// Name returns the name of the client method.
func (e Event3[A, B, C]) Name() string { return e.name }

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event3[A, B, C]) Send(ctx context.Context, to Target, a A, b B, c C) error {
	return to.Send(ctx, e.name, a, b, c)
}

// Event4 is a client method with four arguments.
type Event4[A, B, C, D any] struct{ name string }

// NewEvent4 declares a client method by its name.
func NewEvent4[A, B, C, D any](name string) Event4[A, B, C, D] { return Event4[A, B, C, D]{name} }

// Name returns the name of the client method.
func (e Event4[A, B, C, D]) Name() string { return e.name }

// Send calls the method of the clients chosen, like [Target.Send].
func (e Event4[A, B, C, D]) Send(ctx context.Context, to Target, a A, b B, c C, d D) error {
	return to.Send(ctx, e.name, a, b, c, d)
}

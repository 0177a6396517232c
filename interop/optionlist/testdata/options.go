// Package options has two options, and others that are none.
package options

// Option is what is listed.
type Option func()

// WithOne is an option.
func WithOne(int) Option { return nil }

// Other is one by its type alone.
func Other() Option { return nil }

// WithData is one by its name alone.
func WithData(error) error { return nil }

// WithNothing returns nothing.
func WithNothing() {}

// WithBoth returns more.
func WithBoth() (Option, error) { return nil, nil }

type settings struct{}

// WithMethod is a method.
func (settings) WithMethod() Option { return nil }

// WithTwo is an option.
func WithTwo() Option { return nil }

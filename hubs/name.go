package hubs

import (
	"errors"
	"reflect"
	"runtime/debug"
	"strings"
)

// WithName names the hub. Logs, classic clients and TypeScript declarations show
// the name as it is given; on a bus ([WithBus]) case does not matter. The name must
// not be empty.
//
// The default is the name of the type that implements the hub. On a bus, that is
// its full name with the path of its package, so that different hubs never become
// one by accident. Hubs that several programs serve or send to, or whose type has no
// name, need a name of their own there.
func WithName(name string) Option {
	return func(c *config) error {
		if name == "" {
			return errors.New("hubs: the name must not be empty")
		}
		c.name, c.nameChosen = name, true
		return nil
	}
}

// setName gives a hub without WithName the name of its type.
func (c *config) setName(impl any) error {
	if c.nameChosen {
		c.busName = strings.ToLower(c.name) // classic clients do not tell cases apart either
		return nil
	}
	c.name = "hub"
	if impl != nil {
		t := typeOf(impl)
		if t.Name() != "" {
			c.name, c.busName = t.Name(), fullName(t)
			return nil
		}
	}
	if c.bus != nil {
		return errors.New("hubs: a hub without a named type needs a name on a bus: use WithName")
	}
	return nil
}

// fullName returns the name of a type with the path of its package.
func fullName(t reflect.Type) string {
	path := t.PkgPath()
	if path == "main" { // of every program
		if build, ok := debug.ReadBuildInfo(); ok && build.Path != "" {
			path = build.Path
		}
	}
	return path + "." + t.Name()
}

package hubs

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
)

// WithName names the hub. Logs, classic clients and TypeScript declarations show
// the name as it is given; on a bus ([WithBus]) case does not matter. The name must
// not be empty.
//
// The default is the name of the type that implements the hub. On a bus, that is
// its full name with the path of its package, so that different hubs never become
// one by accident. Hubs that several programs serve or send to, or whose type has no
// name that others cannot have, need a name of their own there.
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
			return c.checkBusName(t)
		}
	}
	if c.bus != nil {
		return errors.New("hubs: a hub without a named type needs a name on a bus: use WithName")
	}
	return nil
}

// builtFromFiles is the path of every program that was built from files instead of a
// package.
const builtFromFiles = "command-line-arguments"

// typesByName has the first type that had each name on a bus. Types that are declared
// within functions may share one.
var typesByName sync.Map

// checkBusName reports names of types that others may have too.
func (c *config) checkBusName(t reflect.Type) error {
	if c.bus == nil {
		return nil
	}
	if strings.HasPrefix(c.busName, builtFromFiles+".") {
		return fmt.Errorf("hubs: the program is built from files, so that %v has no name of its own on a bus: build its package (go run .), or use WithName", t)
	}
	if known, _ := typesByName.LoadOrStore(c.busName, t); known != t {
		return fmt.Errorf("hubs: there are two types %v in one package, whose hubs would be one on a bus: use WithName", t)
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

// Package describe tells what the clients of a hub may call and be called by, for
// packages that write declarations.
package describe

import "reflect"

// Hub is what there is to know of a hub.
type Hub struct {
	Name string
	// Type is that of the hub's implementation; nil: there is none.
	Type    reflect.Type
	Methods []Method // ordered by name
}

// Method is a method of a hub.
type Method struct {
	Name   string
	Params []Param
	Result reflect.Type // nil: nothing; of a stream: its items
	Stream bool         // the result is one
	// Func is the entry of the function that was registered, 0 for a method of
	// the hub's implementation.
	Func uintptr
}

// Param is a parameter of a hub method.
type Param struct {
	Type     reflect.Type // of a stream: its items; of a variadic parameter: one of them
	Stream   bool
	Variadic bool
}

// ClientMethod is a method of the hub's clients.
type ClientMethod struct {
	Name   string
	Names  string // of the parameters, with commas between; empty: they have none
	Params []reflect.Type
	Result reflect.Type // nil: nothing
}

// HubOf describes a *hubs.Hub, and ClientMethodOf a hubs.ClientMethod. Package hubs
// sets them.
var (
	HubOf          func(hub any) Hub
	ClientMethodOf func(method any) ClientMethod
)

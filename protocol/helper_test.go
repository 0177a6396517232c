package protocol_test

import "reflect"

// newOf returns a pointer to a new value of the type of v; for nil, to an any.
func newOf(v any) any {
	if v == nil {
		return new(any)
	}
	return reflect.New(reflect.TypeOf(v)).Interface()
}

// elemOf returns what a pointer points to.
func elemOf(pointer any) any { return reflect.ValueOf(pointer).Elem().Interface() }

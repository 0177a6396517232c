package hubs

import (
	text "encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/go-signalr/signalr/hubs/internal/jsonfields"
)

// checkDecodable refuses types that no client can send.
func checkDecodable(t reflect.Type) error {
	return newTypeCheck(func(t reflect.Type) string {
		switch {
		case !travels(t):
			return "cannot be sent by a client"
		case t.Kind() == reflect.Interface && t.NumMethod() > 0:
			return "cannot be decoded: it has methods, so its type is not known"
		default:
			return ""
		}
	}).of(t, "")
}

// checkEncodable refuses types that cannot be sent to a client.
func checkEncodable(t reflect.Type) error {
	return newTypeCheck(func(t reflect.Type) string {
		if !travels(t) {
			return "cannot be sent to a client"
		}
		return ""
	}).of(t, "")
}

// travels reports whether the protocols have values of a type, whatever is in them.
func travels(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Complex64, reflect.Complex128:
		return false
	default:
		return true
	}
}

// typeCheck looks for a fault in a type and in those of everything that its values
// hold.
type typeCheck struct {
	fault func(reflect.Type) string
	seen  map[reflect.Type]bool // types may refer to themselves
}

func newTypeCheck(fault func(reflect.Type) string) *typeCheck {
	return &typeCheck{fault, make(map[reflect.Type]bool)}
}

// of checks the type of what lies at a path of fields.
func (c *typeCheck) of(t reflect.Type, path string) error {
	if c.seen[t] || encodesItself(t) {
		return nil
	}
	c.seen[t] = true
	if fault := c.fault(t); fault != "" {
		return typeFault(path, "a %v %s", t, fault)
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return c.of(t.Elem(), path)
	case reflect.Map:
		if !isKey(t.Key()) {
			return typeFault(path, "a %v cannot be sent: its keys are neither strings nor integers nor written as text", t)
		}
		return c.of(t.Elem(), path)
	case reflect.Struct:
		for _, f := range jsonfields.Of(t) {
			if err := c.of(f.Type, path+"."+t.FieldByIndex(f.Index).Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func typeFault(path, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if path == "" {
		return fmt.Errorf("%s", text)
	}
	return fmt.Errorf("field %s: %s; json:\"-\" leaves it out", strings.TrimPrefix(path, "."), text)
}

var selfEncoders = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.Unmarshaler](),
	reflect.TypeFor[text.TextMarshaler](), reflect.TypeFor[text.TextUnmarshaler](),
	reflect.TypeFor[msgpack.Marshaler](), reflect.TypeFor[msgpack.Unmarshaler](),
}

// encodesItself reports whether the methods of a type, not its kind, say how its
// values travel.
func encodesItself(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface { // what they lead to has the methods
		return false
	}
	for _, self := range selfEncoders {
		if reflect.PointerTo(t).Implements(self) {
			return true
		}
	}
	return false
}

// isKey reports whether the protocols have maps with keys of a type.
func isKey(t reflect.Type) bool {
	return encodesItself(t) || t.Kind() == reflect.String || t.Kind() >= reflect.Int && t.Kind() <= reflect.Uintptr
}

package protocol

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// manner is how the values of a Go type are encoded or decoded.
type manner int

const (
	byKind   manner = iota // as the type's kind suggests
	asTime                 // as a timestamp
	asItself               // by the type's own methods for MessagePack
	asText                 // by its methods for text
	asJSON                 // as what its JSON stands for
)

// msgpackType is what must be known about a Go type. It is made once per type.
type msgpackType struct {
	encode  manner // of any value
	address manner // of an addressable value, whose pointer has more methods
	decode  manner
	bytes   bool             // a slice or array of plain bytes
	members []member         // of a struct
	byName  map[string][]int // the indices of the members by their names
}

// typeOf returns what is known about t.
func (p *msgpackProtocol) typeOf(t reflect.Type) *msgpackType {
	if known, ok := p.types.Load(t); ok {
		return known.(*msgpackType)
	}
	info := newMsgpackType(t)
	p.types.Store(t, info)
	return info
}

func newMsgpackType(t reflect.Type) *msgpackType {
	info := &msgpackType{}
	// Pointers and interfaces are followed: what they lead to has the methods.
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return info
	}
	info.encode = encodeManner(t)
	info.address = encodeManner(reflect.PointerTo(t))
	info.decode = decodeManner(reflect.PointerTo(t))
	switch t {
	case reflect.TypeFor[time.Time]():
		info.encode, info.address, info.decode = asTime, asTime, asTime
	case reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number]():
		info.encode, info.address, info.decode = asJSON, asJSON, asJSON
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		element := t.Elem()
		info.bytes = element.Kind() == reflect.Uint8 && encodeManner(reflect.PointerTo(element)) == byKind
	case reflect.Struct:
		info.members = membersOf(t, true)
		info.byName = make(map[string][]int, len(info.members))
		for _, m := range info.members {
			info.byName[m.name] = m.index
		}
	}
	return info
}

func encodeManner(t reflect.Type) manner {
	switch {
	case t.Implements(reflect.TypeFor[msgpack.Marshaler]()):
		return asItself
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return asText
	default:
		return byKind
	}
}

func decodeManner(t reflect.Type) manner {
	switch {
	case t.Implements(reflect.TypeFor[msgpack.Unmarshaler]()):
		return asItself
	case t.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return asText
	default:
		return byKind
	}
}

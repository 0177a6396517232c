package protocol

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
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
	binary  bool               // it has a method for a bin, too
	bytes   bool               // a slice or array of plain bytes
	array   bool               // a struct that is an array of its members
	members []member           // of a struct
	byName  map[string]*member // they by their names
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
	info.binary = info.decode == asText && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]())
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
		info.byName = make(map[string]*member, len(info.members))
		for i := range info.members {
			info.byName[info.members[i].name] = &info.members[i]
		}
		for i := range t.NumField() {
			if f := t.Field(i); f.Name == "_" || f.Name == "_msgpack" {
				_, options, _ := strings.Cut(f.Tag.Get("msgpack"), ",")
				info.array = info.array || slices.Contains(strings.Split(options, ","), "as_array")
			}
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

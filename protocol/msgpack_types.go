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
	bytes   bool             // a slice or array of plain bytes
	members []msgpackMember  // of a struct
	byName  map[string][]int // the indices of the members by their names
}

// msgpackMember is one member of a struct.
type msgpackMember struct {
	name      string
	index     []int
	tagged    bool // the name is from a tag
	omitEmpty bool
	omitZero  bool
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
		info.members = membersOf(t)
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

// membersOf returns the members of a struct in their order. Those of embedded
// structs are among them by the rules of encoding/json: of equal names the least
// deep one counts, then the tagged one, then none.
func membersOf(t reflect.Type) []msgpackMember {
	type embedded struct {
		t     reflect.Type
		index []int
	}
	var (
		members []msgpackMember
		visited = map[reflect.Type]bool{}
		taken   = map[string]bool{}
	)
	for level := []embedded{{t: t}}; len(level) > 0; {
		var (
			next  []embedded
			found = map[string][]msgpackMember{}
		)
		for _, s := range level {
			if visited[s.t] {
				continue
			}
			for i := range s.t.NumField() {
				f := s.t.Field(i)
				m, ok := memberOf(f)
				if !ok {
					continue
				}
				m.index = append(slices.Clone(s.index), i)
				if inner, ok := inlined(f); ok && !m.tagged {
					next = append(next, embedded{inner, m.index})
				} else if f.IsExported() {
					found[m.name] = append(found[m.name], m)
				}
			}
		}
		for _, s := range level {
			visited[s.t] = true
		}
		for name, rivals := range found {
			if taken[name] {
				continue
			}
			taken[name] = true
			if len(rivals) > 1 {
				rivals = slices.DeleteFunc(rivals, func(m msgpackMember) bool { return !m.tagged })
			}
			if len(rivals) == 1 {
				members = append(members, rivals[0])
			}
		}
		level = next
	}
	slices.SortFunc(members, func(a, b msgpackMember) int { return slices.Compare(a.index, b.index) })
	return members
}

// memberOf reads the tags of a field; it returns false for a field to ignore.
func memberOf(f reflect.StructField) (msgpackMember, bool) {
	tag := f.Tag.Get("json")
	if own, ok := f.Tag.Lookup("msgpack"); ok {
		if fallback, _, _ := strings.Cut(tag, ","); strings.HasPrefix(own, ",") && fallback != "-" {
			own = fallback + own // options alone leave the name to the json tag
		}
		tag = own
	}
	if tag == "-" {
		return msgpackMember{}, false
	}
	name, options, _ := strings.Cut(tag, ",")
	m := msgpackMember{name: name, tagged: name != ""}
	if name == "" {
		m.name = f.Name
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			m.omitEmpty = true
		case "omitzero":
			m.omitZero = true
		}
	}
	return m, true
}

// inlined returns the struct whose members an embedded field contributes.
func inlined(f reflect.StructField) (reflect.Type, bool) {
	if !f.Anonymous {
		return nil, false
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		if !f.IsExported() { // it could not be set
			return nil, false
		}
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct
}

// omits reports whether a member is left out for its value.
func (m *msgpackMember) omits(v reflect.Value) bool {
	return m.omitZero && isZero(v) || m.omitEmpty && isEmpty(v)
}

// isZero reports whether v says that it is zero, or is.
func isZero(v reflect.Value) bool {
	if v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer && v.IsNil() {
		return v.IsZero()
	}
	if z, ok := v.Interface().(interface{ IsZero() bool }); ok {
		return z.IsZero()
	}
	return v.IsZero()
}

// isEmpty reports whether v is what encoding/json calls empty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}

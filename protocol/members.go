package protocol

import (
	"reflect"
	"slices"
	"strings"
)

// member is one member of a struct.
type member struct {
	name      string
	t         reflect.Type
	index     []int
	tagged    bool // the name is from a tag
	omitEmpty bool
	omitZero  bool
	quoted    bool // has the option string, and a type for it
}

// membersOf returns the members of a struct in their order. Those of embedded
// structs are among them by the rules of encoding/json: of equal names the least
// deep one counts, then the tagged one, then none. With msgpack, tags of that key come
// before those of json.
func membersOf(t reflect.Type, msgpack bool) []member {
	type embedded struct {
		t     reflect.Type
		index []int
	}
	var (
		members []member
		visited = map[reflect.Type]bool{}
		taken   = map[string]bool{}
	)
	for level := []embedded{{t: t}}; len(level) > 0; {
		var (
			next  []embedded
			found = map[string][]member{}
		)
		for _, s := range level {
			if visited[s.t] {
				continue
			}
			for i := range s.t.NumField() {
				f := s.t.Field(i)
				m, ok := memberOf(f, msgpack)
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
				rivals = slices.DeleteFunc(rivals, func(m member) bool { return !m.tagged })
			}
			if len(rivals) == 1 {
				members = append(members, rivals[0])
			}
		}
		level = next
	}
	slices.SortFunc(members, func(a, b member) int { return slices.Compare(a.index, b.index) })
	return members
}

// memberOf reads the tags of a field; it returns false for a field to ignore.
func memberOf(f reflect.StructField, msgpack bool) (member, bool) {
	tag := f.Tag.Get("json")
	if own, ok := f.Tag.Lookup("msgpack"); ok && msgpack {
		if fallback, _, _ := strings.Cut(tag, ","); strings.HasPrefix(own, ",") && fallback != "-" {
			own = fallback + own // options alone leave the name to the json tag
		}
		tag = own
	}
	if tag == "-" {
		return member{}, false
	}
	name, options, _ := strings.Cut(tag, ",")
	m := member{name: name, t: f.Type, tagged: name != ""}
	if name == "" {
		m.name = f.Name
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty":
			m.omitEmpty = true
		case "omitzero":
			m.omitZero = true
		case "string":
			m.quoted = isQuotable(f.Type)
		}
	}
	return m, true
}

// isQuotable reports whether the option string has an effect on a type.
func isQuotable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	switch k := t.Kind(); k {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64:
		return true
	default:
		return reflect.Int <= k && k <= reflect.Uintptr
	}
}

// named returns the member whose name has the same letters, if not in the same case;
// nil if there is none.
func named(members []member, name string) *member {
	for i := range members {
		if strings.EqualFold(members[i].name, name) {
			return &members[i]
		}
	}
	return nil
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
func (m *member) omits(v reflect.Value) bool {
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

// find returns the member's value in a struct, and false if it is in an embedded struct
// that is not there.
func (m *member) find(v reflect.Value) (reflect.Value, bool) {
	for i, index := range m.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}, false
			}
			v = v.Elem()
		}
		v = v.Field(index)
	}
	return v, true
}

// Package jsonfields knows the members that encoding/json gives a struct.
package jsonfields

import (
	"reflect"
	"slices"
	"strings"
)

// Field is one member of a struct.
type Field struct {
	Name     string
	Index    []int
	Type     reflect.Type
	Optional bool // it may be absent
	Quoted   bool // it travels as a string
	tagged   bool
}

// Of returns the members of a struct, with those of the structs embedded in
// it. Of several with one name the least deep one counts, then the tagged one,
// then none.
func Of(t reflect.Type) []Field {
	var members []Field
	var closed, optional [][]int // embedded structs that are members themselves, or pointers
	for _, f := range reflect.VisibleFields(t) {
		if within(f.Index, closed) {
			continue
		}
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if f.Anonymous && isStruct(f.Type) && name == "" {
			if f.Type.Kind() == reflect.Pointer {
				optional = append(optional, f.Index)
			}
			continue // its members follow
		}
		closed = append(closed, f.Index)
		if !f.IsExported() || tag == "-" {
			continue
		}
		m := Field{Name: name, tagged: name != "", Index: f.Index, Type: f.Type, Optional: within(f.Index, optional)}
		if name == "" {
			m.Name = f.Name
		}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				m.Optional = m.Optional || canBeEmpty(f.Type)
			case "omitzero":
				m.Optional = true
			case "string":
				m.Quoted = isScalar(f.Type)
			}
		}
		members = append(members, m)
	}
	return slices.DeleteFunc(slices.Clone(members), func(m Field) bool {
		return slices.ContainsFunc(members, func(other Field) bool {
			return other.Name == m.Name && !slices.Equal(other.Index, m.Index) && !m.before(other)
		})
	})
}

// before reports whether m hides another member of the same name.
func (m Field) before(other Field) bool {
	if len(m.Index) != len(other.Index) {
		return len(m.Index) < len(other.Index)
	}
	return m.tagged && !other.tagged
}

// within reports whether a field lies in one of the embedded fields.
func within(index []int, embedded [][]int) bool {
	return slices.ContainsFunc(embedded, func(e []int) bool {
		return len(index) > len(e) && slices.Equal(index[:len(e)], e)
	})
}

func isStruct(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// canBeEmpty reports whether omitempty has a meaning for a type.
func canBeEmpty(t reflect.Type) bool {
	return t.Kind() != reflect.Struct && (t.Kind() != reflect.Array || t.Len() == 0)
}

// isScalar reports whether the string option has a meaning for a type.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64:
		return true
	default:
		return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uintptr
	}
}

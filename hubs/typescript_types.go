package hubs

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// tsReserved are the names that a declaration must not take: those that the
// declarations themselves use, and the words that mean something else where a
// type stands.
const tsReserved = "Omit Promise Record signalR " +
	"any as async await bigint boolean catch class const debugger delete do enum export extends false finally " +
	"function implements in infer instanceof keyof let never new null number object private protected public readonly " +
	"static string super symbol this throw true try typeof undefined unique unknown void while with yield"

// tsTypes turns Go types into TypeScript and collects the declarations of those
// that have a name.
type tsTypes struct {
	names        map[reflect.Type]string
	taken        map[string]bool
	declarations []string
}

func newTSTypes(taken ...string) *tsTypes {
	ts := &tsTypes{names: make(map[reflect.Type]string), taken: make(map[string]bool)}
	for _, name := range append(taken, strings.Fields(tsReserved)...) {
		ts.taken[name] = true
	}
	return ts
}

// of returns the type of a value.
func (ts *tsTypes) of(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "string"
	case reflect.TypeFor[json.Number]():
		return "number"
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface: // what they lead to has the methods
	default:
		switch p := reflect.PointerTo(t); {
		case p.Implements(reflect.TypeFor[json.Marshaler]()):
			return "unknown"
		case p.Implements(reflect.TypeFor[interface{ MarshalText() ([]byte, error) }]()):
			return "string"
		}
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer:
		if t.Name() != "" {
			return ts.named(t)
		}
	}
	return ts.literal(t)
}

// named returns the name of a type, which it declares the first time. Only names
// can refer to themselves.
func (ts *tsTypes) named(t reflect.Type) string {
	if name, ok := ts.names[t]; ok {
		return name
	}
	base := tsIdentifier(t.Name(), "Type")
	name := base
	for n := 2; ts.taken[name]; n++ {
		name = base + strconv.Itoa(n)
	}
	ts.names[t], ts.taken[name] = name, true
	var declaration string
	switch t.Kind() {
	case reflect.Struct:
		var b strings.Builder
		b.WriteString("export interface " + name + " {\n")
		for _, m := range ts.members(t) {
			b.WriteString("  " + m + ";\n")
		}
		b.WriteString("}\n")
		declaration = b.String()
	case reflect.Map: // a Record could not refer to itself
		declaration = "export type " + name + " = { [key: string]: " + ts.of(t.Elem()) + " };\n"
	default:
		declaration = "export type " + name + " = " + ts.literal(t) + ";\n"
	}
	ts.declarations = append(ts.declarations, declaration)
	return name
}

// literal returns a type without giving it a name.
func (ts *tsTypes) literal(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String:
		return "string"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 && ts.of(t.Elem()) == "number" {
			return "string" // bytes in base64
		}
		return ts.array(t.Elem())
	case reflect.Array:
		return ts.array(t.Elem())
	case reflect.Map:
		return "Record<string, " + ts.of(t.Elem()) + ">"
	case reflect.Pointer:
		of := ts.of(t.Elem())
		if of == "unknown" || strings.HasSuffix(of, orNull) {
			return of
		}
		return of + orNull
	case reflect.Struct:
		members := ts.members(t)
		if len(members) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(members, "; ") + " }"
	default: // an interface, or what JSON cannot carry
		return "unknown"
	}
}

const orNull = " | null"

// array returns the type of an array of elements.
func (ts *tsTypes) array(element reflect.Type) string {
	of := ts.of(element)
	if strings.HasSuffix(of, orNull) {
		of = "(" + of + ")"
	}
	return of + "[]"
}

// tsMember is one member of a struct, as encoding/json has it.
type tsMember struct {
	name     string
	tagged   bool
	index    []int
	of       reflect.Type
	optional bool // it may be absent
	quoted   bool // it travels as a string
}

// members returns the members of a struct: "name: type".
func (ts *tsTypes) members(t reflect.Type) []string {
	var members []string
	for _, m := range tsMembers(t) {
		name, of := m.name, ts.of(m.of)
		if m.quoted {
			of = "string"
		}
		if m.optional {
			name, of = name+"?", strings.TrimSuffix(of, orNull)
		}
		members = append(members, name+": "+of)
	}
	return members
}

// tsMembers finds the members of a struct, with those of the structs embedded in
// it. Of several with one name the least deep one counts, then the tagged one,
// then none.
func tsMembers(t reflect.Type) []tsMember {
	var members []tsMember
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
		m := tsMember{name: name, tagged: name != "", index: f.Index, of: f.Type, optional: within(f.Index, optional)}
		if name == "" {
			m.name = f.Name
		}
		if !isTSIdentifier(m.name) {
			m.name = tsString(m.name)
		}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				m.optional = m.optional || canBeEmpty(f.Type)
			case "omitzero":
				m.optional = true
			case "string":
				m.quoted = isScalar(f.Type)
			}
		}
		members = append(members, m)
	}
	return slices.DeleteFunc(slices.Clone(members), func(m tsMember) bool {
		return slices.ContainsFunc(members, func(other tsMember) bool {
			return other.name == m.name && !slices.Equal(other.index, m.index) && !m.before(other)
		})
	})
}

// before reports whether m hides another member of the same name.
func (m tsMember) before(other tsMember) bool {
	if len(m.index) != len(other.index) {
		return len(m.index) < len(other.index)
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

// tsIdentifier makes an identifier out of the name of a type or hub. Type
// arguments, which carry their packages' paths, become part of it: Page[x/y.Line]
// is PageLine.
func tsIdentifier(name, otherwise string) string {
	words := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("[],*(){}; ", r) })
	for i, word := range words {
		word = word[strings.LastIndexAny(word, "./")+1:]
		word = strings.Map(func(r rune) rune {
			if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
				return r
			}
			return -1
		}, word)
		if i > 0 {
			word = tsExported(word)
		}
		words[i] = word
	}
	if name = strings.Join(words, ""); !isTSIdentifier(name) {
		return otherwise
	}
	return name
}

// tsExported begins a name with a capital.
func tsExported(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

func isTSIdentifier(name string) bool {
	for i, r := range name {
		if r != '_' && r != '$' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != ""
}

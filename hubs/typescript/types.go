package typescript

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-signalr/signalr/hubs/internal/jsonfields"
)

// reserved are the names that a declaration must not take: those that the
// declarations themselves use, and the words that mean something else where a
// type stands.
const reserved = "Omit Promise Record signalR " +
	"any as async await bigint boolean catch class const debugger delete do enum export extends false finally " +
	"function implements in infer instanceof keyof let never new null number object private protected public readonly " +
	"static string super symbol this throw true try typeof undefined unique unknown void while with yield"

// types turns Go types into TypeScript and collects the declarations of those
// that have a name.
type types struct {
	names        map[reflect.Type]string
	taken        map[string]bool
	declarations []string
}

func newTypes(taken ...string) *types {
	ts := &types{names: make(map[reflect.Type]string), taken: make(map[string]bool)}
	for _, name := range append(taken, strings.Fields(reserved)...) {
		ts.taken[name] = true
	}
	return ts
}

// of returns the type of a value.
func (ts *types) of(t reflect.Type) string {
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
func (ts *types) named(t reflect.Type) string {
	if name, ok := ts.names[t]; ok {
		return name
	}
	base := identifier(t.Name(), "Type")
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
func (ts *types) literal(t reflect.Type) string {
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
func (ts *types) array(element reflect.Type) string {
	of := ts.of(element)
	if strings.HasSuffix(of, orNull) {
		of = "(" + of + ")"
	}
	return of + "[]"
}

// members returns the members of a struct: "name: type".
func (ts *types) members(t reflect.Type) []string {
	var members []string
	for _, m := range jsonfields.Of(t) {
		name, of := m.Name, ts.of(m.Type)
		if !isIdentifier(name) {
			name = literalString(name)
		}
		if m.Quoted {
			of = "string"
		}
		if m.Optional {
			name, of = name+"?", strings.TrimSuffix(of, orNull)
		}
		members = append(members, name+": "+of)
	}
	return members
}

// identifier makes an identifier out of the name of a type or hub. Type
// arguments, which carry their packages' paths, become part of it: Page[x/y.Line]
// is PageLine.
func identifier(name, otherwise string) string {
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
			word = exported(word)
		}
		words[i] = word
	}
	if name = strings.Join(words, ""); !isIdentifier(name) {
		return otherwise
	}
	return name
}

// exported begins a name with a capital.
func exported(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToUpper(first)) + name[size:]
}

func isIdentifier(name string) bool {
	for i, r := range name {
		if r != '_' && r != '$' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != ""
}

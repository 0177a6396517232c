package protocol

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
)

// jsonType is what must be known about a Go type to decode JSON into it. It is made
// once per type.
type jsonType struct {
	any     bool     // values of it may hold an empty interface
	members []member // of a struct
}

func (p *jsonProtocol) typeOf(t reflect.Type) *jsonType {
	if known, ok := p.types.Load(t); ok {
		return known.(*jsonType)
	}
	info := &jsonType{any: holdsAny(t, map[reflect.Type]bool{})}
	if t.Kind() == reflect.Struct {
		info.members = membersOf(t, false)
	}
	p.types.Store(t, info)
	return info
}

// holdsAny reports whether encoding/json may decode into an empty interface inside a
// value of type t. Types that have been looked at are in seen.
func holdsAny(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Pointer:
		return holdsAny(t.Elem(), seen)
	}
	if decodesItself(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return holdsAny(t.Elem(), seen)
	case reflect.Struct:
		for _, m := range membersOf(t, false) {
			if holdsAny(m.t, seen) {
				return true
			}
		}
	}
	return false
}

// decode is json.Unmarshal, except that numbers in empty interfaces that are written
// as integers are int64, or uint64 where they must be, as in MessagePack: a float64
// would change large ids silently.
func (p *jsonProtocol) decode(value []byte, v any) error {
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() || !p.typeOf(target.Type()).any {
		return json.Unmarshal(value, v)
	}
	if _, err := oneJSON(value); err != nil {
		return json.Unmarshal(value, v) // which knows why, or may know better
	}
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if p.settle(target) != nil { // too large for any number
		return json.Unmarshal(value, v)
	}
	return nil
}

// settle turns the numbers in empty interfaces inside v from texts into numbers.
func (p *jsonProtocol) settle(v reflect.Value) error {
	info := p.typeOf(v.Type())
	if !info.any {
		return nil
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		if v.Elem().Kind() == reflect.Pointer { // the application's
			return p.settle(v.Elem())
		}
		value, err := settled(v.Interface()) // nil with an error
		v.Set(reflect.ValueOf(&value).Elem())
		return err
	case reflect.Pointer:
		if !v.IsNil() {
			return p.settle(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := p.settle(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		for it := v.MapRange(); it.Next(); {
			value.Set(it.Value())
			if err := p.settle(value); err != nil {
				return err
			}
			v.SetMapIndex(it.Key(), value)
		}
	case reflect.Struct:
		for _, m := range info.members {
			if member, ok := m.find(v); ok {
				if err := p.settle(member); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// settled turns the numbers in a value that encoding/json has made from texts into
// numbers.
func settled(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		return plainNumber([]byte(v))
	case []any:
		for i := range v {
			if v[i], err = settled(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = settled(v[name]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// any steps over a value, which has been checked, and returns what it is in an empty
// interface: what decode makes of it, with less memory.
func (s *jsonScanner) any() (any, error) {
	switch c := s.peek(); c {
	case '{':
		m := make(map[string]any)
		defer s.leave(s.enter())
		for s.nextMember() {
			name, err := anyString(s.name)
			if err != nil {
				return nil, err
			}
			if m[name], err = s.any(); err != nil {
				return nil, err
			}
		}
		return m, nil
	case '[':
		list := []any{}
		defer s.leave(s.enter())
		for s.nextElement() {
			v, err := s.any()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	default:
		switch value := s.value(); c {
		case '"':
			return anyString(value)
		case 't', 'f':
			return c == 't', nil
		case 'n':
			return nil, nil
		default:
			return plainNumber(value)
		}
	}
}

// anyString decodes a string by the rules of encoding/json.
func anyString(value []byte) (string, error) {
	if isPlainString(value) {
		return string(value[1 : len(value)-1]), nil
	}
	var text string
	err := json.Unmarshal(value, &text)
	return text, err
}

// plainNumber returns what a JSON number is in an empty interface.
func plainNumber(value []byte) (any, error) {
	text := string(value)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, err
	}
	return f, nil
}

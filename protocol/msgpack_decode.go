package protocol

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// errMalformed reports a raw value that is not one MessagePack value. Parse never
// returns such.
var errMalformed = errors.New("protocol: malformed MessagePack value")

// Unmarshal decodes the most common types without reflection.
func (p *msgpackProtocol) Unmarshal(raw Raw, v any) error {
	r := msgpackReader{data: raw}
	// One check bounds all that follows: whatever a length says from here on is
	// true, and nothing is nested too deep.
	if !r.skip() || !r.done() {
		return errMalformed
	}
	r.pos = 0
	t, _ := r.next()
	if t.kind != msgpackNil {
		switch v := v.(type) {
		case *string:
			if v != nil && t.kind == msgpackStr {
				*v = validString(r.take(t))
				return nil
			}
		case *int:
			if n, ok := t.integer(); ok && v != nil && int64(int(n)) == n {
				*v = int(n)
				return nil
			}
		case *int64:
			if n, ok := t.integer(); ok && v != nil {
				*v = n
				return nil
			}
		case *bool:
			if v != nil && t.kind == msgpackBool {
				*v = t.bits == 1
				return nil
			}
		case *float64:
			if f, ok := t.float(); ok && v != nil {
				*v = f
				return nil
			}
		}
	}
	if v, ok := v.(*Raw); ok && v != nil {
		*v = bytes.Clone(raw)
		return nil
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("protocol: cannot decode into %T, only into a pointer that is not nil", v)
	}
	r.pos = 0
	return p.decode(&r, target.Elem())
}

// errMismatch reports a value that does not bind to the type of its target.
func errMismatch(t msgpackToken, v reflect.Value) error {
	return fmt.Errorf("protocol: cannot read a MessagePack %s into a %s", t.kind, v.Type())
}

// decode reads the next value, known to be well-formed, into v.
func (p *msgpackProtocol) decode(r *msgpackReader, v reflect.Value) error {
	info := p.typeOf(v.Type())
	if info.decode == asItself {
		return v.Addr().Interface().(msgpackUnmarshaler).UnmarshalMsgpack(r.value())
	}
	start := r.pos
	t, _ := r.next()
	if t.kind == msgpackNil {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
			v.SetZero()
		}
		return nil
	}
	switch info.decode {
	case asTime:
		at, err := decodeTime(r, t)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(at))
		return nil
	case asText:
		if t.kind != msgpackStr {
			return errMismatch(t, v)
		}
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(validString(r.take(t))))
	}

	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		r.pos = start
		return p.decode(r, v.Elem())
	case reflect.Interface:
		if v.NumMethod() > 0 {
			return errMismatch(t, v)
		}
		r.pos = start
		value, err := decodeAny(r)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(value))
		return nil
	case reflect.Slice, reflect.Array:
		return p.decodeArray(r, t, v, info)
	case reflect.Map:
		return p.decodeMap(r, t, v)
	case reflect.Struct:
		return p.decodeStruct(r, t, v, info)
	default:
		return decodeScalar(r, t, v)
	}
}

func decodeScalar(r *msgpackReader, t msgpackToken, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		if t.kind != msgpackBool {
			return errMismatch(t, v)
		}
		v.SetBool(t.bits == 1)
	case reflect.String:
		if t.kind != msgpackStr {
			return errMismatch(t, v)
		}
		v.SetString(validString(r.take(t)))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if t.kind != msgpackInt && t.kind != msgpackUint {
			return errMismatch(t, v)
		}
		n, ok := t.integer()
		if !ok || v.OverflowInt(n) {
			return errRange(t, v)
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if t.kind != msgpackInt && t.kind != msgpackUint {
			return errMismatch(t, v)
		}
		if t.kind == msgpackInt || v.OverflowUint(t.bits) {
			return errRange(t, v)
		}
		v.SetUint(t.bits)
	case reflect.Float32, reflect.Float64:
		f, ok := t.float()
		if !ok {
			return errMismatch(t, v)
		}
		if v.OverflowFloat(f) {
			return errRange(t, v)
		}
		v.SetFloat(f)
	default:
		return errMismatch(t, v)
	}
	return nil
}

// errRange reports a number that its target cannot hold.
func errRange(t msgpackToken, v reflect.Value) error {
	number := strconv.FormatUint(t.bits, 10)
	switch t.kind {
	case msgpackInt:
		number = strconv.FormatInt(int64(t.bits), 10)
	case msgpackFloat64:
		number = strconv.FormatFloat(math.Float64frombits(t.bits), 'g', -1, 64)
	}
	return fmt.Errorf("protocol: %s overflows a %s", number, v.Type())
}

func (p *msgpackProtocol) decodeArray(r *msgpackReader, t msgpackToken, v reflect.Value, info *msgpackType) error {
	switch {
	case info.bytes && t.kind != msgpackBin, !info.bytes && t.kind != msgpackArray:
		return errMismatch(t, v)
	case v.Kind() == reflect.Array && t.size != v.Len():
		return fmt.Errorf("protocol: cannot read %d elements into a %s", t.size, v.Type())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), t.size, t.size))
	}
	if info.bytes {
		copy(v.Bytes(), r.take(t))
		return nil
	}
	for i := range t.size {
		if err := p.decode(r, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (p *msgpackProtocol) decodeMap(r *msgpackReader, t msgpackToken, v reflect.Value) error {
	if t.kind != msgpackMap {
		return errMismatch(t, v)
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	key := reflect.New(v.Type().Key()).Elem()
	value := reflect.New(v.Type().Elem()).Elem()
	for range t.size {
		head := *r
		if t, _ := head.next(); t.kind != msgpackStr && t.kind != msgpackInt && t.kind != msgpackUint {
			return fmt.Errorf("protocol: cannot read a MessagePack %s as a key of a %s", t.kind, v.Type())
		}
		key.SetZero()
		if err := p.decode(r, key); err != nil {
			return err
		}
		value.SetZero()
		if err := p.decode(r, value); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func (p *msgpackProtocol) decodeStruct(r *msgpackReader, t msgpackToken, v reflect.Value, info *msgpackType) error {
	if t.kind != msgpackMap {
		return errMismatch(t, v)
	}
	for range t.size {
		name, _ := r.next()
		if name.kind != msgpackStr {
			return fmt.Errorf("protocol: cannot read a MessagePack %s as the name of a member of a %s", name.kind, v.Type())
		}
		index, ok := info.byName[string(r.take(name))]
		if !ok {
			r.skip()
			continue
		}
		member := v
		for i, n := range index {
			if i > 0 && member.Kind() == reflect.Pointer {
				if member.IsNil() {
					member.Set(reflect.New(member.Type().Elem()))
				}
				member = member.Elem()
			}
			member = member.Field(n)
		}
		if err := p.decode(r, member); err != nil {
			return err
		}
	}
	return nil
}

// decodeTime reads the content of a timestamp in any of its three forms.
func decodeTime(r *msgpackReader, t msgpackToken) (time.Time, error) {
	if t.kind != msgpackExt || t.ext != extTimestamp {
		return time.Time{}, errMismatch(t, reflect.ValueOf(time.Time{}))
	}
	var (
		seconds     int64
		nanoseconds uint64
	)
	switch b := r.take(t); len(b) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(b))
	case 8:
		bits := binary.BigEndian.Uint64(b)
		seconds, nanoseconds = int64(bits&(1<<34-1)), bits>>34
	case 12:
		nanoseconds = uint64(binary.BigEndian.Uint32(b))
		seconds = int64(binary.BigEndian.Uint64(b[4:]))
	default:
		return time.Time{}, fmt.Errorf("protocol: a MessagePack timestamp of %d bytes", len(b))
	}
	if nanoseconds >= uint64(time.Second) {
		return time.Time{}, fmt.Errorf("protocol: a MessagePack timestamp with %d nanoseconds", nanoseconds)
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC(), nil
}

// decodeAny reads the next value, known to be well-formed, into the Go type that is
// most like it.
func decodeAny(r *msgpackReader) (any, error) {
	t, _ := r.next()
	switch t.kind {
	case msgpackBool:
		return t.bits == 1, nil
	case msgpackInt, msgpackUint:
		if n, ok := t.integer(); ok {
			return n, nil
		}
		return t.bits, nil
	case msgpackFloat32, msgpackFloat64:
		f, _ := t.float()
		return f, nil
	case msgpackStr:
		return validString(r.take(t)), nil
	case msgpackBin:
		return bytes.Clone(r.take(t)), nil
	case msgpackExt:
		if t.ext != extTimestamp {
			return nil, fmt.Errorf("protocol: MessagePack extension type %d is not known", t.ext)
		}
		return decodeTime(r, t)
	case msgpackArray:
		list := make([]any, t.size)
		for i := range list {
			var err error
			if list[i], err = decodeAny(r); err != nil {
				return nil, err
			}
		}
		return list, nil
	case msgpackMap:
		m := make(map[string]any) // grows with what is there, for keys may repeat
		for range t.size {
			key, _ := r.next()
			if key.kind != msgpackStr {
				return nil, fmt.Errorf("protocol: cannot read a MessagePack %s as a key of a map[string]interface {}", key.kind)
			}
			name := validString(r.take(key))
			value, err := decodeAny(r)
			if err != nil {
				return nil, err
			}
			m[name] = value
		}
		return m, nil
	default:
		return nil, nil
	}
}

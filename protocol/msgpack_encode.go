package protocol

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// errTooDeep stops values that contain themselves, and values that no peer with
// our limits would read.
var errTooDeep = errors.New("protocol: the value nests too deep")

// AppendValue writes the most common types without looking at their type twice.
func (p *msgpackProtocol) AppendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, 0xc0), nil
	case Raw:
		return appendMsgpackRaw(dst, v), nil
	case string:
		return appendStr(dst, v), nil
	case bool:
		return appendBool(dst, v), nil
	case int:
		return appendInt(dst, int64(v)), nil
	case int8:
		return appendInt(dst, int64(v)), nil
	case int16:
		return appendInt(dst, int64(v)), nil
	case int32:
		return appendInt(dst, int64(v)), nil
	case int64:
		return appendInt(dst, v), nil
	case uint:
		return appendUint(dst, uint64(v)), nil
	case uint8:
		return appendUint(dst, uint64(v)), nil
	case uint16:
		return appendUint(dst, uint64(v)), nil
	case uint32:
		return appendUint(dst, uint64(v)), nil
	case uint64:
		return appendUint(dst, v), nil
	case float32:
		return appendFloat32(dst, v), nil
	case float64:
		return appendFloat64(dst, v), nil
	case []byte:
		if v == nil {
			return append(dst, 0xc0), nil
		}
		return appendBin(dst, v), nil
	case time.Time:
		return appendTime(dst, v), nil
	}
	out, err := p.encode(dst, reflect.ValueOf(v), 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// encode appends a value that lies in depth arrays and maps.
func (p *msgpackProtocol) encode(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	for hops := 0; v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface; hops++ {
		if v.IsNil() {
			return append(dst, 0xc0), nil
		}
		if hops == maxDepth { // a pointer to itself
			return nil, errTooDeep
		}
		v = v.Elem()
	}
	info := p.typeOf(v.Type())
	how, self := info.encode, v
	if how == byKind && v.CanAddr() {
		how, self = info.address, v.Addr()
	}
	switch how {
	case asTime:
		return appendTime(dst, v.Interface().(time.Time)), nil
	case asItself:
		raw, err := self.Interface().(msgpackMarshaler).MarshalMsgpack()
		if err != nil {
			return nil, err
		}
		if r := (msgpackReader{data: raw}); !r.skip() || !r.done() {
			return nil, fmt.Errorf("protocol: MarshalMsgpack of %s returned no MessagePack value", v.Type())
		}
		return append(dst, raw...), nil
	case asText:
		text, err := self.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return nil, err
		}
		return appendStr(dst, string(text)), nil
	}

	switch v.Kind() {
	case reflect.Bool:
		return appendBool(dst, v.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return appendInt(dst, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return appendUint(dst, v.Uint()), nil
	case reflect.Float32:
		return appendFloat32(dst, float32(v.Float())), nil
	case reflect.Float64:
		return appendFloat64(dst, v.Float()), nil
	case reflect.String:
		return appendStr(dst, v.String()), nil
	case reflect.Slice, reflect.Array:
		return p.encodeArray(dst, v, info, depth)
	case reflect.Map:
		return p.encodeMap(dst, v, depth)
	case reflect.Struct:
		return p.encodeStruct(dst, v, info, depth)
	default:
		return nil, fmt.Errorf("protocol: cannot write a %s as MessagePack", v.Type())
	}
}

func (p *msgpackProtocol) encodeArray(dst []byte, v reflect.Value, info *msgpackType, depth int) ([]byte, error) {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return append(dst, 0xc0), nil
	}
	if info.bytes {
		if v.Kind() == reflect.Slice || v.CanAddr() {
			return appendBin(dst, v.Bytes()), nil
		}
		addressable := reflect.New(v.Type()).Elem()
		addressable.Set(v)
		return appendBin(dst, addressable.Bytes()), nil
	}
	if depth == maxDepth {
		return nil, errTooDeep
	}
	dst = appendArrayHead(dst, v.Len())
	for i := range v.Len() {
		var err error
		if dst, err = p.encode(dst, v.Index(i), depth+1); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (p *msgpackProtocol) encodeMap(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	if v.IsNil() {
		return append(dst, 0xc0), nil
	}
	if depth == maxDepth {
		return nil, errTooDeep
	}
	type pair struct {
		key   []byte
		value reflect.Value
	}
	pairs := make([]pair, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := p.encode(nil, it.Key(), depth+1)
		if err != nil {
			return nil, err
		}
		head := msgpackReader{data: key}
		if t, _ := head.next(); t.kind != msgpackStr && t.kind != msgpackInt && t.kind != msgpackUint {
			return nil, fmt.Errorf("protocol: cannot write a %s as the key of a MessagePack map", it.Key().Type())
		}
		pairs = append(pairs, pair{key, it.Value()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })

	dst = appendMapHead(dst, len(pairs))
	for _, pair := range pairs {
		var err error
		dst = append(dst, pair.key...)
		if dst, err = p.encode(dst, pair.value, depth+1); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (p *msgpackProtocol) encodeStruct(dst []byte, v reflect.Value, info *msgpackType, depth int) ([]byte, error) {
	if depth == maxDepth {
		return nil, errTooDeep
	}
	size := 0
	for i := range info.members {
		if _, ok := info.members[i].of(v); ok {
			size++
		}
	}
	dst = appendMapHead(dst, size)
	for i := range info.members {
		m := &info.members[i]
		value, ok := m.of(v)
		if !ok {
			continue
		}
		var err error
		dst = appendStr(dst, m.name)
		if dst, err = p.encode(dst, value, depth+1); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// of returns the member's value in a struct, and false if it is not to be written:
// omitted, or in an embedded struct that is not there.
func (m *msgpackMember) of(v reflect.Value) (reflect.Value, bool) {
	for i, index := range m.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				return reflect.Value{}, false
			}
			v = v.Elem()
		}
		v = v.Field(index)
	}
	return v, !m.omits(v)
}

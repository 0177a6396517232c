package protocol

import (
	"bytes"
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// errTooDeep stops values that contain themselves, and values that no peer with
// our limits would read.
var errTooDeep = errors.New("protocol: the value nests too deep")

// msgpackEncoder writes MessagePack to a buffer. The library's own walk over Go
// values is not used: it has no limit of depth, writes texts as bin and can be
// changed by anyone through its global registries. Its flags must stay unset.
type msgpackEncoder struct {
	*msgpack.Encoder
	out bytes.Buffer
}

func newMsgpackEncoder() any {
	e := &msgpackEncoder{Encoder: msgpack.NewEncoder(nil)}
	e.Reset(&e.out)
	return e
}

// text writes a string, as UTF-8 whatever it holds.
func (e *msgpackEncoder) text(s string) error { return e.EncodeString(validString(s)) }

// AppendValue writes simple values with the functions of the messages around them.
// To fetch an encoder would take longer than to write them, and would allocate
// whenever the pool is empty.
func (p *msgpackProtocol) AppendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, 0xc0), nil
	case Raw:
		return v.appendMsgpack(dst, aroundArgument)
	case string:
		return appendStr(dst, v), nil
	case bool:
		return appendBool(dst, v), nil
	case int, int8, int16, int32, int64:
		return appendInt(dst, reflect.ValueOf(v).Int()), nil
	case uint, uint8, uint16, uint32, uint64:
		return appendUint(dst, reflect.ValueOf(v).Uint()), nil
	case float32:
		return appendFloat32(dst, v), nil
	case float64:
		return appendFloat64(dst, v), nil
	case []byte:
		if v == nil {
			return append(dst, 0xc0), nil
		}
		return appendBin(dst, v), nil
	}
	e := p.encoders.Get().(*msgpackEncoder)
	e.out = *bytes.NewBuffer(dst)
	err := p.encode(e, reflect.ValueOf(v), aroundArgument)
	out := e.out.Bytes()
	e.out = bytes.Buffer{} // the caller's, not the pool's
	p.encoders.Put(e)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// encode writes a value that lies in depth arrays and maps.
func (p *msgpackProtocol) encode(e *msgpackEncoder, v reflect.Value, depth int) error {
	for hops := 0; v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface; hops++ {
		if v.IsNil() {
			return e.EncodeNil()
		}
		if hops == maxDepth { // a pointer to itself
			return errTooDeep
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
		return e.EncodeTime(v.Interface().(time.Time))
	case asItself:
		raw, err := self.Interface().(msgpack.Marshaler).MarshalMsgpack()
		if err != nil {
			return err
		}
		if err := checkMsgpack(raw, depth); err != nil {
			return fmt.Errorf("protocol: what MarshalMsgpack of %s returned cannot be sent: %w", v.Type(), err)
		}
		e.out.Write(raw)
		return nil
	case asText:
		text, err := self.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return err
		}
		return e.text(string(text))
	case asJSON:
		return e.json(v, depth)
	}

	switch v.Kind() {
	case reflect.Bool:
		return e.EncodeBool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return e.EncodeInt(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return e.EncodeUint(v.Uint())
	case reflect.Float32:
		return e.EncodeFloat32(float32(v.Float()))
	case reflect.Float64:
		return e.EncodeFloat64(v.Float())
	case reflect.String:
		return e.text(v.String())
	case reflect.Slice, reflect.Array:
		return p.encodeArray(e, v, info, depth)
	case reflect.Map:
		return p.encodeMap(e, v, depth)
	case reflect.Struct:
		return p.encodeStruct(e, v, info, depth)
	default:
		return fmt.Errorf("protocol: cannot write a %s as MessagePack", v.Type())
	}
}

// json writes what a json.RawMessage or a json.Number stands for. As in
// encoding/json, nil is null and an empty number is 0.
func (e *msgpackEncoder) json(v reflect.Value, depth int) error {
	var value []byte
	if v.Kind() == reflect.String {
		if value = []byte(cmp.Or(v.String(), "0")); !isNumber(value) {
			return fmt.Errorf("protocol: %.40q is no number", value)
		}
	} else {
		if v.IsNil() {
			return e.EncodeNil()
		}
		var err error
		if value, err = oneJSON(v.Bytes()); err != nil {
			return err
		}
	}
	out, err := transcodeJSON(e.out.AvailableBuffer(), value, depth)
	e.out.Write(out)
	return err
}

func (p *msgpackProtocol) encodeArray(e *msgpackEncoder, v reflect.Value, info *msgpackType, depth int) error {
	if info.bytes {
		if v.Kind() == reflect.Array && !v.CanAddr() {
			addressable := reflect.New(v.Type()).Elem()
			addressable.Set(v)
			v = addressable
		}
		return e.EncodeBytes(v.Bytes())
	}
	if v.Kind() == reflect.Slice && v.IsNil() {
		return e.EncodeNil()
	}
	if depth == maxDepth {
		return errTooDeep
	}
	if err := e.EncodeArrayLen(v.Len()); err != nil {
		return err
	}
	for i := range v.Len() {
		if err := p.encode(e, v.Index(i), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *msgpackProtocol) encodeMap(e *msgpackEncoder, v reflect.Value, depth int) error {
	if v.IsNil() {
		return e.EncodeNil()
	}
	if depth == maxDepth {
		return errTooDeep
	}
	if err := e.EncodeMapLen(v.Len()); err != nil {
		return err
	}
	type pair struct {
		key   []byte
		value reflect.Value
	}
	pairs := make([]pair, 0, v.Len())
	start := e.out.Len()
	for it := v.MapRange(); it.Next(); {
		if err := p.encode(e, it.Key(), depth+1); err != nil {
			return err
		}
		key := bytes.Clone(e.out.Bytes()[start:])
		e.out.Truncate(start)
		head := msgpackReader{data: key}
		switch t, _ := head.next(); {
		case !t.kind.isKey():
			return fmt.Errorf("protocol: cannot write a %s as the key of a MessagePack map", it.Key().Type())
		case t.kind == msgpackStr && string(head.take(t)) == protoKey:
			return errProtoKey
		}
		pairs = append(pairs, pair{key, it.Value()})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return bytes.Compare(a.key, b.key) })

	for _, pair := range pairs {
		e.out.Write(pair.key)
		if err := p.encode(e, pair.value, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *msgpackProtocol) encodeStruct(e *msgpackEncoder, v reflect.Value, info *msgpackType, depth int) error {
	if depth == maxDepth {
		return errTooDeep
	}
	if info.array {
		return p.encodeMembers(e, v, info, depth)
	}
	size := 0
	for i := range info.members {
		if _, ok := info.members[i].of(v); ok {
			size++
		}
	}
	if err := e.EncodeMapLen(size); err != nil {
		return err
	}
	for i := range info.members {
		m := &info.members[i]
		value, ok := m.of(v)
		if !ok {
			continue
		}
		if m.name == protoKey {
			return errProtoKey
		}
		if err := e.text(m.name); err != nil {
			return err
		}
		if err := p.encodeMember(e, value, m, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// encodeMembers writes the members of a struct as an array. What is not there, in an
// embedded struct, is nil.
func (p *msgpackProtocol) encodeMembers(e *msgpackEncoder, v reflect.Value, info *msgpackType, depth int) error {
	if err := e.EncodeArrayLen(len(info.members)); err != nil {
		return err
	}
	for i := range info.members {
		m := &info.members[i]
		value, ok := m.find(v)
		if !ok {
			if err := e.EncodeNil(); err != nil {
				return err
			}
			continue
		}
		if err := p.encodeMember(e, value, m, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *msgpackProtocol) encodeMember(e *msgpackEncoder, v reflect.Value, m *member, depth int) error {
	if !m.quoted {
		return p.encode(e, v, depth)
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return e.EncodeNil()
		}
		v = v.Elem()
	}
	var room [32]byte
	text := room[:0]
	switch info := p.typeOf(v.Type()); {
	case info.encode != byKind || info.address != byKind || v.Kind() == reflect.String:
		return p.encode(e, v, depth)
	case v.CanInt():
		text = strconv.AppendInt(text, v.Int(), 10)
	case v.CanUint():
		text = strconv.AppendUint(text, v.Uint(), 10)
	case v.CanFloat():
		text = strconv.AppendFloat(text, v.Float(), 'g', -1, v.Type().Bits())
	default:
		text = strconv.AppendBool(text, v.Bool())
	}
	return e.EncodeString(string(text))
}

// of returns the member's value in a struct, and false if it is not to be written:
// omitted, or in an embedded struct that is not there.
func (m *member) of(v reflect.Value) (reflect.Value, bool) {
	v, ok := m.find(v)
	return v, ok && !m.omits(v)
}

package protocol

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// errMalformed reports a raw value that is not one MessagePack value. Parse never
// returns such.
var errMalformed = errors.New("protocol: malformed MessagePack value")

// msgpackDecoder reads a MessagePack value that is known to be well-formed: the
// library would allocate for a length that is only claimed, and recurse for ever.
//
// Its methods take more than they say: nil is zero, an integer wraps, a str is a bin,
// and a time is in four other forms. So the kind of a value is always looked at
// before one of them is called.
type msgpackDecoder struct {
	msgpack.Decoder
	in bytes.Buffer
}

func newMsgpackDecoder() any {
	d := &msgpackDecoder{}
	d.Reset(&d.in)
	return d
}

// kind returns the kind of the next value.
func (d *msgpackDecoder) kind() (msgpackKind, error) {
	code, err := d.PeekCode()
	return msgpackKindOf(code), err
}

// value steps over the next value and returns it. Skip would copy it first.
func (d *msgpackDecoder) value() Raw {
	r := msgpackReader{data: d.in.Bytes()}
	raw := r.value()
	d.in.Next(len(raw))
	return raw
}

// bytes reads the content of a str, lent until the end of Unmarshal. DecodeString
// would copy it twice and keep the memory for the longest one.
func (d *msgpackDecoder) bytes() ([]byte, error) {
	size, err := d.DecodeBytesLen()
	return d.in.Next(size), err
}

// text reads a str.
func (d *msgpackDecoder) text() (string, error) {
	b, err := d.bytes()
	return validString(string(b)), err
}

// time reads an ext that must be a timestamp in one of its three forms. DecodeTime
// would take any number of nanoseconds, and another type of ext too.
func (d *msgpackDecoder) time() (time.Time, error) {
	const timestamp = -1
	kind, size, err := d.DecodeExtHeader()
	if err != nil {
		return time.Time{}, err
	}
	if kind != timestamp {
		return time.Time{}, fmt.Errorf("protocol: MessagePack extension type %d is not known", kind)
	}
	var (
		seconds     int64
		nanoseconds uint64
	)
	switch b := d.in.Next(size); size {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(b))
	case 8:
		bits := binary.BigEndian.Uint64(b)
		seconds, nanoseconds = int64(bits&(1<<34-1)), bits>>34
	case 12:
		nanoseconds = uint64(binary.BigEndian.Uint32(b))
		seconds = int64(binary.BigEndian.Uint64(b[4:]))
	default:
		return time.Time{}, fmt.Errorf("protocol: a MessagePack timestamp of %d bytes", size)
	}
	if nanoseconds >= uint64(time.Second) {
		return time.Time{}, fmt.Errorf("protocol: a MessagePack timestamp with %d nanoseconds", nanoseconds)
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC(), nil
}

// msgpackKindOf returns the kind of the value that begins with a code.
func msgpackKindOf(code byte) msgpackKind {
	switch {
	case code == msgpcode.Uint64:
		return msgpackUint
	case msgpcode.IsFixedNum(code) || code >= msgpcode.Uint8 && code <= msgpcode.Int64:
		return msgpackInt
	case msgpcode.IsString(code):
		return msgpackStr
	case msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32:
		return msgpackMap
	case msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32:
		return msgpackArray
	case msgpcode.IsBin(code):
		return msgpackBin
	case msgpcode.IsExt(code):
		return msgpackExt
	case code == msgpcode.Float || code == msgpcode.Double:
		return msgpackFloat
	case code == msgpcode.True || code == msgpcode.False:
		return msgpackBool
	default:
		return msgpackNil
	}
}

func (p *msgpackProtocol) Unmarshal(raw Raw, v any) error {
	// One check bounds all that follows: whatever a length says from here on is
	// true, and nothing is nested too deep.
	if r := (msgpackReader{data: raw}); !r.skip() || !r.done() {
		return errMalformed
	}
	if v, ok := v.(*Raw); ok && v != nil {
		*v = bytes.Clone(raw)
		return nil
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("protocol: cannot decode into %T, only into a pointer that is not nil", v)
	}
	d := p.decoders.Get().(*msgpackDecoder)
	d.in = *bytes.NewBuffer(raw)
	err := p.decode(d, target.Elem())
	d.in = bytes.Buffer{} // the caller's, not the pool's
	p.decoders.Put(d)
	return err
}

// errMismatch reports a value that does not bind to the type of its target.
func errMismatch(kind msgpackKind, v reflect.Value) error {
	return fmt.Errorf("protocol: cannot read a MessagePack %s into a %s", kind, v.Type())
}

// errRange reports a number that its target cannot hold.
func errRange(number any, v reflect.Value) error {
	return fmt.Errorf("protocol: %v overflows a %s", number, v.Type())
}

// decode reads the next value into v.
func (p *msgpackProtocol) decode(d *msgpackDecoder, v reflect.Value) error {
	info := p.typeOf(v.Type())
	if info.decode == asItself {
		return v.Addr().Interface().(msgpack.Unmarshaler).UnmarshalMsgpack(d.value())
	}
	kind, err := d.kind()
	if err != nil {
		return err
	}
	if kind == msgpackNil {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
			v.SetZero()
		}
		return d.DecodeNil()
	}
	switch info.decode {
	case asTime:
		if kind != msgpackExt {
			return errMismatch(kind, v)
		}
		at, err := d.time()
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(at))
		return nil
	case asText:
		if kind != msgpackStr {
			return errMismatch(kind, v)
		}
		text, err := d.text()
		if err != nil {
			return err
		}
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	}

	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return p.decode(d, v.Elem())
	case reflect.Interface:
		if v.NumMethod() > 0 {
			return errMismatch(kind, v)
		}
		value, err := p.decodeAny(d, kind)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(value))
		return nil
	case reflect.Slice, reflect.Array:
		if info.bytes {
			return decodeBytes(d, kind, v)
		}
		return p.decodeArray(d, kind, v)
	case reflect.Map:
		return p.decodeMap(d, kind, v)
	case reflect.Struct:
		return p.decodeStruct(d, kind, v, info)
	default:
		return decodeScalar(d, kind, v)
	}
}

func decodeScalar(d *msgpackDecoder, kind msgpackKind, v reflect.Value) error {
	integer := kind == msgpackInt || kind == msgpackUint
	switch {
	case v.Kind() == reflect.Bool && kind == msgpackBool:
		b, err := d.DecodeBool()
		v.SetBool(b)
		return err
	case v.Kind() == reflect.String && kind == msgpackStr:
		text, err := d.text()
		v.SetString(text)
		return err
	case v.CanInt() && integer:
		n, err := d.DecodeInt64()
		if kind == msgpackUint && n < 0 {
			return errRange(uint64(n), v)
		}
		if v.OverflowInt(n) {
			return errRange(n, v)
		}
		v.SetInt(n)
		return err
	case v.CanUint() && v.Kind() != reflect.Uintptr && integer:
		n, err := d.DecodeUint64()
		if kind == msgpackInt && int64(n) < 0 {
			return errRange(int64(n), v)
		}
		if v.OverflowUint(n) {
			return errRange(n, v)
		}
		v.SetUint(n)
		return err
	case v.CanFloat() && kind == msgpackUint: // DecodeFloat64 would wrap it
		n, err := d.DecodeUint64()
		v.SetFloat(float64(n))
		return err
	case v.CanFloat() && (kind == msgpackInt || kind == msgpackFloat):
		f, err := d.DecodeFloat64()
		if v.OverflowFloat(f) {
			return errRange(f, v)
		}
		v.SetFloat(f)
		return err
	default:
		return errMismatch(kind, v)
	}
}

func decodeBytes(d *msgpackDecoder, kind msgpackKind, v reflect.Value) error {
	if kind != msgpackBin {
		return errMismatch(kind, v)
	}
	b, err := d.DecodeBytes()
	switch {
	case v.Kind() == reflect.Slice:
		v.SetBytes(b)
	case len(b) != v.Len():
		return errLength(len(b), v)
	default:
		copy(v.Bytes(), b)
	}
	return err
}

// errLength reports what has not the length of a Go array.
func errLength(size int, v reflect.Value) error {
	return fmt.Errorf("protocol: cannot read %d elements into a %s", size, v.Type())
}

func (p *msgpackProtocol) decodeArray(d *msgpackDecoder, kind msgpackKind, v reflect.Value) error {
	if kind != msgpackArray {
		return errMismatch(kind, v)
	}
	size, err := d.DecodeArrayLen()
	switch {
	case err != nil:
		return err
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), size, size))
	case size != v.Len():
		return errLength(size, v)
	}
	for i := range size {
		if err := p.decode(d, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (p *msgpackProtocol) decodeMap(d *msgpackDecoder, kind msgpackKind, v reflect.Value) error {
	if kind != msgpackMap {
		return errMismatch(kind, v)
	}
	size, err := d.DecodeMapLen()
	if err != nil {
		return err
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type())) // grows with what is there, for keys may repeat
	}
	key := reflect.New(v.Type().Key()).Elem()
	value := reflect.New(v.Type().Elem()).Elem()
	for range size {
		if kind, err := d.kind(); err != nil || kind != msgpackStr && kind != msgpackInt && kind != msgpackUint {
			return fmt.Errorf("protocol: cannot read a MessagePack %s as a key of a %s", kind, v.Type())
		}
		key.SetZero()
		if err := p.decode(d, key); err != nil {
			return err
		}
		value.SetZero()
		if err := p.decode(d, value); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func (p *msgpackProtocol) decodeStruct(d *msgpackDecoder, kind msgpackKind, v reflect.Value, info *msgpackType) error {
	if kind != msgpackMap {
		return errMismatch(kind, v)
	}
	size, err := d.DecodeMapLen()
	if err != nil {
		return err
	}
	for range size {
		if kind, err := d.kind(); err != nil || kind != msgpackStr {
			return fmt.Errorf("protocol: cannot read a MessagePack %s as the name of a member of a %s", kind, v.Type())
		}
		name, err := d.bytes()
		if err != nil {
			return err
		}
		index, ok := info.byName[string(name)]
		if !ok {
			d.value()
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
		if err := p.decode(d, member); err != nil {
			return err
		}
	}
	return nil
}

// decodeAny reads the next value, which is not nil, into the Go type that is most
// like it.
func (p *msgpackProtocol) decodeAny(d *msgpackDecoder, kind msgpackKind) (any, error) {
	switch kind {
	case msgpackBool:
		return d.DecodeBool()
	case msgpackInt:
		return d.DecodeInt64()
	case msgpackUint:
		n, err := d.DecodeUint64()
		if n <= math.MaxInt64 {
			return int64(n), err
		}
		return n, err
	case msgpackFloat:
		return d.DecodeFloat64()
	case msgpackStr:
		return d.text()
	case msgpackBin:
		return d.DecodeBytes()
	case msgpackExt:
		return d.time()
	case msgpackArray:
		var list []any
		err := p.decode(d, reflect.ValueOf(&list).Elem())
		return list, err
	default:
		var m map[string]any
		err := p.decode(d, reflect.ValueOf(&m).Elem())
		return m, err
	}
}

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

	"github.com/vmihailenco/msgpack/v5"
)

// errMalformed reports a raw value that is not one MessagePack value. Parse never
// returns such.
var errMalformed = errors.New("protocol: malformed MessagePack value")

// msgpackDecoder reads MessagePack that is known to be well-formed: the library would
// allocate for a length that is only claimed, and recurse without end.
//
// The methods it has from the library take more than they say: nil as zero, integers
// that wrap, a bin for a str, an ext before a map. So the kind of a value is looked
// at before it is read.
type msgpackDecoder struct {
	msgpack.Decoder
	in bytes.Buffer
}

func newMsgpackDecoder() any {
	d := &msgpackDecoder{}
	d.Reset(&d.in)
	return d
}

// kind returns the kind of the next value, and zero at the end.
func (d *msgpackDecoder) kind() msgpackKind {
	r := msgpackReader{data: d.in.Bytes()}
	t, _ := r.next()
	return t.kind
}

// value steps over the next value and returns it. Skip would copy it first.
func (d *msgpackDecoder) value() []byte {
	r := msgpackReader{data: d.in.Bytes()}
	raw := r.value()
	d.in.Next(len(raw))
	return raw
}

// bytes reads the content of a str, which still is the input's. DecodeString would
// copy it twice and keep the memory for the longest one.
func (d *msgpackDecoder) bytes() ([]byte, error) {
	size, err := d.DecodeBytesLen()
	return d.in.Next(size), err
}

// text reads a str.
func (d *msgpackDecoder) text() (string, error) {
	b, err := d.bytes()
	return validString(string(b)), err
}

// time reads an ext that must be a timestamp.
func (d *msgpackDecoder) time() (time.Time, error) {
	kind, size, err := d.DecodeExtHeader()
	if err != nil {
		return time.Time{}, err
	}
	return timestamp(kind, d.in.Next(size))
}

// dateTimeOffset reads how .NET writes a DateTimeOffset: its local time as a timestamp
// and the minutes by which that is ahead of UTC, at most 14 hours.
func (d *msgpackDecoder) dateTimeOffset() (time.Time, error) {
	const limit = 14 * 60
	r := msgpackReader{data: d.value()}
	array, _ := r.next()
	var local, offset msgpackToken
	var content []byte
	if array.size == 2 {
		if local, _ = r.next(); local.kind == msgpackExt {
			content = r.take(local)
			offset, _ = r.next()
		}
	}
	minutes, ok := offset.integer()
	if !ok {
		return time.Time{}, errors.New("protocol: a MessagePack array that is no time: a timestamp and an offset in minutes are expected")
	}
	if minutes < -limit || minutes > limit {
		return time.Time{}, fmt.Errorf("protocol: a time with an offset of %d minutes", minutes)
	}
	at, err := timestamp(local.ext, content)
	return at.Add(-time.Duration(minutes) * time.Minute), err
}

// extTimestamp is the type of the ext that is a timestamp.
const extTimestamp = -1

// timestamp returns the time that an ext of the given type stands for, in one of its
// three forms. The library's DecodeTime would take another type of ext too, and any
// number of nanoseconds.
func timestamp(kind int8, content []byte) (time.Time, error) {
	if kind != extTimestamp {
		return time.Time{}, fmt.Errorf("protocol: MessagePack extension type %d is not known", kind)
	}
	var (
		seconds     int64
		nanoseconds uint64
	)
	switch len(content) {
	case 4:
		seconds = int64(binary.BigEndian.Uint32(content))
	case 8:
		bits := binary.BigEndian.Uint64(content)
		seconds, nanoseconds = int64(bits&(1<<34-1)), bits>>34
	case 12:
		nanoseconds = uint64(binary.BigEndian.Uint32(content))
		seconds = int64(binary.BigEndian.Uint64(content[4:]))
	default:
		return time.Time{}, fmt.Errorf("protocol: a MessagePack timestamp of %d bytes", len(content))
	}
	if nanoseconds >= uint64(time.Second) {
		return time.Time{}, fmt.Errorf("protocol: a MessagePack timestamp with %d nanoseconds", nanoseconds)
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC(), nil
}

// any reads the next value into the Go type that is most like it.
func (d *msgpackDecoder) any() (any, error) {
	switch kind := d.kind(); kind {
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
		size, err := d.DecodeArrayLen()
		list := make([]any, size)
		for i := 0; i < size && err == nil; i++ {
			list[i], err = d.any()
		}
		return list, err
	case msgpackMap:
		size, err := d.DecodeMapLen()
		m := make(map[string]any) // grows with what is there, for keys may repeat
		for i := 0; i < size && err == nil; i++ {
			if kind := d.kind(); kind != msgpackStr {
				return nil, errMismatch(kind, reflect.ValueOf(""))
			}
			var name string
			if name, err = d.text(); err == nil {
				m[name], err = d.any()
			}
		}
		return m, err
	default:
		return nil, d.DecodeNil()
	}
}

func (p *msgpackProtocol) Unmarshal(raw []byte, v any) error {
	if v, ok := v.(*Raw); ok && v != nil {
		return v.UnmarshalMsgpack(raw)
	}
	// One check bounds all that follows: whatever a length says from here on is
	// true, and nothing is nested too deep.
	if r := (msgpackReader{data: raw}); !r.skip() || !r.done() {
		return errMalformed
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
	if info.decode == asJSON {
		return d.json(v)
	}
	kind := d.kind()
	if kind == msgpackNil {
		switch v.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
			v.SetZero()
		}
		return d.DecodeNil()
	}
	switch info.decode {
	case asTime:
		var (
			at  time.Time
			err error
		)
		switch kind {
		case msgpackExt:
			at, err = d.time()
		case msgpackArray:
			at, err = d.dateTimeOffset()
		default:
			return errMismatch(kind, v)
		}
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(at))
		return nil
	case asText:
		if kind == msgpackBin && info.binary {
			b, err := d.DecodeBytes()
			if err != nil {
				return err
			}
			return v.Addr().Interface().(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
		}
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
		return p.decode(d, reached(v))
	case reflect.Interface:
		if v.NumMethod() > 0 {
			return errMismatch(kind, v)
		}
		value, err := d.any()
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(value))
		return nil
	case reflect.Slice, reflect.Array:
		return p.decodeArray(d, kind, v, info)
	case reflect.Map, reflect.Struct:
		if kind == msgpackArray && info.array {
			return p.decodeMembers(d, v, info)
		}
		if kind != msgpackMap {
			return errMismatch(kind, v)
		}
		size, err := d.DecodeMapLen()
		if err != nil {
			return err
		}
		if v.Kind() == reflect.Map {
			return p.decodeMap(d, size, v)
		}
		return p.decodeStruct(d, size, v, info)
	default:
		return decodeScalar(d, kind, v)
	}
}

// setWhole sets an integer to a float, if that is one and in range.
func setWhole(v reflect.Value, f float64) error {
	switch {
	case f != math.Trunc(f): // NaN, too
		return fmt.Errorf("protocol: cannot read %v, which is not an integer, into a %s", f, v.Type())
	case v.CanInt():
		if n := int64(f); f >= -1<<63 && f < 1<<63 && !v.OverflowInt(n) {
			v.SetInt(n)
			return nil
		}
	default:
		if n := uint64(f); f >= 0 && f < 1<<64 && !v.OverflowUint(n) {
			v.SetUint(n)
			return nil
		}
	}
	return errRange(f, v)
}

// json reads any value into a json.RawMessage, or a number, also one in a str, into a
// json.Number.
func (d *msgpackDecoder) json(v reflect.Value) error {
	kind := d.kind()
	value, err := transcodeMsgpack(nil, d.value())
	switch {
	case err != nil:
		return err
	case v.Kind() == reflect.Slice:
		v.SetBytes(value)
		return nil
	case kind == msgpackNil:
		return nil
	case kind == msgpackStr:
		value = value[1 : len(value)-1] // if it is a number, nothing in it was escaped
	}
	if !isNumber(value) {
		return errMismatch(kind, v)
	}
	v.SetString(string(value))
	return nil
}

func decodeScalar(d *msgpackDecoder, kind msgpackKind, v reflect.Value) error {
	isInteger := kind == msgpackInt || kind == msgpackUint
	switch {
	case v.Kind() == reflect.Bool && kind == msgpackBool:
		b, err := d.DecodeBool()
		v.SetBool(b)
		return err
	case v.Kind() == reflect.String && kind == msgpackStr:
		text, err := d.text()
		v.SetString(text)
		return err
	case v.CanInt() && isInteger:
		n, err := d.DecodeInt64()
		if kind == msgpackUint && n < 0 {
			return errRange(uint64(n), v)
		}
		if v.OverflowInt(n) {
			return errRange(n, v)
		}
		v.SetInt(n)
		return err
	case v.CanUint() && v.Kind() != reflect.Uintptr && isInteger:
		n, err := d.DecodeUint64()
		if kind == msgpackInt {
			return errRange(int64(n), v)
		}
		if v.OverflowUint(n) {
			return errRange(n, v)
		}
		v.SetUint(n)
		return err
	case kind == msgpackFloat && (v.CanInt() || v.CanUint() && v.Kind() != reflect.Uintptr):
		f, err := d.DecodeFloat64()
		if err != nil {
			return err
		}
		return setWhole(v, f)
	case v.CanFloat() && kind == msgpackUint:
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

func (p *msgpackProtocol) decodeArray(d *msgpackDecoder, kind msgpackKind, v reflect.Value, info *msgpackType) error {
	want, length := msgpackArray, d.DecodeArrayLen
	if info.bytes {
		want, length = msgpackBin, d.DecodeBytesLen
	}
	if kind != want {
		return errMismatch(kind, v)
	}
	size, err := length()
	switch {
	case err != nil:
		return err
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), size, size))
	case size != v.Len():
		return fmt.Errorf("protocol: cannot read %d elements into a %s", size, v.Type())
	}
	if info.bytes {
		return d.ReadFull(v.Bytes())
	}
	for i := range size {
		if err := p.decode(d, v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (p *msgpackProtocol) decodeMap(d *msgpackDecoder, size int, v reflect.Value) error {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	key := reflect.New(v.Type().Key()).Elem()
	value := reflect.New(v.Type().Elem()).Elem()
	for range size {
		if kind := d.kind(); !kind.isKey() {
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

func (p *msgpackProtocol) decodeStruct(d *msgpackDecoder, size int, v reflect.Value, info *msgpackType) error {
	for range size {
		if kind := d.kind(); kind != msgpackStr {
			return fmt.Errorf("protocol: cannot read a MessagePack %s as the name of a member of a %s", kind, v.Type())
		}
		name, err := d.bytes()
		if err != nil {
			return err
		}
		m := info.byName[string(name)]
		if m == nil && p.foldNames {
			m = named(info.members, string(name))
		}
		if m == nil {
			d.value()
			continue
		}
		if err := p.decodeMember(d, v, m); err != nil {
			return err
		}
	}
	return nil
}

// decodeMembers reads the elements of an array into the members of a struct; those that
// the struct does not have are skipped.
func (p *msgpackProtocol) decodeMembers(d *msgpackDecoder, v reflect.Value, info *msgpackType) error {
	size, err := d.DecodeArrayLen()
	if err != nil {
		return err
	}
	for i := range size {
		if i >= len(info.members) {
			d.value()
			continue
		}
		if err := p.decodeMember(d, v, &info.members[i]); err != nil {
			return err
		}
	}
	return nil
}

func (p *msgpackProtocol) decodeMember(d *msgpackDecoder, v reflect.Value, m *member) error {
	for i, n := range m.index {
		if i > 0 {
			v = reached(v)
		}
		v = v.Field(n)
	}
	if m.quoted {
		return p.decodeQuoted(d, v)
	}
	return p.decode(d, v)
}

// reached follows a pointer, to a new value if it is nil.
func reached(v reflect.Value) reflect.Value {
	if v.Kind() != reflect.Pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// decodeQuoted reads a number or a bool, which may be in a str.
func (p *msgpackProtocol) decodeQuoted(d *msgpackDecoder, v reflect.Value) error {
	t := v.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if d.kind() != msgpackStr || t.Kind() == reflect.String || p.typeOf(t).decode != byKind {
		return p.decode(d, v)
	}
	text, err := d.text()
	if err != nil {
		return err
	}
	v = reached(v)
	switch {
	case v.CanInt():
		var n int64
		n, err = strconv.ParseInt(text, 10, t.Bits())
		v.SetInt(n)
	case v.CanUint():
		var n uint64
		n, err = strconv.ParseUint(text, 10, t.Bits())
		v.SetUint(n)
	case v.CanFloat():
		var f float64
		f, err = strconv.ParseFloat(text, t.Bits())
		v.SetFloat(f)
	default:
		var b bool
		b, err = strconv.ParseBool(text)
		v.SetBool(b)
	}
	if err != nil {
		return fmt.Errorf("protocol: cannot read %.40q into a %s", text, t)
	}
	return nil
}

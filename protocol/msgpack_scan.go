package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// msgpackKind is a family of MessagePack values: what a value is, whatever the
// width of its encoding.
type msgpackKind byte

const (
	msgpackNil msgpackKind = iota + 1
	msgpackBool
	msgpackUint // an integer from zero on
	msgpackInt  // an integer below zero
	msgpackFloat
	msgpackStr
	msgpackBin
	msgpackArray
	msgpackMap
	msgpackExt
)

// String returns the name of the kind for an error text.
func (k msgpackKind) String() string {
	return [...]string{"nothing", "nil", "bool", "integer", "negative integer", "float", "str", "bin", "array", "map", "ext"}[k]
}

// isKey reports whether values of the kind may be the keys of a map.
func (k msgpackKind) isKey() bool { return k == msgpackStr || k == msgpackInt || k == msgpackUint }

// msgpackToken is the head of one value: a scalar as a whole, or what comes before
// the content of a longer one.
type msgpackToken struct {
	kind msgpackKind
	// bits are the value of a bool, an integer or a float.
	bits uint64
	// size counts the bytes of a str, bin or ext, the elements of an array or the
	// pairs of a map. There is input left for all of them. Of a float it is the width.
	size int
	// ext is the type of an ext.
	ext int8
}

// msgpackReader walks over MessagePack values. A method that returns false has met
// malformed input, and the reader is of no more use.
type msgpackReader struct {
	data []byte
	pos  int
}

// next reads the head of the next value. A length that the rest of the input
// cannot hold is malformed: nothing is ever allocated for a mere claim.
func (r *msgpackReader) next() (msgpackToken, bool) {
	if r.pos == len(r.data) {
		return msgpackToken{}, false
	}
	c := r.data[r.pos]
	r.pos++
	switch {
	case c <= 0x7f:
		return msgpackToken{kind: msgpackUint, bits: uint64(c)}, true
	case c <= 0x8f:
		return r.container(msgpackMap, uint64(c&0x0f))
	case c <= 0x9f:
		return r.container(msgpackArray, uint64(c&0x0f))
	case c <= 0xbf:
		return r.content(msgpackStr, uint64(c&0x1f))
	case c >= 0xe0:
		return msgpackToken{kind: msgpackInt, bits: uint64(int8(c))}, true
	}
	switch c {
	case 0xc0:
		return msgpackToken{kind: msgpackNil}, true
	case 0xc2, 0xc3:
		return msgpackToken{kind: msgpackBool, bits: uint64(c & 1)}, true
	case 0xc4, 0xc5, 0xc6: // bin 8, 16, 32
		return r.sized(msgpackBin, 1<<(c-0xc4))
	case 0xc7, 0xc8, 0xc9: // ext 8, 16, 32
		return r.sized(msgpackExt, 1<<(c-0xc7))
	case 0xca, 0xcb: // float 32, 64
		width := 4 << (c - 0xca)
		bits, ok := r.number(width)
		return msgpackToken{kind: msgpackFloat, bits: bits, size: width}, ok
	case 0xcc, 0xcd, 0xce, 0xcf: // uint 8, 16, 32, 64
		bits, ok := r.number(1 << (c - 0xcc))
		return msgpackToken{kind: msgpackUint, bits: bits}, ok
	case 0xd0, 0xd1, 0xd2, 0xd3: // int 8, 16, 32, 64
		return r.signed(1 << (c - 0xd0))
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // fixext 1, 2, 4, 8, 16
		return r.content(msgpackExt, 1<<(c-0xd4))
	case 0xd9, 0xda, 0xdb: // str 8, 16, 32
		return r.sized(msgpackStr, 1<<(c-0xd9))
	case 0xdc, 0xdd: // array 16, 32
		return r.sized(msgpackArray, 2<<(c-0xdc))
	case 0xde, 0xdf: // map 16, 32
		return r.sized(msgpackMap, 2<<(c-0xde))
	default: // 0xc1 is not used
		return msgpackToken{}, false
	}
}

// number reads a big-endian number of the given width in bytes.
func (r *msgpackReader) number(width int) (uint64, bool) {
	if len(r.data)-r.pos < width {
		return 0, false
	}
	b := r.data[r.pos:]
	r.pos += width
	switch width {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), true
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	default:
		return binary.BigEndian.Uint64(b), true
	}
}

// signed reads an integer in two's complement of the given width in bytes.
func (r *msgpackReader) signed(width int) (msgpackToken, bool) {
	bits, ok := r.number(width)
	shift := 64 - 8*width
	n := int64(bits<<shift) >> shift // extends the sign
	if n < 0 {
		return msgpackToken{kind: msgpackInt, bits: uint64(n)}, ok
	}
	return msgpackToken{kind: msgpackUint, bits: uint64(n)}, ok
}

// sized reads a length of the given width in bytes and what else comes before the
// content.
func (r *msgpackReader) sized(kind msgpackKind, width int) (msgpackToken, bool) {
	size, ok := r.number(width)
	switch {
	case !ok:
		return msgpackToken{}, false
	case kind == msgpackArray || kind == msgpackMap:
		return r.container(kind, size)
	default:
		return r.content(kind, size)
	}
}

// content ends the head of a str, bin or ext.
func (r *msgpackReader) content(kind msgpackKind, size uint64) (msgpackToken, bool) {
	t := msgpackToken{kind: kind}
	if kind == msgpackExt {
		if r.pos == len(r.data) {
			return t, false
		}
		t.ext = int8(r.data[r.pos])
		r.pos++
	}
	if size > uint64(len(r.data)-r.pos) {
		return t, false
	}
	t.size = int(size)
	return t, true
}

// container ends the head of an array or map. Each element takes at least a byte.
func (r *msgpackReader) container(kind msgpackKind, size uint64) (msgpackToken, bool) {
	least := size
	if kind == msgpackMap {
		least = 2 * size
	}
	if least > uint64(len(r.data)-r.pos) {
		return msgpackToken{}, false
	}
	return msgpackToken{kind: kind, size: int(size)}, true
}

// take returns the content of a str, bin or ext.
func (r *msgpackReader) take(t msgpackToken) []byte {
	b := r.data[r.pos : r.pos+t.size : r.pos+t.size]
	r.pos += t.size
	return b
}

// skip steps over one value. Arrays and maps may nest maxDepth levels deep.
func (r *msgpackReader) skip() bool {
	var left [maxDepth]int // values to come in each open container
	for depth := 0; ; {
		t, ok := r.next()
		if !ok {
			return false
		}
		switch t.kind {
		case msgpackStr, msgpackBin, msgpackExt:
			r.pos += t.size
		case msgpackArray, msgpackMap:
			if depth == maxDepth {
				return false
			}
			if t.size > 0 {
				left[depth] = t.size
				if t.kind == msgpackMap {
					left[depth] *= 2
				}
				depth++
				continue
			}
		}
		for ; depth > 0; depth-- {
			if left[depth-1]--; left[depth-1] > 0 {
				break
			}
		}
		if depth == 0 {
			return true
		}
	}
}

// protoKey is the key that JavaScript clients take in no map, for an object would get
// another prototype: they close the connection.
const protoKey = "__proto__"

var errNoText = errors.New("protocol: a MessagePack str that is not valid UTF-8")

var errProtoKey = errors.New("protocol: the key " + protoKey + " in MessagePack, for which JavaScript clients close the connection")

// checkMsgpack reports what may not be sent to clients although a value need not be
// decoded: whatever is no single value, nests too deep inside the depth arrays and maps
// around it, or makes a client close the connection.
func checkMsgpack(value []byte, depth int) error {
	r := msgpackReader{data: value}
	if err := r.check(depth); err != nil {
		return err
	}
	if !r.done() {
		return errMalformed
	}
	return nil
}

// check steps over one value, which lies in depth arrays and maps.
func (r *msgpackReader) check(depth int) error {
	t, ok := r.next()
	if !ok {
		return errMalformed
	}
	switch t.kind {
	case msgpackStr:
		if !utf8.Valid(r.take(t)) {
			return errNoText
		}
	case msgpackBin:
		r.take(t)
	case msgpackExt:
		if content := r.take(t); t.ext == extTimestamp {
			_, err := timestamp(t.ext, content)
			return err
		}
	case msgpackArray, msgpackMap:
		if depth >= maxDepth {
			return errTooDeep
		}
		for range t.size {
			if t.kind == msgpackMap {
				if err := r.checkKey(); err != nil {
					return err
				}
			}
			if err := r.check(depth + 1); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkKey steps over the key of a map.
func (r *msgpackReader) checkKey() error {
	t, ok := r.next()
	switch {
	case !ok:
		return errMalformed
	case !t.kind.isKey():
		return fmt.Errorf("protocol: a MessagePack %s as the key of a map", t.kind)
	case t.kind != msgpackStr:
		return nil
	}
	switch key := r.take(t); {
	case string(key) == protoKey:
		return errProtoKey
	case !utf8.Valid(key):
		return errNoText
	default:
		return nil
	}
}

// value steps over one value and returns it, or nil if it is malformed.
func (r *msgpackReader) value() []byte {
	start := r.pos
	if !r.skip() {
		return nil
	}
	return r.data[start:r.pos:r.pos]
}

// done reports whether all input has been read.
func (r *msgpackReader) done() bool { return r.pos == len(r.data) }

// integer returns the value of an integer, and false if t is something else or out
// of range.
func (t msgpackToken) integer() (int64, bool) {
	switch t.kind {
	case msgpackInt:
		return int64(t.bits), true
	case msgpackUint:
		return int64(t.bits), t.bits <= math.MaxInt64
	default:
		return 0, false
	}
}

// validString returns s with each byte that is not UTF-8 replaced by U+FFFD, as
// encoding/json does.
func validString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

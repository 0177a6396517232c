package protocol

import (
	"bytes"
	"errors"
	"unicode/utf8"
)

// Raw is a value that stays encoded, for methods that pass on what they need not
// understand: as an argument, an item, a result or a part of one, at any depth. It
// remembers which protocol it is from, and is sent to clients of that protocol as it
// came and to those of the other one transcoded; the zero Raw is sent as null.
//
// Transcoded, numbers keep their values, and integers stay integers. A MessagePack
// bin is a string in base64 in JSON, a timestamp one in RFC 3339; the other way
// they stay strings. What JSON cannot say, like NaN or an extension type, makes
// the send fail.
//
// From MessagePack it takes only what all clients can decode, though the application
// need not: no str that is not UTF-8, no keys of maps but strings and integers, not the
// key "__proto__", no timestamp of another form than the three there are. The key
// "__proto__" in JSON goes to clients of JSON alone; to send it in MessagePack fails.
//
// A Raw is never changed, and may be used by several goroutines at once. Its JSON
// can be had with [Raw.MarshalJSON], from any protocol.
type Raw struct {
	value   []byte // has been checked; nil is null
	msgpack bool   // MessagePack, not JSON
}

// errNotJSON reports what should have been one JSON value.
var errNotJSON = errors.New("protocol: not a JSON value")

// UnmarshalJSON makes r a copy of a JSON value.
func (r *Raw) UnmarshalJSON(value []byte) error {
	value, err := oneJSON(value)
	if err != nil {
		return err
	}
	*r = Raw{value: bytes.Clone(value)}
	return nil
}

// MarshalJSON returns the value as JSON.
func (r Raw) MarshalJSON() ([]byte, error) { return r.appendJSON(nil, 0) }

// UnmarshalMsgpack makes r a copy of a MessagePack value.
func (r *Raw) UnmarshalMsgpack(value []byte) error {
	if err := checkMsgpack(value, 0); err != nil {
		return err
	}
	*r = Raw{value: bytes.Clone(value), msgpack: true}
	return nil
}

// MarshalMsgpack returns the value as MessagePack.
func (r Raw) MarshalMsgpack() ([]byte, error) { return r.appendMsgpack(nil, 0) }

// appendJSON appends the value as JSON, which is to lie in depth arrays and objects. On
// error dst is returned as it was.
func (r Raw) appendJSON(dst []byte, depth int) ([]byte, error) {
	var out []byte
	if r.msgpack {
		var err error
		if out, err = transcodeMsgpack(dst, r.value); err != nil {
			return dst, err
		}
	} else {
		out = appendRaw(dst, r.value)
	}
	if nestsTooDeep(out[len(dst):], depth) {
		return dst, errTooDeep
	}
	return out, nil
}

// appendMsgpack is appendJSON for MessagePack.
func (r Raw) appendMsgpack(dst []byte, depth int) ([]byte, error) {
	if r.value != nil && !r.msgpack {
		return transcodeJSON(dst, r.value, depth)
	}
	if r.value != nil {
		if err := checkMsgpack(r.value, depth); err != nil {
			return dst, err
		}
	}
	return appendMsgpackRaw(dst, r.value), nil
}

// oneJSON returns the JSON value that data has to be, without white space around it.
func oneJSON(data []byte) ([]byte, error) {
	if !utf8.Valid(data) {
		return nil, errNotUTF8
	}
	s := jsonScanner{data: data}
	value := s.value()
	switch {
	case value != nil && s.end() == nil:
		return value, nil
	case nestsTooDeep(data, 0):
		return nil, errTooDeep
	default:
		return nil, errNotJSON
	}
}

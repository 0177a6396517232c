package protocol

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
)

// transcodeJSON appends the MessagePack encoding of a JSON value, which has been
// checked and lies in depth arrays and maps. On error dst is returned as it was.
func transcodeJSON(dst, value []byte, depth int) ([]byte, error) {
	s := jsonScanner{data: value}
	out, err := s.transcode(dst, depth)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// transcode steps over one value, which lies in depth arrays and maps, and appends its
// MessagePack encoding.
func (s *jsonScanner) transcode(dst []byte, depth int) (out []byte, err error) {
	switch c := s.peek(); c {
	case '{', '[':
		if depth >= maxDepth {
			return nil, errTooDeep
		}
		outer := s.enter()
		start, size := len(dst), 0
		dst = append(dst, 0) // nearly all heads have one byte
		for {
			if c == '{' {
				if !s.nextMember() {
					break
				}
				name, err := anyString(s.name)
				switch {
				case err != nil:
					return nil, err
				case name == protoKey:
					return nil, errProtoKey
				}
				dst = appendStr(dst, name)
			} else if !s.nextElement() {
				break
			}
			if dst, err = s.transcode(dst, depth+1); err != nil {
				return nil, err
			}
			size++
		}
		s.leave(outer)
		var room [5]byte
		head := appendArrayHead(room[:0], size)
		if c == '{' {
			head = appendMapHead(room[:0], size)
		}
		if n := len(head); n > 1 {
			dst = append(dst, head[1:]...) // any bytes: this makes room
			copy(dst[start+n:], dst[start+1:])
		}
		copy(dst[start:], head)
		return dst, nil
	default:
		value := s.value()
		switch kindOf(value) {
		case kindNull:
			return append(dst, 0xc0), nil
		case kindTrue, kindFalse:
			return appendBool(dst, c == 't'), nil
		case kindString:
			return appendJSONString(dst, value)
		default:
			return appendJSONNumber(dst, value)
		}
	}
}

// appendJSONString appends a JSON string as a MessagePack str. As in encoding/json,
// half a surrogate pair becomes U+FFFD.
func appendJSONString(dst, value []byte) ([]byte, error) {
	text, err := anyString(value)
	return appendStr(dst, text), err
}

// appendJSONNumber appends a JSON number as a MessagePack integer, if it is written
// as one and has 64 bits or less, or else as a float.
func appendJSONNumber(dst, value []byte) ([]byte, error) {
	text := string(value)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return appendInt(dst, n), nil
	}
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return appendUint(dst, n), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return dst, fmt.Errorf("protocol: no MessagePack number is as large as %.40s", text)
	}
	return appendFloat64(dst, f), nil
}

// transcodeMsgpack appends the JSON encoding of a MessagePack value, which has been
// checked. On error dst is returned as it was.
func transcodeMsgpack(dst, value []byte) ([]byte, error) {
	r := msgpackReader{data: value}
	out, err := r.transcode(dst)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// transcode steps over one value and appends its JSON encoding.
func (r *msgpackReader) transcode(dst []byte) (out []byte, err error) {
	t, _ := r.next()
	switch t.kind {
	case msgpackBool:
		return strconv.AppendBool(dst, t.bits == 1), nil
	case msgpackUint:
		return strconv.AppendUint(dst, t.bits, 10), nil
	case msgpackInt:
		return strconv.AppendInt(dst, int64(t.bits), 10), nil
	case msgpackFloat:
		f, bits := t.float()
		if !isFinite(f) {
			return nil, fmt.Errorf("protocol: there is no %v in JSON", f)
		}
		return appendFloat(dst, f, bits), nil
	case msgpackStr:
		return appendString(dst, string(r.take(t))), nil
	case msgpackBin:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, r.take(t))
		return append(dst, '"'), nil
	case msgpackExt:
		at, err := timestamp(t.ext, r.take(t))
		if err != nil {
			return nil, err
		}
		text, err := at.MarshalJSON()
		return append(dst, text...), err
	case msgpackArray:
		dst = append(dst, '[')
		for i := range t.size {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = r.transcode(dst); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case msgpackMap:
		dst = append(dst, '{')
		for i := range t.size {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = r.transcodeKey(dst); err != nil {
				return nil, err
			}
			dst = append(dst, ':')
			if dst, err = r.transcode(dst); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	default:
		return append(dst, "null"...), nil
	}
}

// transcodeKey appends the key of a map; as in encoding/json, integers are written
// as strings.
func (r *msgpackReader) transcodeKey(dst []byte) ([]byte, error) {
	t, _ := r.next()
	switch t.kind {
	case msgpackStr:
		return appendString(dst, string(r.take(t))), nil
	case msgpackUint:
		dst = strconv.AppendUint(append(dst, '"'), t.bits, 10)
		return append(dst, '"'), nil
	case msgpackInt:
		dst = strconv.AppendInt(append(dst, '"'), int64(t.bits), 10)
		return append(dst, '"'), nil
	default:
		return nil, fmt.Errorf("protocol: there is no %s as the name of a member in JSON", t.kind)
	}
}

// float returns the value of a float and its width in bits.
func (t msgpackToken) float() (f float64, bits int) {
	if t.size == 4 {
		return float64(math.Float32frombits(uint32(t.bits))), 32
	}
	return math.Float64frombits(t.bits), 64
}

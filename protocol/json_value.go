package protocol

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"
)

// errNotUTF8 reports a value whose encoding no client could read.
var errNotUTF8 = errors.New("protocol: the JSON encoding of the value is not valid UTF-8")

// Unmarshal gives the most common types a way around encoding/json, which would
// scan the value anew. Whatever these ways do not recognise at once goes to
// encoding/json all the same, so that there is one source of rules and errors; what
// that refuses is tried again in its own terms.
func (p *jsonProtocol) Unmarshal(raw []byte, v any) error {
	switch v := v.(type) {
	case *string:
		if v != nil && isPlainString(raw) {
			*v = string(raw[1 : len(raw)-1])
			return nil
		}
	case *int:
		if n, ok := plainInteger(raw, strconv.IntSize); ok && v != nil {
			*v = int(n)
			return nil
		}
	case *int64:
		if n, ok := plainInteger(raw, 64); ok && v != nil {
			*v = n
			return nil
		}
	case *bool:
		switch {
		case v == nil:
		case string(raw) == "true":
			*v = true
			return nil
		case string(raw) == "false":
			*v = false
			return nil
		}
	case *float64:
		if v != nil && isNumber(raw) {
			if f, err := strconv.ParseFloat(string(raw), 64); err == nil {
				*v = f
				return nil
			}
		}
	case *any:
		if v == nil || *v != nil { // what *v points to would have to be filled
			break
		}
		if value, err := oneJSON(raw); err == nil {
			s := jsonScanner{data: value}
			if decoded, err := s.any(); err == nil {
				*v = decoded
				return nil
			}
		}
	case *Raw:
		if v != nil {
			return v.UnmarshalJSON(raw)
		}
	}
	if nestsTooDeep(raw, 0) { // not from Parse
		return errTooDeep
	}
	err := p.decode(raw, v)
	if err != nil {
		if relaxed, ok := p.relax(raw, reflect.TypeOf(v)); ok {
			return p.decode(relaxed, v)
		}
	}
	return err
}

// isPlainString reports whether raw is a string without escapes that stands for
// its own bytes.
func isPlainString(raw []byte) bool {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return false
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner[plainBytes(inner):] {
		if c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return utf8.Valid(inner)
}

// isNumber reports whether raw is a JSON number and nothing else.
func isNumber(raw []byte) bool {
	s := jsonScanner{data: raw}
	return s.number() && s.pos == len(raw)
}

func plainInteger(raw []byte, bits int) (int64, bool) {
	if !isNumber(raw) {
		return 0, false
	}
	return decodeInteger(raw, bits)
}

// AppendValue writes the most common types itself, byte for byte as encoding/json
// does, but without an allocation.
func (p *jsonProtocol) AppendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case Raw:
		return v.appendJSON(dst, aroundArgument)
	case string:
		return appendString(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int8:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int16:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int32:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint8:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint16:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint32:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float32:
		if isFinite(float64(v)) {
			return appendFloat(dst, float64(v), 32), nil
		}
	case float64:
		if isFinite(v) {
			return appendFloat(dst, v, 64), nil
		}
	case []byte:
		if v == nil {
			return append(dst, "null"...), nil
		}
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, v)
		return append(dst, '"'), nil
	}
	return p.encode(dst, v)
}

func isFinite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// appendFloat appends a finite number: in exponent form when it is very large or
// very small, as JavaScript has it, and so encoding/json.
func appendFloat(dst []byte, f float64, bits int) []byte {
	format := byte('f')
	if abs := math.Abs(f); abs != 0 {
		small, large := abs < 1e-6, abs >= 1e21
		if bits == 32 {
			small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
		}
		if small || large {
			format = 'e'
		}
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	// strconv pads the exponent to two digits; JavaScript does not: e-09 is e-9.
	if n := len(dst); format == 'e' && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// appendString appends s as a JSON string. Escaped is only what must be, and, as
// in encoding/json, what is not UTF-8 and the two line separators that older
// JavaScript did not take in a literal.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0 // what lies before has been written
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
			dst = append(dst, s[start:i]...)
			switch r {
			case '\u2028':
				dst = append(dst, `\u2028`...)
			case '\u2029':
				dst = append(dst, `\u2029`...)
			default:
				dst = append(dst, `\ufffd`...)
			}
		} else {
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\b':
				dst = append(dst, '\\', 'b')
			case '\f':
				dst = append(dst, '\\', 'f')
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
			}
		}
		i += size
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// encode appends v as encoding/json writes it. That package checks and
// compacts what a json.Marshaler returns, so that no control character, and with
// it no record separator, gets into the bytes.
func (p *jsonProtocol) encode(dst []byte, v any) ([]byte, error) {
	e := p.encoders.Get().(*jsonEncoder)
	e.dst = dst
	err := e.Encode(v)
	out := e.dst
	e.dst = nil // the pool must not keep the caller's bytes alive
	if err != nil {
		return dst, err // the encoder is dropped, whatever state it is in
	}
	p.encoders.Put(e)
	// encoding/json passes the bytes of a json.RawMessage or a json.Marshaler
	// through; one invalid byte in a text frame makes browsers close.
	if !utf8.Valid(out[len(dst):]) {
		return dst, errNotUTF8
	}
	if nestsTooDeep(out[len(dst):], aroundArgument) {
		return dst, errTooDeep
	}
	return out[:len(out)-1], nil // without the newline that Encode ends with
}

// jsonEncoder is a json.Encoder that writes to the end of dst.
type jsonEncoder struct {
	*json.Encoder
	dst []byte
}

func (e *jsonEncoder) Write(p []byte) (int, error) {
	e.dst = append(e.dst, p...)
	return len(p), nil
}

func newJSONEncoder() *jsonEncoder {
	e := &jsonEncoder{}
	e.Encoder = json.NewEncoder(e)
	e.SetEscapeHTML(false)
	return e
}

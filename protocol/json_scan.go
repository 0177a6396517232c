package protocol

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// maxDepth is how deep arrays and objects may nest inside one value of a peer, and
	// in one message to it.
	maxDepth = 64
	// aroundArgument is how many of the levels of a message are around an argument: .NET
	// clients of JSON count the message itself and the list of the arguments. It counts
	// for all values and in MessagePack, too, so that what is sent reaches all clients.
	aroundArgument = 2
)

// The kinds of JSON values, as the reference server names them in its errors.
const (
	kindString = "String"
	kindNumber = "Number"
	kindObject = "Object"
	kindArray  = "Array"
	kindTrue   = "True"
	kindFalse  = "False"
	kindNull   = "Null"
)

// kindOf returns the kind of a scanned value. Its first byte tells.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '"':
		return kindString
	case '{':
		return kindObject
	case '[':
		return kindArray
	case 't':
		return kindTrue
	case 'f':
		return kindFalse
	case 'n':
		return kindNull
	default:
		return kindNumber
	}
}

// jsonScanner walks once over a JSON text and hands out its values as slices of
// it. Whatever it steps over, skipped or handed out, has been checked against the
// grammar of RFC 8259; only the bytes above ASCII inside strings have not: the
// protocol checks a whole message to be UTF-8 before it scans it.
//
// The first violation ends all loops: nextMember and nextElement return false,
// value returns nil, and end tells what happened.
type jsonScanner struct {
	data []byte
	pos  int
	// name is the name of the current member, as a string value.
	name   []byte
	begun  bool // the open object or array has had its first child
	failed bool
}

// error returns what is wrong at the current position.
func (s *jsonScanner) error() error {
	if s.pos >= len(s.data) {
		return &Error{Detail: detailEnd}
	}
	return &Error{Detail: detailReading}
}

// fail marks the text as malformed at the current position.
func (s *jsonScanner) fail() bool {
	s.failed = true
	return false
}

// peek skips white space and returns the byte after it, 0 at the end of the text.
// A 0 byte in the text is no mistake for the end: it is not JSON either.
func (s *jsonScanner) peek() byte {
	for ; s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// openObject steps into the object that the text has to be.
func (s *jsonScanner) openObject() error {
	if s.peek() == '{' {
		s.pos++
		return nil
	}
	raw := s.value()
	if raw == nil {
		return s.error()
	}
	return &Error{Detail: "Unexpected JSON Token Type '" + kindOf(raw) + "'. Expected a JSON Object."}
}

// enter steps into the object or array at the current position. outer is for leave, after
// the last child.
func (s *jsonScanner) enter() (outer bool) {
	s.pos++
	outer, s.begun = s.begun, false
	return outer
}

// leave goes on in the object or array around the one that was entered.
func (s *jsonScanner) leave(outer bool) { s.begun = outer }

// nextMember reads the name of the open object's next member; value must follow.
// It returns false after the last one, having left the object.
func (s *jsonScanner) nextMember() bool {
	if !s.nextChild('}') {
		return false
	}
	start := s.pos
	if !s.skipName() {
		return s.fail()
	}
	end := start + bytes.LastIndexByte(s.data[start:s.pos], '"')
	s.name = s.data[start : end+1]
	return true
}

// key returns the name of the current member without quotation marks and escapes.
func (s *jsonScanner) key() []byte {
	inner := s.name[1 : len(s.name)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	decoded, _ := unescape(inner) // what cannot be decoded is no name that matters
	return decoded
}

// nextElement moves to the next element of the open array; value must follow. It
// returns false after the last one, having left the array.
func (s *jsonScanner) nextElement() bool { return s.nextChild(']') }

// nextChild moves to the next child of what closer closes.
func (s *jsonScanner) nextChild(closer byte) bool {
	if s.failed {
		return false
	}
	c := s.peek()
	if c == closer {
		s.pos++
		return false
	}
	if s.begun {
		if c != ',' {
			return s.fail()
		}
		s.pos++
		if s.peek() == closer {
			return s.fail()
		}
	}
	s.begun = true
	return true
}

// end reports whether the text was well-formed and has nothing after its value.
func (s *jsonScanner) end() error {
	if s.failed {
		return s.error()
	}
	if s.peek(); s.pos < len(s.data) {
		return &Error{Detail: detailReading}
	}
	return nil
}

// value steps over one value and returns it without the white space around it, or
// nil if it is malformed or nests too deep.
func (s *jsonScanner) value() []byte {
	s.peek()
	start := s.pos
	if !s.skip() {
		s.failed = true
		return nil
	}
	return s.data[start:s.pos:s.pos]
}

// optional is value for a property that may be absent, which null stands for.
func (s *jsonScanner) optional() []byte {
	value := s.value()
	if value != nil && value[0] == 'n' {
		return nil
	}
	return value
}

// array steps over one value, which must be an array, and appends its elements to
// into.
func (s *jsonScanner) array(into [][]byte) (raw []byte, elements [][]byte) {
	start := s.pos
	outer := s.enter()
	for s.nextElement() {
		into = append(into, s.value())
	}
	s.leave(outer)
	if s.failed {
		return nil, nil
	}
	return s.data[start:s.pos:s.pos], into
}

// skip steps over one value.
func (s *jsonScanner) skip() bool {
	// One bit per open container, the innermost lowest: set for an object.
	var objects uint64
	for depth := 0; ; {
		switch c := s.peek(); c {
		case '{', '[':
			if depth == maxDepth {
				return false
			}
			s.pos++
			depth++
			objects <<= 1
			if c == '{' {
				objects |= 1
			}
			if s.peek() != c+2 { // the closing bracket is two after the opening one in ASCII
				if c == '{' && !s.skipName() {
					return false
				}
				continue
			}
			s.pos++
			depth--
			objects >>= 1
		case '"':
			if !s.string() {
				return false
			}
		case 't':
			if !s.literal("true") {
				return false
			}
		case 'f':
			if !s.literal("false") {
				return false
			}
		case 'n':
			if !s.literal("null") {
				return false
			}
		default:
			if !s.number() {
				return false
			}
		}

		// After a value: leave what ends here, then move to the next one.
		for {
			if depth == 0 {
				return true
			}
			isObject := objects&1 == 1
			c := s.peek()
			if c == ',' {
				s.pos++
				if isObject && !s.skipName() {
					return false
				}
				break
			}
			if (isObject && c != '}') || (!isObject && c != ']') {
				return false
			}
			s.pos++
			depth--
			objects >>= 1
		}
	}
}

// nestsTooDeep reports whether arrays and objects nest more than maxDepth levels deep in
// a JSON text that lies in depth of them. It need not be well-formed.
func nestsTooDeep(text []byte, depth int) bool {
	if depth+bytes.Count(text, []byte{'['})+bytes.Count(text, []byte{'{'}) <= maxDepth {
		return false // the common case, at a fraction of the cost
	}
	s := jsonScanner{data: text}
	for s.pos < len(text) {
		switch text[s.pos] {
		case '"':
			if !s.string() {
				return false
			}
			continue
		case '[', '{':
			if depth++; depth > maxDepth {
				return true
			}
		case ']', '}':
			depth--
		}
		s.pos++
	}
	return false
}

// skipName steps over a member's name and the colon behind it.
func (s *jsonScanner) skipName() bool {
	if s.peek() != '"' || !s.string() || s.peek() != ':' {
		return false
	}
	s.pos++
	return true
}

// plainBytes returns how many bytes at the beginning of data mean themselves inside
// a string: quotation marks, backslashes and control characters do not. It looks at
// eight bytes at a time, and may leave up to seven to the caller.
func plainBytes(data []byte) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	n := 0
	for ; len(data)-n >= 8; n += 8 {
		word := binary.LittleEndian.Uint64(data[n:])
		quotes, slashes := word^('"'*ones), word^('\\'*ones)
		// The lowest high bit that is set marks the first such byte; those above
		// it may be mistaken.
		special := ((word-0x20*ones)&^word | (quotes-ones)&^quotes | (slashes-ones)&^slashes) & highs
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	return n
}

// string steps over a string, which starts at the current byte.
func (s *jsonScanner) string() bool {
	s.pos++
	for s.pos += plainBytes(s.data[s.pos:]); s.pos < len(s.data); s.pos++ {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return true
		case c == '\\':
			if s.pos++; s.pos == len(s.data) {
				return false
			}
			switch s.data[s.pos] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if s.pos++; s.pos == len(s.data) || !isHex(s.data[s.pos]) {
						return false
					}
				}
			default:
				return false
			}
		case c < 0x20:
			return false
		}
	}
	return false
}

// literal steps over word.
func (s *jsonScanner) literal(word string) bool {
	for i := range len(word) {
		if s.pos == len(s.data) || s.data[s.pos] != word[i] {
			return false
		}
		s.pos++
	}
	return true
}

// number steps over a number.
func (s *jsonScanner) number() bool {
	if s.at('-') {
		s.pos++
	}
	if s.at('0') {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.at('.') {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if s.at('e') || s.at('E') {
		s.pos++
		if s.at('+') || s.at('-') {
			s.pos++
		}
		return s.digits()
	}
	return true
}

// at reports whether c is the current byte.
func (s *jsonScanner) at(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

// digits steps over one digit or more.
func (s *jsonScanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos]-'0' <= 9 {
		s.pos++
	}
	return s.pos > start
}

func isHex(c byte) bool {
	return c-'0' <= 9 || c|0x20-'a' <= 5
}

// decodeString returns the string that a scanned string value stands for, and
// false when that is not Unicode: invalid UTF-8 or half a surrogate pair. Ids and
// names are compared and sent back, so a replacement character would not do.
func decodeString(raw []byte) (string, bool) {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		if !utf8.Valid(inner) {
			return "", false
		}
		return string(inner), true
	}
	decoded, ok := unescape(inner)
	return string(decoded), ok
}

// unescape decodes the inside of a scanned string, with the rule of decodeString.
func unescape(inner []byte) ([]byte, bool) {
	out := make([]byte, 0, len(inner))
	for i := 0; i < len(inner); i++ {
		if inner[i] != '\\' {
			out = append(out, inner[i])
			continue
		}
		i++
		switch c := inner[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(inner[i+1:])
			i += 4
			if utf16.IsSurrogate(r) {
				if !bytes.HasPrefix(inner[i+1:], []byte(`\u`)) {
					return nil, false
				}
				r = utf16.DecodeRune(r, hex4(inner[i+3:]))
				i += 6
				if r == utf8.RuneError { // DecodeRune's answer to what is no pair
					return nil, false
				}
			}
			out = utf8.AppendRune(out, r)
		default: // a quotation mark, a slash or a backslash
			out = append(out, c)
		}
	}
	return out, utf8.Valid(out)
}

// hex4 returns the number that the first four bytes of b, hexadecimal digits,
// stand for.
func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		if c >= 'a' {
			c -= 'a' - 'A'
		}
		if c >= 'A' {
			c -= 'A' - '9' - 1
		}
		r = r<<4 | rune(c-'0')
	}
	return r
}

// decodeInteger returns the integer of the given size in bits that a scanned
// value stands for, and false if it is anything else; a number with a fraction or
// an exponent is something else.
func decodeInteger(raw []byte, bits int) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, bits)
	return n, err == nil
}

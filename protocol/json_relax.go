package protocol

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// relax returns a value that encoding/json has refused for a type in the form in
// which it takes it, and false if there is nothing to change: times without an offset
// or without seconds, and whole numbers with a fraction or an exponent. Other clients
// write these as a matter of course.
func (p *jsonProtocol) relax(value []byte, t reflect.Type) ([]byte, bool) {
	if _, err := oneJSON(value); err != nil {
		return nil, false
	}
	r := relaxer{p: p, scanner: jsonScanner{data: value}}
	r.value(t)
	return append(r.out, value[r.copied:]...), r.out != nil
}

// relaxer walks over a value, which has been checked, and the type it is meant for.
type relaxer struct {
	p       *jsonProtocol
	scanner jsonScanner
	out     []byte // nil: nothing has been changed
	copied  int    // how much of the input out stands for
}

// replace changes the value that ends at the current position.
func (r *relaxer) replace(value, by []byte) {
	start := r.scanner.pos - len(value)
	r.out = append(append(r.out, r.scanner.data[r.copied:start]...), by...)
	r.copied = r.scanner.pos
}

// value steps over one value, which is meant for the type t; nil is any.
func (r *relaxer) value(t reflect.Type) {
	s := &r.scanner
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	first := s.peek()
	switch {
	case t == nil:
		s.value()
	case t == reflect.TypeFor[time.Time]():
		value := s.value()
		if first != '"' {
			return
		}
		if at, ok := relaxTime(value); ok {
			r.replace(value, at)
		}
	case decodesItself(t):
		s.value()
	case first == '{' && t.Kind() == reflect.Struct:
		members := r.p.typeOf(t).members
		r.children(s.nextMember, func() reflect.Type { return memberType(members, string(s.key())) })
	case first == '{' && t.Kind() == reflect.Map:
		r.children(s.nextMember, t.Elem)
	case first == '[' && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array):
		r.children(s.nextElement, t.Elem)
	case reflect.Int <= t.Kind() && t.Kind() <= reflect.Uint64:
		value := s.value()
		if kindOf(value) != kindNumber {
			return
		}
		if n, ok := wholeNumber(string(value)); ok && n != string(value) {
			r.replace(value, []byte(n))
		}
	default:
		s.value()
	}
}

// children steps over the children of an array or object, each meant for a type.
func (r *relaxer) children(next func() bool, typeOf func() reflect.Type) {
	defer r.scanner.leave(r.scanner.enter())
	for next() {
		r.value(typeOf())
	}
}

// memberType returns the type of the member that encoding/json chooses for a name; nil
// if there is none.
func memberType(members []member, name string) reflect.Type {
	var chosen *member
	if i := slices.IndexFunc(members, func(m member) bool { return m.name == name }); i >= 0 {
		chosen = &members[i]
	} else {
		chosen = named(members, name)
	}
	if chosen == nil {
		return nil
	}
	return chosen.t
}

// decodesItself reports whether encoding/json leaves values of a type to its methods.
func decodesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// relaxTime returns a time as time.Time takes it: what System.Text.Json writes and
// reads without an offset is taken for UTC, as it is in MessagePack.
func relaxTime(value []byte) ([]byte, bool) {
	text, ok := decodeString(value)
	if !ok {
		return nil, false
	}
	clock := "T00:00:00Z"
	const date = len("2006-01-02")
	if len(text) > date {
		rest := text[date:]
		end := strings.LastIndexAny(rest, "Z+-")
		offset := "Z"
		if end < 0 {
			end = len(rest)
		} else {
			offset = rest[end:]
		}
		clock = rest[:end]
		if len(clock) < len("T15:04") || clock[3] != ':' || strings.Contains(clock, ",") { // time.Parse would take these
			return nil, false
		}
		if len(clock) == len("T15:04") {
			clock += ":00"
		}
		clock += offset
	} else if len(text) < date {
		return nil, false
	}
	text = text[:date] + clock
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		return nil, false
	}
	out := append(make([]byte, 0, len(text)+2), '"')
	out = append(append(out, text...), '"')
	return out, string(out) != string(value)
}

// maxDigits is how many digits an integer of 64 bits has at most.
const maxDigits = 20

// wholeNumber returns a JSON number as an integer without a fraction or an exponent,
// and false if it is none, or has more digits than any integer type holds.
func wholeNumber(text string) (string, bool) {
	mantissa, e, hasExponent := strings.Cut(strings.ToLower(text), "e")
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	integer, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(integer+fraction, "0")
	if digits == "" {
		return "0", true
	}
	exponent := 0
	if hasExponent {
		n, err := strconv.ParseInt(e, 10, 32)
		if err != nil {
			return "", false
		}
		exponent = int(n)
	}
	exponent -= len(fraction)
	if zeros := len(digits) - len(strings.TrimRight(digits, "0")); exponent < 0 {
		if -exponent > zeros {
			return "", false
		}
		digits = digits[:len(digits)+exponent]
		exponent = 0
	}
	if len(digits) > maxDigits || exponent > maxDigits-len(digits) {
		return "", false
	}
	digits += strings.Repeat("0", exponent)
	if negative {
		digits = "-" + digits
	}
	return digits, true
}

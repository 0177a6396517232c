package protocol_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// decodable reports what the strictest of the clients refuse in one MessagePack value.
func decodable(value []byte) error {
	rest, err := decodableRest(value, 0, false)
	if err == nil && len(rest) > 0 {
		err = errors.New("more than one value")
	}
	return err
}

// decodableRest checks the value that b begins with, which lies in depth arrays and maps,
// and returns what follows it.
func decodableRest(b []byte, depth int, isKey bool) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, errors.New("no value")
	}
	c, b := b[0], b[1:]
	kind, size := "scalar", 0
	length := func(width int) {
		if len(b) < width {
			err = errors.New("no length")
			return
		}
		for _, digit := range b[:width] {
			size = size<<8 | int(digit)
		}
		b = b[width:]
	}
	isInteger := c < 0x80 || c >= 0xe0 || 0xcc <= c && c <= 0xd3
	switch {
	case c < 0x80, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
	case c < 0x90:
		kind, size = "map", int(c&0xf)
	case c < 0xa0:
		kind, size = "array", int(c&0xf)
	case c < 0xc0:
		kind, size = "str", int(c&0x1f)
	case c == 0xc1:
		return nil, errors.New("the unused code")
	case c <= 0xc6:
		kind = "bin"
		length(1 << (c - 0xc4))
	case c <= 0xc9:
		kind = "ext"
		length(1 << (c - 0xc7))
	case c <= 0xcb:
		size = 4 << (c - 0xca)
	case c <= 0xcf:
		size = 1 << (c - 0xcc)
	case c <= 0xd3:
		size = 1 << (c - 0xd0)
	case c <= 0xd8:
		kind, size = "ext", 1<<(c-0xd4)
	case c <= 0xdb:
		kind = "str"
		length(1 << (c - 0xd9))
	case c <= 0xdd:
		kind = "array"
		length(2 << (c - 0xdc))
	default:
		kind = "map"
		length(2 << (c - 0xde))
	}
	if err != nil {
		return nil, err
	}
	if isKey && kind != "str" && !isInteger {
		return nil, fmt.Errorf("the key %x", c)
	}
	if kind == "array" || kind == "map" {
		if depth == 64 {
			return nil, errors.New("too deep")
		}
		for range size {
			if kind == "map" {
				if b, err = decodableRest(b, depth+1, true); err != nil {
					return nil, err
				}
			}
			if b, err = decodableRest(b, depth+1, false); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	if kind == "ext" {
		size++
	}
	if len(b) < size {
		return nil, errors.New("no content")
	}
	content, b := b[:size], b[size:]
	switch {
	case kind == "str" && !utf8.Valid(content):
		return nil, errors.New("not UTF-8")
	case isKey && string(content) == "__proto__":
		return nil, errors.New("the key __proto__")
	case kind == "ext" && content[0] == 0xff && size != 5 && size != 9 && size != 13:
		return nil, fmt.Errorf("a timestamp of %d bytes", size-1)
	}
	return b, nil
}

// asIs is a value that the application encodes itself for MessagePack.
type asIs string

func (v asIs) MarshalMsgpack() ([]byte, error) { return []byte(v), nil }

func (asIs) UnmarshalMsgpack([]byte) error { return nil }

// textKey is a key that encodes itself as text.
type textKey struct{}

func (textKey) MarshalText() ([]byte, error) { return []byte("__proto__"), nil }

// outgoing are the places of a value in what the application sends.
var outgoing = []struct {
	name  string
	depth int
	in    func(v any) any
}{
	{"value", 0, func(v any) any { return v }},
	{"pointer", 0, func(v any) any { return &v }},
	{"slice", 1, func(v any) any { return []any{1, v} }},
	{"array", 1, func(v any) any { return [1]any{v} }},
	{"map", 1, func(v any) any { return map[string]any{"a": v} }},
	{"map of integers", 1, func(v any) any { return map[int]any{1: v} }},
	{"struct", 1, func(v any) any { return struct{ Member any }{v} }},
	{"pointer to a struct", 1, func(v any) any { return &struct{ Member any }{v} }},
	{"struct as an array", 1, func(v any) any {
		return struct {
			_      struct{} `msgpack:",as_array"`
			Member any
		}{Member: v}
	}},
	{"deep", 3, func(v any) any { return []any{map[string]any{"a": []any{v}}} }},
}

// JavaScript clients of MessagePack close the connection for the key __proto__, wherever
// it comes from. Those of JSON take it.
func TestMessagePackNeverHasTheProtoKey(t *testing.T) {
	t.Parallel()
	type tagged struct {
		Member int `json:"__proto__"`
	}
	type embedding struct{ tagged }
	const text = `{"a":1,"__proto__":{"b":2}}`
	asJSON, asMsgpack := protocol.NewJSON(), protocol.NewMessagePack()
	var decoded any
	require.NoError(t, asJSON.Unmarshal([]byte(text), &decoded))
	var unpacked any
	require.NoError(t, asMsgpack.Unmarshal(unhex(t, "81 a9 5f 5f 70 72 6f 74 6f 5f 5f 01"), &unpacked))
	for _, tt := range []struct {
		name  string
		value any
	}{
		{"map of strings", map[string]string{"__proto__": "a"}},
		{"map of any", map[string]any{"__proto__": nil}},
		{"map of a string type", map[json.Number]int{"__proto__": 1}},
		{"map of text keys", map[textKey]int{{}: 1}},
		{"any from JSON", decoded},
		{"any from MessagePack", unpacked},
		{"Raw from JSON", rawJSON(t, text)},
		{"Raw from JSON, escaped", rawJSON(t, `[{"\u005f_pro\u0074o__":1}]`)},
		{"RawMessage", json.RawMessage(text)},
		{"RawMessage, escaped", json.RawMessage(`{"\u005f_proto__":1}`)},
		{"RawMessages", []json.RawMessage{[]byte(text)}},
		{"member", tagged{1}},
		{"embedded member", embedding{tagged{1}}},
		{"MarshalMsgpack", asIs("\x81\xa9__proto__\x01")},
		{"MarshalMsgpack, inner", asIs("\x91\x81\x01\x81\xa9__proto__\x01")},
		{"MarshalMsgpack, long form", asIs("\x81\xd9\x09__proto__\x01")},
		{"MarshalMsgpack, longest form", asIs("\xdf\x00\x00\x00\x01\xdb\x00\x00\x00\x09__proto__\x01")},
		{"key with MarshalMsgpack", map[asIs]int{"\xda\x00\x09__proto__": 1}},
	} {
		for _, place := range outgoing {
			t.Run(tt.name+" in "+place.name, func(t *testing.T) {
				t.Parallel()
				value := place.in(tt.value)
				got, err := asMsgpack.AppendValue([]byte("before"), value)
				require.ErrorContains(t, err, "__proto__")
				require.Equal(t, "before", string(got))
				_, err = asJSON.AppendValue(nil, value)
				require.NoError(t, err)
			})
		}
	}
	var raw protocol.Raw
	require.NoError(t, asJSON.Unmarshal([]byte(text), &raw))
	got, err := asJSON.AppendValue(nil, raw)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
	_, err = asMsgpack.Append([]byte("before"), &protocol.Invocation{Target: "t", Headers: map[string]string{"__proto__": "a"}})
	require.ErrorContains(t, err, "__proto__")
}

// What is not the key of a map has no such effect.
func TestMessagePackTakesTheProtoText(t *testing.T) {
	t.Parallel()
	type asArray struct {
		_      struct{} `msgpack:",as_array"`
		Member int      `json:"__proto__"`
	}
	type omitted struct {
		Member int `json:"__proto__,omitempty"`
		Other  int
	}
	p := protocol.NewMessagePack()
	for _, value := range []any{
		"__proto__", []string{"__proto__"}, map[string]string{"a": "__proto__"}, map[string]int{"__proto": 1, "__proto__ ": 2, "proto": 3},
		json.RawMessage(`{"a":"__proto__"}`), rawJSON(t, `["__proto__",{"constructor":1}]`), asIs("\x91\xa9__proto__"), asIs("\x81\x01\xa9__proto__"),
		asIs("\x81\xa1a\xc4\x0a\x81\xa9__proto_"), asArray{Member: 1}, omitted{Other: 1},
	} {
		packed, err := p.AppendValue(nil, value)
		require.NoError(t, err, "%v", value)
		require.NoError(t, decodable(packed))
	}
}

// undecodable are MessagePack values that are well-formed, and that some client refuses
// to decode.
var undecodable = []string{
	"81 c0 01", "81 c2 01", "81 c3 01", "81 90 01", "81 91 01 01", "81 80 01", "81 c4 01 61 01", "81 ca 00 00 00 00 01",
	"81 cb 00 00 00 00 00 00 00 00 01", "81 d4 05 00 01", "81 d6 ff 38 6d 43 80 01", "82 a1 61 01 c0 02", "de 00 01 c0 01", "df 00 00 00 01 c0 01",
	"d4 ff 00", "d5 ff 00 00", "d8 ff 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", "c7 00 ff", "c7 03 ff 00 00 00", "c8 00 05 ff 00 00 00 00 00",
	"c9 00 00 00 01 ff 00", "d7 ff ff ff ff ff ff ff ff ff", "c7 0c ff ff ff ff ff 00 00 00 00 00 00 00 00",
	"a1 ff", "a2 c1 9f", "a3 ed a0 80", "d9 01 ff", "da 00 01 ff", "db 00 00 00 01 ff", "81 a1 ff 01", "81 01 a1 ff",
	"81 a9 5f 5f 70 72 6f 74 6f 5f 5f 01", "81 d9 09 5f 5f 70 72 6f 74 6f 5f 5f 01", "81 a1 61 81 a9 5f 5f 70 72 6f 74 6f 5f 5f 01",
}

// incoming are the places of a value in what a client sends: what comes before and after
// it, and the type it is read into.
var incoming = []struct {
	name          string
	depth         int
	before, after string
	target        func() any
}{
	{"argument", 0, "", "", func() any { return new(protocol.Raw) }},
	{"pointer", 0, "", "", func() any { return new(*protocol.Raw) }},
	{"slice", 1, "92 01", "", func() any { return new([]protocol.Raw) }},
	{"map", 1, "81 a1 61", "", func() any { return new(map[string]protocol.Raw) }},
	{"struct", 1, "82 a6 4d 65 6d 62 65 72", "a1 78 01", func() any { return new(relayed) }},
	{"pointer in a struct", 1, "81 a7 50 6f 69 6e 74 65 72", "", func() any { return new(relayed) }},
	{"inside a Raw", 3, "91 82 a1 61 01 07 92 01", "", func() any { return new(protocol.Raw) }},
}

// A client cannot make the others close their connections by a value that is passed on.
func TestRawHoldsOnlyWhatClientsDecode(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for _, digits := range undecodable {
		for _, place := range incoming {
			err := p.Unmarshal(unhex(t, place.before+digits+place.after), place.target())
			require.Error(t, err, "%s as %s", digits, place.name)
		}
		var raw protocol.Raw
		require.Error(t, raw.UnmarshalMsgpack(unhex(t, digits)), digits)
		for _, place := range outgoing {
			got, err := p.AppendValue([]byte("before"), place.in(asIs(unhex(t, digits))))
			require.Error(t, err, "%s in %s", digits, place.name)
			require.Equal(t, "before", string(got))
		}
	}
	for _, digits := range []string{
		"c0", "c3", "d4 05 00", "d4 fe 00", "c7 00 05", "d6 ff 38 6d 43 80", "d7 ff 1d 6f 32 f0 69 81 73 f2", "c7 0c ff 00 00 00 00 7f ff ff ff ff ff ff ff",
		"84 01 a1 61 cc ff 01 d1 ff fe c3 a1 61 c0", "a2 c3 a9", "cb 7f f8 00 00 00 00 00 00", "c4 01 ff", "81 a0 01", "80", "90",
		strings.Repeat("91", 59) + "c0",
	} {
		require.NoError(t, decodable(unhex(t, digits)))
		for _, place := range incoming {
			received := place.target()
			require.NoError(t, p.Unmarshal(unhex(t, place.before+digits+place.after), received), "%s as %s", digits, place.name)
			got, err := p.AppendValue(nil, received)
			require.NoError(t, err, "%s as %s", digits, place.name)
			require.Contains(t, string(got), string(unhex(t, digits)))
		}
		for _, place := range outgoing {
			got, err := p.AppendValue(nil, place.in(asIs(unhex(t, digits))))
			require.NoError(t, err, "%s in %s", digits, place.name)
			require.Contains(t, string(got), string(unhex(t, digits)))
		}
	}
}

// marshaled is a value that the application encodes itself for JSON.
type marshaled string

func (v marshaled) MarshalJSON() ([]byte, error) { return []byte(v), nil }

// A value that is sent nests as deep as .NET clients take it in the arguments of a message,
// of which they take 64 levels; one from a client nests 64 levels. Whatever it is made of.
func TestValuesNestAsDeepAsClientsTake(t *testing.T) {
	t.Parallel()
	arrays := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "0" + strings.Repeat("}", n) }
	list := func(n int) any {
		var v any
		for range n {
			v = []any{v}
		}
		return v
	}
	asMap := func(n int) any {
		var v any
		for range n {
			v = map[string]any{"a": v}
		}
		return v
	}
	type node struct{ Next any }
	structs := func(n int) any {
		var v any
		for range n {
			v = &node{v}
		}
		return v
	}
	raw := func(text string) any {
		var raw protocol.Raw
		if raw.UnmarshalJSON([]byte(text)) != nil {
			return nil // it cannot be had
		}
		return raw
	}
	packed := func(n int) any {
		var raw protocol.Raw
		if raw.UnmarshalMsgpack([]byte(strings.Repeat("\x91", n)+"\xc0")) != nil {
			return nil
		}
		return raw
	}
	both := []protocol.Protocol{protocol.NewJSON(), protocol.NewMessagePack()}
	for _, tt := range []struct {
		name      string
		of        func(n int) any
		protocols []protocol.Protocol
	}{
		{"RawMessage", func(n int) any { return json.RawMessage(arrays(n)) }, both},
		{"RawMessage of objects", func(n int) any { return json.RawMessage(objects(n)) }, both},
		{"Raw from JSON", func(n int) any { return raw(arrays(n)) }, both},
		{"Raw from JSON of objects", func(n int) any { return raw(objects(n)) }, both},
		{"Raw from MessagePack", packed, both},
		{"slices", list, both}, {"maps", asMap, both}, {"structs", structs, both},
		{"MarshalJSON", func(n int) any { return marshaled(objects(n)) }, both[:1]},
		{"MarshalMsgpack", func(n int) any { return asIs(strings.Repeat("\x91", n) + "\xc0") }, both[1:]},
		{"MarshalMsgpack of maps", func(n int) any { return asIs(strings.Repeat("\x81\x01", n) + "\xc0") }, both[1:]},
	} {
		for _, place := range outgoing {
			t.Run(tt.name+" in "+place.name, func(t *testing.T) {
				t.Parallel()
				for _, p := range tt.protocols {
					least := 62 - place.depth
					if p.Name() == "json" && place.name == "struct as an array" {
						least = 61 // an object there
					}
					got, err := p.AppendValue(nil, place.in(tt.of(least)))
					require.NoError(t, err, p.Name())
					if p.Name() == "json" {
						message, err := p.Append(nil, &protocol.Invocation{Target: "t", Arguments: [][]byte{got}})
						require.NoError(t, err)
						require.Equal(t, 64, depth(message))
					} else {
						require.NoError(t, decodable(got))
					}
					for _, n := range []int{least + 1, 70, 900} {
						v := tt.of(n)
						if v == nil {
							continue
						}
						got, err := p.AppendValue([]byte("before"), place.in(v))
						require.Error(t, err, "%d in %s", n, p.Name())
						require.Equal(t, "before", string(got))
					}
				}
			})
		}
	}

	type holder struct{ A json.RawMessage }
	for _, tt := range []struct {
		name   string
		target func() any
		in     string
	}{
		{"any", func() any { return new(any) }, `X`},
		{"filled any", func() any { v := any(new(any)); return &v }, `X`},
		{"RawMessage", func() any { return new(json.RawMessage) }, `X`},
		{"Raw", func() any { return new(protocol.Raw) }, `X`},
		{"RawMessages", func() any { return new([]json.RawMessage) }, `[X]`},
		{"Raws", func() any { return new([]protocol.Raw) }, `[X]`},
		{"slice", func() any { return new([]any) }, `[X]`},
		{"map", func() any { return new(map[string]any) }, `{"a":X}`},
		{"map of RawMessages", func() any { return new(map[string]json.RawMessage) }, `{"a":X}`},
		{"struct", func() any { return new(holder) }, `{"A":X}`},
		{"skipped", func() any { return new(holder) }, `{"b":X}`},
		{"time beside it", func() any { return new(struct{ At time.Time }) }, `{"At":"2026-11-28","b":X}`},
	} {
		t.Run("into "+tt.name, func(t *testing.T) {
			t.Parallel()
			most := 64 - depth([]byte(strings.Replace(tt.in, "X", "0", 1)))
			for _, value := range []func(int) string{arrays, objects} {
				require.NoError(t, both[0].Unmarshal([]byte(strings.Replace(tt.in, "X", value(most), 1)), tt.target()))
				for _, n := range []int{most + 1, 70, 1000, 5000} {
					err := both[0].Unmarshal([]byte(strings.Replace(tt.in, "X", value(n), 1)), tt.target())
					require.ErrorContains(t, err, "too deep", "%d", n)
				}
			}
		})
	}
}

// Neither brackets in texts nor arrays beside each other nest.
func TestWideValuesAreNotDeep(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	for _, text := range []string{
		`"` + strings.Repeat("[{", 100) + `"`, `["\"` + strings.Repeat("[{", 100) + `\\"]`, `{"` + strings.Repeat(`[\"`, 100) + `":[]}`,
		"[" + strings.Repeat("[{}],", 100) + "[]]", `["]]]]"` + strings.Repeat(",[[]]", 100) + `]`,
	} {
		for _, target := range []any{new(any), new(json.RawMessage), new(protocol.Raw)} {
			require.NoError(t, p.Unmarshal([]byte(text), target), text)
			got, err := p.AppendValue(nil, target)
			require.NoError(t, err, text)
			require.JSONEq(t, text, string(got))
		}
	}
	deep := `["]]]]",` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `]`
	require.Error(t, p.Unmarshal([]byte(deep), new(json.RawMessage)))
	_, err := p.AppendValue(nil, json.RawMessage(deep))
	require.Error(t, err)
}

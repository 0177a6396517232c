package protocol_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

func rawJSON(tb testing.TB, value string) protocol.Raw {
	tb.Helper()
	var raw protocol.Raw
	require.NoError(tb, raw.UnmarshalJSON([]byte(value)))
	return raw
}

func rawMsgpack(tb testing.TB, digits string) protocol.Raw {
	tb.Helper()
	var raw protocol.Raw
	require.NoError(tb, raw.UnmarshalMsgpack(unhex(tb, digits)))
	return raw
}

func jsonOf(tb testing.TB, raw protocol.Raw) string {
	tb.Helper()
	value, err := raw.MarshalJSON()
	require.NoError(tb, err)
	return string(value)
}

func msgpackOf(tb testing.TB, raw protocol.Raw) []byte {
	tb.Helper()
	value, err := raw.MarshalMsgpack()
	require.NoError(tb, err)
	return value
}

// relayed holds raw values in all positions.
type relayed struct {
	Member  protocol.Raw
	Pointer *protocol.Raw
	List    []protocol.Raw
	Map     map[string]protocol.Raw
}

// positions are the ways in which a method can hold what a client has sent. Each
// template has the value at the place of its X.
var positions = []struct {
	name     string
	template string
	target   func() any
}{
	{"argument", `X`, func() any { return new(protocol.Raw) }},
	{"RawMessage", `X`, func() any { return new(json.RawMessage) }},
	{"struct", `{"Member":X,"Pointer":X,"List":[X,X],"Map":{"a":X}}`, func() any { return new(relayed) }},
	{"slice", `[X,X]`, func() any { return new([]protocol.Raw) }},
	{"slice of RawMessages", `[X,X]`, func() any { return new([]json.RawMessage) }},
	{"map", `{"a":X}`, func() any { return new(map[string]protocol.Raw) }},
	{"map of RawMessages", `{"a":X}`, func() any { return new(map[string]json.RawMessage) }},
}

// Values that mean the same in both protocols.
var transcoded = []struct{ json, msgpack string }{
	{`null`, "c0"}, {`true`, "c3"}, {`false`, "c2"},
	{`0`, "00"}, {`49`, "31"}, {`-1`, "ff"}, {`255`, "cc ff"}, {`-70000`, "d2 ff fe ee 90"},
	{`9223372036854775807`, "cf 7f ff ff ff ff ff ff ff"}, {`18446744073709551615`, "cf ff ff ff ff ff ff ff ff"},
	{`-9223372036854775808`, "d3 80 00 00 00 00 00 00 00"},
	{`1.5`, "cb 3f f8 00 00 00 00 00 00"}, {`1e+300`, "cb 7e 37 e4 3c 88 00 75 9c"},
	{`""`, "a0"}, {`"1e"`, "a2 31 65"}, {`"é\n\u001e😀"`, "a8 c3 a9 0a 1e f0 9f 98 80"},
	{`"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, "d9 28" + strings.Repeat("61", 40)},
	{`[]`, "90"}, {`[1,[2,[]],{}]`, "93 01 92 02 90 80"}, {`{"a":{"b":[null]},"c":"d"}`, "82 a1 61 81 a1 62 91 c0 a1 63 a1 64"},
	{`[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]`, "dc 00 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10"},
}

// What a client of one protocol has sent reaches those of both, wherever it is.
func TestRawIsTranscoded(t *testing.T) {
	t.Parallel()
	asJSON, asMsgpack := protocol.NewJSON(), protocol.NewMessagePack()
	for _, tt := range transcoded {
		for _, position := range positions {
			t.Run(position.name+" "+tt.json, func(t *testing.T) {
				t.Parallel()
				value := strings.ReplaceAll(position.template, "X", tt.json)
				packed, err := asMsgpack.AppendValue(nil, rawJSON(t, strings.ReplaceAll(position.template, "X", `"X"`)))
				require.NoError(t, err)
				packed = bytes.ReplaceAll(packed, []byte("\xa1X"), unhex(t, tt.msgpack))

				for _, sent := range []struct {
					by    protocol.Protocol
					value []byte
				}{{asJSON, []byte(value)}, {asMsgpack, packed}} {
					received := position.target()
					require.NoError(t, sent.by.Unmarshal(sent.value, received))
					got, err := asJSON.AppendValue(nil, received)
					require.NoError(t, err)
					require.Equal(t, value, string(got), "from %s to JSON", sent.by.Name())
					got, err = asMsgpack.AppendValue(nil, received)
					require.NoError(t, err)
					require.Equal(t, packed, got, "from %s to MessagePack", sent.by.Name())
				}
			})
		}
	}
}

// A value that exists in one protocol only has its like in the other one.
func TestRawTranscodesToTheLike(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ msgpack, json string }{
		{"c4 03 01 02 ff", `"AQL/"`}, {"c4 00", `""`},
		{"d6 ff 38 6d 43 80", `"2000-01-01T00:00:00Z"`}, {"d7 ff 1d 6f 32 f0 69 81 73 f2", `"2026-02-03T04:05:06.1234567Z"`},
		{"cb 40 14 00 00 00 00 00 00", `5`}, {"ca 3d cc cc cd", `0.1`}, {"d0 05", `5`},
		{"82 01 a1 61 d1 ff fe c3", `{"1":"a","-2":true}`},
	} {
		require.Equal(t, tt.json, jsonOf(t, rawMsgpack(t, tt.msgpack)))
	}
	for _, tt := range []struct{ json, msgpack string }{
		{`5.0`, "cb 40 14 00 00 00 00 00 00"}, {`18446744073709551616`, "cb 43 f0 00 00 00 00 00 00"}, {"\t[ 1 , 2 ]\n", "92 01 02"},
		{`"\ud800"`, "a3 ef bf bd"}, {`{"\u0061":1,"a":2}`, "82 a1 61 01 a1 61 02"},
	} {
		require.Equal(t, unhex(t, tt.msgpack), msgpackOf(t, rawJSON(t, tt.json)))
	}
}

func TestRawRefusesWhatTheOtherProtocolCannotSay(t *testing.T) {
	t.Parallel()
	for _, digits := range []string{"cb 7f f8 00 00 00 00 00 00", "ca 7f 80 00 00", "d4 05 00", "c7 0c ff 00 00 00 00 7f ff ff ff ff ff ff ff", "91 d4 05 00", "81 a1 61 d4 05 00"} {
		value, err := protocol.NewJSON().AppendValue([]byte("before"), rawMsgpack(t, digits))
		require.Error(t, err, digits)
		require.Equal(t, "before", string(value))
	}
	for _, text := range []string{`1e400`, `[{"a":-1e999}]`} {
		for _, v := range []any{rawJSON(t, text), json.RawMessage(text)} {
			value, err := protocol.NewMessagePack().AppendValue([]byte("before"), v)
			require.Error(t, err, text)
			require.Equal(t, "before", string(value))
		}
	}
}

func TestRawTakesNothingMalformed(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	for _, text := range []string{"", " ", "{", "1 2", "\"\xff\"", "\x93\x01\x02\x03", "1\x1e", "\v1", deep} {
		raw := rawJSON(t, "1")
		require.Error(t, raw.UnmarshalJSON([]byte(text)), "%q", text)
		require.Equal(t, "1", jsonOf(t, raw))
		require.Error(t, protocol.NewJSON().Unmarshal([]byte(text), &raw), "%q", text)
		require.Equal(t, "1", jsonOf(t, raw))
		_, err := protocol.NewMessagePack().AppendValue(nil, json.RawMessage(text))
		require.Error(t, err, "%q", text)
	}
	for _, digits := range []string{"", "c1", "92 01", "01 02", strings.Repeat("91", 65) + "c0"} {
		raw := rawMsgpack(t, "01")
		require.Error(t, raw.UnmarshalMsgpack(unhex(t, digits)), digits)
		require.Error(t, protocol.NewMessagePack().Unmarshal(unhex(t, digits), &raw), digits)
		require.Equal(t, []byte{1}, msgpackOf(t, raw))
	}
	require.Equal(t, "null", jsonOf(t, protocol.Raw{}))
	require.Equal(t, []byte{0xc0}, msgpackOf(t, protocol.Raw{}))
}

// A RawMessage of the application is a value, not bytes.
func TestMessagePackWritesRawMessagesAsValues(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for _, tt := range []struct {
		value any
		wire  string
	}{
		{json.RawMessage(` {"a": [1]} `), "81 a1 61 91 01"}, {json.RawMessage(nil), "c0"}, {&[]json.RawMessage{json.RawMessage("1")}, "91 01"},
		{json.Number("12"), "0c"}, {json.Number(""), "00"}, {json.Number("1.5"), "cb 3f f8 00 00 00 00 00 00"}, {map[string]any{"n": json.Number("-1")}, "81 a1 6e ff"},
	} {
		got, err := p.AppendValue(nil, tt.value)
		require.NoError(t, err)
		require.Equal(t, unhex(t, tt.wire), got)
	}
	_, err := p.AppendValue(nil, json.Number("1x"))
	require.Error(t, err)
}

func TestMessagePackReadsNumbers(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for digits, want := range map[string]json.Number{
		"0c": "12", "ff": "-1", "cf ff ff ff ff ff ff ff ff": "18446744073709551615", "cb 3f f8 00 00 00 00 00 00": "1.5", "a4 31 2e 31 30": "1.10", "c0": "kept",
	} {
		got := json.Number("kept")
		require.NoError(t, p.Unmarshal(unhex(t, digits), &got), digits)
		require.Equal(t, want, got)
	}
	for _, digits := range []string{"c3", "a1 61", "a0", "90", "a3 22 31 22", "c4 01 31", "cb 7f f8 00 00 00 00 00 00"} {
		require.Error(t, p.Unmarshal(unhex(t, digits), new(json.Number)), digits)
	}
}

// Whatever a client sends is sent to the others well-formed, or not at all; and
// what can be transcoded is the same when it is transcoded back.
func FuzzRaw(f *testing.F) {
	for _, tt := range transcoded {
		f.Add([]byte(tt.json))
		f.Add(unhex(f, tt.msgpack))
	}
	for _, wire := range []string{"1e400", "5.0", "\"\\ud800\"", "\xca\x7f\x80\x00\x00", "\x81\x01\xc0", "\xa1\xff", "\x81\xa9__proto__\x01", "\xd4\xff\x00", "\x81\xc0\x01", `{"__proto__":1}`, "\xd6\xff\x38\x6d\x43\x80", "\xd4\x05\x00"} {
		f.Add([]byte(wire))
	}
	asJSON, asMsgpack := protocol.NewJSON(), protocol.NewMessagePack()
	f.Fuzz(func(t *testing.T, value []byte) {
		var raw, again protocol.Raw
		if raw.UnmarshalJSON(value) == nil {
			if packed, err := asMsgpack.AppendValue(nil, raw); err == nil {
				require.NoError(t, decodable(packed))
				require.NoError(t, again.UnmarshalMsgpack(packed))
				back, err := asJSON.AppendValue(nil, again)
				require.NoError(t, err)
				require.NoError(t, again.UnmarshalJSON(back))
				// A float may have turned into the integer that it is.
				var before, after any
				require.NoError(t, json.Unmarshal(value, &before))
				require.NoError(t, json.Unmarshal(back, &after))
				require.Equal(t, before, after)
			}
		}
		if raw.UnmarshalMsgpack(value) == nil {
			packed, err := asMsgpack.AppendValue(nil, raw)
			require.NoError(t, err)
			require.Equal(t, value, packed)
			require.NoError(t, decodable(packed))
			if text, err := asJSON.AppendValue(nil, raw); err == nil {
				require.True(t, json.Valid(text))
				require.NoError(t, again.UnmarshalJSON(text))
				packed, err := asMsgpack.AppendValue(nil, again)
				require.NoError(t, err)
				require.NoError(t, decodable(packed))
			}
		}
		// The application's own encoding is held to the same rules.
		packed, err := asMsgpack.AppendValue(nil, asIs(value))
		require.Equal(t, raw.UnmarshalMsgpack(value) == nil, err == nil)
		if err == nil {
			require.NoError(t, decodable(packed))
		}
	})
}

func BenchmarkRaw(b *testing.B) {
	text, err := json.Marshal(newPayload())
	require.NoError(b, err)
	raw := rawJSON(b, string(text))
	for _, p := range protocols {
		b.Run("to "+p.Name(), func(b *testing.B) {
			dst := make([]byte, 0, 1024)
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := p.AppendValue(dst, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The check of a message to be UTF-8 is a small part of reading it.
func BenchmarkParseUTF8(b *testing.B) {
	p := protocol.NewJSON()
	for _, size := range []int{32, 1 << 10, 64 << 10} {
		for name, letter := range map[string]string{"ascii": "a", "cyrillic": "я"} {
			text := strings.Repeat(letter, size/len(letter))
			value, err := p.AppendValue(nil, text)
			require.NoError(b, err)
			frame := frameOf(b, p, &protocol.Invocation{Target: "Send", Arguments: [][]byte{value}})
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(frame)))
				for b.Loop() {
					if _, err := p.Parse(frame); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

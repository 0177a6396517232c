package protocol_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// unhex turns hexadecimal digits, spaced as you like, into bytes.
func unhex(tb testing.TB, digits string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	require.NoError(tb, err)
	return b
}

// hexRaws turns encoded values into what Parse returns.
func hexRaws(values ...string) [][]byte {
	var list [][]byte
	for _, v := range values {
		b, err := hex.DecodeString(v)
		if err != nil {
			panic(err)
		}
		list = append(list, b)
	}
	return list
}

// msgpackGolden are messages and their only spelling by this package, with the
// length before it (reference 5.2).
var msgpackGolden = []struct {
	name string
	wire string
	m    protocol.Message
}{
	{"ping", "02 91 06", &protocol.Ping{}},
	{"invocation", "0f 96 01 80 c0 a4 74 69 63 6b 92 07 a2 c3 a9 90",
		&protocol.Invocation{Target: "tick", Arguments: hexRaws("07", "a2c3a9")}},
	{"client result request", "0c 96 01 80 a2 73 31 a3 61 73 6b 90 90",
		&protocol.Invocation{InvocationID: "s1", Target: "ask"}},
	{"stream invocation", "0c 96 04 80 a1 37 a3 61 73 6b 91 0a 90",
		&protocol.Invocation{InvocationID: "7", Target: "ask", Arguments: hexRaws("0a"), Stream: true}},
	{"invocation with all", "17 96 01 82 a1 61 a1 31 a1 62 a1 32 a1 78 a1 74 91 c0 92 a1 31 a2 32 32",
		&protocol.Invocation{
			Headers:      map[string]string{"b": "2", "a": "1"},
			InvocationID: "x", Target: "t", Arguments: hexRaws("c0"), StreamIDs: []string{"1", "22"},
		}},
	{"item", "08 94 02 80 a1 34 92 c3 c0", &protocol.StreamItem{InvocationID: "4", Item: hexRaws("92c3c0")[0]}},
	{"null result", "07 95 03 80 a1 34 03 c0", &protocol.Completion{InvocationID: "4", Result: hexRaws("c0")[0]}},
	{"error", "09 95 03 80 a1 34 01 a2 6e 6f", &protocol.Completion{InvocationID: "4", Error: "no"}},
	{"stream finished", "06 94 03 80 a1 34 02", &protocol.Completion{InvocationID: "4"}},
	{"cancel", "05 93 05 80 a1 34", &protocol.CancelInvocation{InvocationID: "4"}},
	{"cancel with headers", "09 93 05 81 a1 6b a1 76 a1 34",
		&protocol.CancelInvocation{Headers: map[string]string{"k": "v"}, InvocationID: "4"}},
	{"close", "04 93 07 c0 c2", &protocol.Close{}},
	{"close, reconnect allowed", "04 93 07 c0 c3", &protocol.Close{AllowReconnect: true}},
	{"close with error", "07 93 07 a3 62 79 65 c2", &protocol.Close{Error: "bye"}},
	{"ack", "05 92 08 cd 01 2c", &protocol.Ack{SequenceID: 300}},
	{"sequence", "03 92 09 01", &protocol.Sequence{SequenceID: 1}},
}

func TestMessagePackGolden(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for _, tt := range msgpackGolden {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			want := unhex(t, tt.wire)
			wire, err := p.Append([]byte("before"), tt.m)
			require.NoError(t, err)
			require.Equal(t, append([]byte("before"), want...), wire)

			frame, rest, err := p.Split(want, len(want))
			require.NoError(t, err)
			require.Empty(t, rest)
			m, err := p.Parse(frame)
			require.NoError(t, err)
			require.Equal(t, tt.m, m)
		})
	}
}

// Lists of any length are written, and read as they were.
func TestMessagePackManyArguments(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for n, head := range map[int]string{15: "9f", 16: "dc 00 10", 65535: "dc ff ff", 65536: "dd 00 01 00 00"} {
		m := &protocol.Invocation{Target: "t", Arguments: make([][]byte, n)}
		for i := range m.Arguments {
			m.Arguments[i] = []byte{7}
		}
		frame := frameOf(t, p, m)
		start := append(unhex(t, "96 01 80 c0 a1 74"), unhex(t, head)...)
		require.Equal(t, start, frame[:len(start)])
		again, err := p.Parse(frame)
		require.NoError(t, err)
		require.Equal(t, m, again)
	}
}

// Other spellings that a client may choose; frames without their length.
func TestMessagePackParseTolerates(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		wire string
		want protocol.Message
	}{
		{"close as JavaScript sends it", "92 07 c0", &protocol.Close{}},
		{"invocation as JavaScript sends it without streams", "95 01 80 a1 30 a1 74 91 07",
			&protocol.Invocation{InvocationID: "0", Target: "t", Arguments: hexRaws("07")}},
		{"stream invocation without streams", "95 04 80 a1 30 a1 74 90",
			&protocol.Invocation{InvocationID: "0", Target: "t", Stream: true}},
		{"empty id is none", "95 01 80 a0 a1 74 90", &protocol.Invocation{Target: "t"}},
		{"ids in longer forms", "93 05 de 00 00 d9 01 34", &protocol.CancelInvocation{InvocationID: "4"}},
		{"message in the longest form", "dd 00 00 00 01 d3 00 00 00 00 00 00 00 06", &protocol.Ping{}},
		{"ping with more", "93 06 80 c3", &protocol.Ping{}},
		{"invocation with more", "98 01 80 c0 a1 74 90 90 81 a1 61 90 c3", &protocol.Invocation{Target: "t"}},
		{"item with more", "95 02 80 a1 34 01 02", &protocol.StreamItem{InvocationID: "4", Item: hexRaws("01")[0]}},
		{"void with more", "95 03 80 a1 34 02 c0", &protocol.Completion{InvocationID: "4"}},
		{"value with more", "96 03 80 a1 34 03 07 c0", &protocol.Completion{InvocationID: "4", Result: hexRaws("07")[0]}},
		{"cancel with more", "94 05 80 a1 34 c0", &protocol.CancelInvocation{InvocationID: "4"}},
		{"close with more", "94 07 a1 65 c3 c0", &protocol.Close{Error: "e", AllowReconnect: true}},
		{"close with empty error", "92 07 a0", &protocol.Close{}},
		{"ack of any width", "92 08 cf 00 00 00 00 00 00 00 05", &protocol.Ack{SequenceID: 5}},
		{"ack of any sign", "92 08 d1 00 05", &protocol.Ack{SequenceID: 5}},
		{"negative sequence", "92 09 ff", &protocol.Sequence{SequenceID: -1}},
		{"sequence with more", "93 09 01 c0", &protocol.Sequence{SequenceID: 1}},
		{"nils for what may be absent", "96 01 c0 c0 a1 74 c0 c0", &protocol.Invocation{Target: "t"}},
		{"nils in a stream invocation", "96 04 c0 a1 34 a1 74 c0 c0", &protocol.Invocation{InvocationID: "4", Target: "t", Stream: true}},
		{"nil headers of an item", "94 02 c0 a1 34 c0", &protocol.StreamItem{InvocationID: "4", Item: hexRaws("c0")[0]}},
		{"nil headers of a completion", "94 03 c0 a1 34 02", &protocol.Completion{InvocationID: "4"}},
		{"nil headers of a cancellation", "93 05 c0 a1 34", &protocol.CancelInvocation{InvocationID: "4"}},
		{"unknown type", "93 0a 80 c0", &protocol.Unknown{Kind: 10}},
		{"unknown negative type", "91 ff", &protocol.Unknown{Kind: -1}},
		{"unknown type zero", "91 00", &protocol.Unknown{}},
		{"more arguments than usual", "95 01 80 c0 a1 74 99 00 01 02 03 04 05 06 07 08",
			&protocol.Invocation{Target: "t", Arguments: hexRaws("00", "01", "02", "03", "04", "05", "06", "07", "08")}},
		{"extensions are left to the value", "94 02 80 a1 34 d4 05 01",
			&protocol.StreamItem{InvocationID: "4", Item: hexRaws("d40501")[0]}},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := p.Parse(unhex(t, tt.wire))
			require.NoError(t, err)
			require.Equal(t, tt.want, m)
		})
	}
}

func TestMessagePackParseRefuses(t *testing.T) {
	t.Parallel()
	failed := func(field, kind string) string { return "Reading '" + field + "' as " + kind + " failed." }
	missing := func(field string) string { return "Missing required property '" + field + "'." }
	const emptyHeader = "Header names and values must not be empty."
	tests := []struct{ name, wire, detail string }{
		{"nothing", "", failed("message", "Array")},
		{"a map", "80", failed("message", "Array")},
		{"nil", "c0", failed("message", "Array")},
		{"unused code", "c1", failed("message", "Array")},
		{"empty array", "90", missing("type")},
		{"claimed array", "dd ff ff ff ff 06", failed("message", "Array")},
		{"short array", "92 06", failed("message", "Array")},
		{"type is nil", "91 c0", failed("type", "Integer")},
		{"type is a string", "91 a1 36", failed("type", "Integer")},
		{"type is a float", "91 ca 40 c0 00 00", failed("type", "Integer")},
		{"type is enormous", "91 cf ff ff ff ff ff ff ff ff", failed("type", "Integer")},
		{"type is large", "91 ce ff ff ff ff", failed("type", "Int32")},
		{"data after the message", "91 06 c0", "Unexpected data after the message."},
		{"malformed extra item", "92 06 c1", "Reading 'item' failed."},
		{"malformed item of an unknown type", "92 0a c1", "Reading 'item' failed."},

		{"no headers", "91 05", missing("headers")},
		{"array of headers", "93 05 90 a1 34", "Reading map length for 'headers' failed."},
		{"claimed headers", "93 05 df ff ff ff ff a1 34", failed("headers", "Map")},
		{"number as header name", "93 05 81 01 a1 61 a1 34", failed("headers", "String")},
		{"number as header value", "93 05 81 a1 61 01 a1 34", failed("headers", "String")},
		{"nil as header value", "93 05 81 a1 61 c0 a1 34", failed("headers", "String")},
		{"bin as header value", "93 05 81 a1 61 c4 01 61 a1 34", failed("headers", "String")},
		{"empty header name", "93 05 81 a0 a1 61 a1 34", emptyHeader},
		{"empty header value", "93 05 81 a1 61 a0 a1 34", emptyHeader},

		{"no id", "92 05 80", missing("invocationId")},
		{"nil id", "93 05 80 c0", missing("invocationId")},
		{"empty id", "93 05 80 a0", missing("invocationId")},
		{"number as id", "93 05 80 04", failed("invocationId", "String")},
		{"bin as id", "93 05 80 c4 01 34", failed("invocationId", "String")},
		{"id that is not UTF-8", "93 05 80 a1 ff", failed("invocationId", "String")},
		{"id of a claimed length", "93 05 80 db ff ff ff ff 34", failed("invocationId", "String")},
		{"stream without id", "95 04 80 c0 a1 74 90", missing("invocationId")},
		{"number as id of a call", "95 01 80 04 a1 74 90", failed("invocationId", "String")},

		{"no target", "93 01 80 c0", missing("target")},
		{"nil target", "95 01 80 c0 c0 90", missing("target")},
		{"empty target", "95 01 80 c0 a0 90", missing("target")},
		{"no arguments", "94 01 80 c0 a1 74", missing("arguments")},
		{"map of arguments", "95 01 80 c0 a1 74 80", "Reading array length for 'arguments' failed."},
		{"claimed arguments", "95 01 80 c0 a1 74 dd ff ff ff ff", failed("arguments", "Array")},
		{"malformed argument", "95 01 80 c0 a1 74 91 c1", "Reading 'arguments' failed."},
		{"number as stream id", "96 01 80 c0 a1 74 90 91 01", failed("streamIds", "String")},
		{"nil as stream id", "96 01 80 c0 a1 74 90 91 c0", failed("streamIds", "String")},

		{"no item", "93 02 80 a1 34", missing("item")},
		{"malformed item", "94 02 80 a1 34 c1", "Reading 'item' failed."},
		{"no result kind", "93 03 80 a1 34", missing("resultKind")},
		{"nil result kind", "94 03 80 a1 34 c0", failed("resultKind", "Integer")},
		{"result kind 0", "94 03 80 a1 34 00", "Invalid invocation result kind."},
		{"result kind 4", "95 03 80 a1 34 04 c0", "Invalid invocation result kind."},
		{"no error", "94 03 80 a1 34 01", missing("error")},
		{"nil error", "95 03 80 a1 34 01 c0", failed("error", "String")},
		{"number as error", "95 03 80 a1 34 01 05", failed("error", "String")},
		{"no result", "94 03 80 a1 34 03", missing("result")},
		{"malformed result", "95 03 80 a1 34 03 c1", "Reading 'result' failed."},
		{"close without error", "91 07", missing("error")},
		{"close with number", "92 07 05", failed("error", "String")},
		{"close with nil", "93 07 c0 c0", failed("allowReconnect", "Boolean")},
		{"no sequence id", "91 08", missing("sequenceId")},
		{"nil sequence id", "92 08 c0", failed("sequenceId", "Integer")},
		{"float as sequence id", "92 09 cb 3f f0 00 00 00 00 00 00", failed("sequenceId", "Integer")},
		{"sequence id beyond int64", "92 09 cf ff ff ff ff ff ff ff ff", failed("sequenceId", "Integer")},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := p.Parse(unhex(t, tt.wire))
			require.Nil(t, m)
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.detail, refused.Detail)
		})
	}
}

// A message is refused wherever it breaks off.
func TestMessagePackParseRefusesEveryPrefix(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for _, tt := range msgpackGolden {
		frame := unhex(t, tt.wire)[1:]
		for n := range frame {
			_, err := p.Parse(frame[:n])
			require.Error(t, err, "%s: %d bytes", tt.name, n)
		}
	}
}

func TestMessagePackParseBoundsDepth(t *testing.T) {
	t.Parallel()
	arrays := func(n int) string { return strings.Repeat("91", n) + "c0" }
	maps := func(n int) string { return strings.Repeat("8101", n) + "c0" }
	empty := func(n int) string { return strings.Repeat("91", n-1) + "90" }
	p := protocol.NewMessagePack()
	for _, envelope := range []string{"950180c0a17491", "940280a134", "950380a13403", "920a"} {
		for _, value := range []func(int) string{arrays, maps, empty} {
			_, err := p.Parse(unhex(t, envelope+value(64)))
			require.NoError(t, err)
			_, err = p.Parse(unhex(t, envelope+value(65)))
			require.Error(t, err)
		}
	}
}

func TestMessagePackAppendRefuses(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	cases := append(unwritable[:len(unwritable):len(unwritable)],
		struct {
			name string
			m    protocol.Message
		}{"empty header value", &protocol.CancelInvocation{InvocationID: "1", Headers: map[string]string{"a": ""}}},
		struct {
			name string
			m    protocol.Message
		}{"empty header name", &protocol.Invocation{Target: "t", Headers: map[string]string{"": "a"}}},
	)
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dst, err := p.Append([]byte("before"), tt.m)
			require.Error(t, err)
			require.Equal(t, "before", string(dst))
		})
	}
}

// The length before the message, at each size where it grows (reference 5.1).
func TestMessagePackLength(t *testing.T) {
	t.Parallel()
	tests := []struct {
		size   int
		prefix string
	}{
		{127, "7f"}, {128, "80 01"}, {16383, "ff 7f"}, {16384, "80 80 01"}, {2097151, "ff ff 7f"}, {2097152, "80 80 80 01"},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(tt.prefix, func(t *testing.T) {
			t.Parallel()
			// [7, error, false] has 3 bytes besides the error, which has 2, 3 or 5
			// bytes before its text.
			head := 5
			if tt.size-3 > 0xffff {
				head = 8
			} else if tt.size-3 > 0xff {
				head = 6
			}
			m := &protocol.Close{Error: strings.Repeat("x", tt.size-head)}
			wire, err := p.Append([]byte("before"), m)
			require.NoError(t, err)
			require.Equal(t, "before"+string(unhex(t, tt.prefix))+"\x93\x07", string(wire[:6+len(unhex(t, tt.prefix))+2]))
			wire = wire[6:]

			frame, rest, err := p.Split(wire, len(wire))
			require.NoError(t, err)
			require.Empty(t, rest)
			require.Len(t, frame, tt.size)
			require.Len(t, frame, cap(frame))
			again, err := p.Parse(frame)
			require.NoError(t, err)
			require.Equal(t, m, again)

			_, _, err = p.Split(wire, len(wire)-1)
			require.Equal(t, &protocol.SizeError{Limit: len(wire) - 1}, err)
		})
	}
}

func TestMessagePackSplit(t *testing.T) {
	t.Parallel()
	const over2GB = "Messages over 2GB in size are not supported."
	tests := []struct {
		name  string
		data  string
		limit int
		frame string // "-" for none
		rest  string
		err   error
	}{
		{"nothing", "", 4, "-", "", nil},
		{"length alone", "02", 3, "-", "02", nil},
		{"part", "02 91", 3, "-", "02 91", nil},
		{"at the limit", "02 91 06 02", 3, "91 06", "02", nil},
		{"over the limit", "02 91 06", 2, "", "", &protocol.SizeError{Limit: 2}},
		{"claims to be over the limit", "ff 7f", 100, "", "", &protocol.SizeError{Limit: 100}},
		{"claims to be over by its length", "64", 100, "", "", &protocol.SizeError{Limit: 100}},
		{"half a length over the limit", "80 80", 1, "", "", &protocol.SizeError{Limit: 1}},
		{"half a length", "80 80", 2, "-", "80 80", nil},
		{"half the longest length", "ff ff ff ff", 0, "-", "ff ff ff ff", nil},
		{"the longest length", "ff ff ff ff 07 91", 0, "-", "ff ff ff ff 07 91", nil},
		{"the longest length over the limit", "ff ff ff ff 07", math.MaxInt32, "", "", &protocol.SizeError{Limit: math.MaxInt32}},
		{"over 2 GB", "ff ff ff ff 08", 0, "", "", &protocol.Error{Detail: over2GB}},
		{"over 2 GB before the limit", "ff ff ff ff 7f", 10, "", "", &protocol.Error{Detail: over2GB}},
		{"six bytes of length", "80 80 80 80 80", 0, "", "", &protocol.Error{Detail: over2GB}},
		{"longer length than needed", "82 80 80 80 00 91 06", 7, "91 06", "", nil},
		{"empty message", "00 02", 1, "", "02", nil},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			frame, rest, err := p.Split(unhex(t, tt.data), tt.limit)
			if tt.err != nil {
				require.Equal(t, tt.err, err)
				require.Nil(t, frame)
				return
			}
			require.NoError(t, err)
			require.Equal(t, unhex(t, tt.rest), rest)
			if tt.frame == "-" {
				require.Nil(t, frame)
				return
			}
			require.NotNil(t, frame)
			require.Equal(t, unhex(t, tt.frame), frame)
		})
	}
}

func TestMessagePackMessagesAtEveryByte(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	var (
		data []byte
		want []protocol.Message
	)
	for _, tt := range msgpackGolden {
		data = append(data, unhex(t, tt.wire)...)
		want = append(want, tt.m)
	}
	long := &protocol.Close{Error: strings.Repeat("x", 200)} // a length of two bytes
	data, err := p.Append(data, long)
	require.NoError(t, err)
	want = append(want, long)
	for cut := range len(data) + 1 {
		frames := feed(t, p.Split, data, cut)
		require.Len(t, frames, len(want))
		for i, frame := range frames {
			m, err := p.Parse([]byte(frame))
			require.NoError(t, err)
			require.Equal(t, want[i], m)
		}
	}
}

func TestMessagePackNames(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	require.Equal(t, "messagepack", p.Name())
	require.Equal(t, protocol.Binary, p.Format())
}

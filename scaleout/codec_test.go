package scaleout_test

import (
	"bytes"
	"encoding/hex"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/scaleout"
)

// full is an envelope in which every field that travels is set.
func full() *scaleout.Envelope {
	return &scaleout.Envelope{
		Kind:     scaleout.Invoke,
		Topic:    scaleout.Topic{Kind: scaleout.Connection, Name: "c1"},
		Excluded: []string{"a", ""},
		Target:   "ask",
		Bodies: []scaleout.Body{
			{Protocol: "json", Data: []byte("{}\x1e")},
			{Protocol: "messagepack", Data: []byte{1, 0x90}},
		},
		Group:       "g",
		Request:     1 << 40,
		ReplyTo:     math.MaxUint32,
		Error:       "no",
		Outcome:     200,
		Connections: []string{"x", "\xff"},
		Number:      5,
		Publisher:   0x01020304,
		Sequence:    300,
	}
}

// The bytes are a promise to the nodes of other versions: they do not change.
func TestEnvelopeGoldenVectors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		envelope *scaleout.Envelope
		wire     string
	}{
		{"empty", &scaleout.Envelope{}, "95 00 00 00 00 a0"},
		{"message", &scaleout.Envelope{
			Kind: scaleout.Message, Topic: scaleout.Topic{Kind: scaleout.Group, Name: "lobby"},
			Target: "receive", Bodies: []scaleout.Body{{Protocol: "json", Data: []byte("{}\x1e")}},
			Publisher: 7, Sequence: 128,
		}, "98 07 cc80 01 01 a56c6f626279 90 a772656365697665 91 92a46a736f6ec4037b7d1e"},
		{"abort", &scaleout.Envelope{Kind: scaleout.Abort, Topic: scaleout.Topic{Kind: scaleout.User, Name: "u"},
			Excluded: []string{"c"}, Publisher: 256, Sequence: 65536},
			"96 cd0100 ce00010000 02 02 a175 91a163"},
		{"reply", &scaleout.Envelope{Kind: 7, Request: 3, Error: "gone", Outcome: 2},
			"9d 00 00 07 00 a0 90 a0 90 a0 03 00 a4676f6e65 02"},
		{"full", full(), "9f ce01020304 cd012c 05 03 a26331 92a161a0 a361736b" +
			"92 92a46a736f6ec4037b7d1e 92ab6d6573736167657061636bc4020190" +
			"a167 cf0000010000000000 ceffffffff a26e6f ccc8 92a178a1ff 05"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wire, err := hex.DecodeString(strings.ReplaceAll(test.wire, " ", ""))
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(wire), hex.EncodeToString(scaleout.AppendEnvelope(nil, test.envelope)))
			parsed, err := scaleout.ParseEnvelope(wire)
			require.NoError(t, err)
			require.Equal(t, test.envelope, parsed)
		})
	}
}

// A field that is added and forgotten in the codec is found by the vector above.
func TestGoldenVectorHasEveryField(t *testing.T) {
	t.Parallel()
	v := reflect.ValueOf(*full())
	for i := range v.NumField() {
		switch name := v.Type().Field(i).Name; name {
		case "Stream", "Position", "Local":
		default:
			require.False(t, v.Field(i).IsZero(), name)
		}
	}
}

func TestAppendEnvelopeKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	got := scaleout.AppendEnvelope([]byte("head"), &scaleout.Envelope{})
	require.Equal(t, "head\x95\x00\x00\x00\x00\xa0", string(got))
}

// All nodes must choose the same stream, whatever their version.
func TestTopicStream(t *testing.T) {
	for _, topic := range []scaleout.Topic{
		{}, {Kind: scaleout.Group, Name: "lobby"}, {Kind: scaleout.User, Name: "ä\xff\x00"}, {Kind: 200, Name: strings.Repeat("x", 300)},
	} {
		h := fnv.New32a()
		_, _ = h.Write(append([]byte{byte(topic.Kind)}, topic.Name...))
		for _, n := range []int{1, 4, 7} {
			require.Equal(t, int(h.Sum32()%uint32(n)), topic.Stream(n))
		}
	}
	require.Zero(t, testing.AllocsPerRun(10, func() { _ = scaleout.Topic{Name: "lobby"}.Stream(4) }))
}

func TestEnvelopeLeavesOutWhatTheBusSets(t *testing.T) {
	t.Parallel()
	e := full()
	wire := scaleout.AppendEnvelope(nil, e)
	e.Stream, e.Position, e.Local = 3, scaleout.Position{Major: 1, Minor: 2}, "local"
	require.Equal(t, wire, scaleout.AppendEnvelope(nil, e))
}

func TestParseEnvelopeIgnoresItemsOfLaterVersions(t *testing.T) {
	t.Parallel()
	wire := scaleout.AppendEnvelope(nil, full())
	require.Equal(t, byte(0x9f), wire[0])
	later := append([]byte{0xdc, 0, 17}, wire[1:]...)
	later = append(later, 0xc0, 0x81, 0xa1, 'k', 0xc3) // nil, and a map
	parsed, err := scaleout.ParseEnvelope(later)
	require.NoError(t, err)
	require.Equal(t, full(), parsed)
}

func TestParseEnvelopeRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, wire, err string }{
		{"nothing", "", "cut off"},
		{"no array", "c0", "0xc0 where it needs an array"},
		{"too few items", "9400000000", "has 4 items"},
		{"more items than bytes", "ddffffffff00", "cut off"},
		{"text for a number", "95a000000000a0", "needs a number"},
		{"negative number", "95ff000000a0", "0xff where it needs a number"},
		{"large publisher", "95cf0000000100000000000000a0", "exceeds 4294967295"},
		{"large kind", "950000cd010000a0", "exceeds 255"},
		{"number for a text", "950000000000", "needs a text"},
		{"long text", "9500000000dbffffffff", "cut off"},
		{"long list", "9600000000a0ddffffffffa0", "cut off"},
		{"many bodies", "9800000000a090a0ddffffffff92a0c400", "cut off"},
		{"body no array", "9800000000a090a09191a0c400", "0x91 where it needs a body"},
		{"body text", "9800000000a090a09192a0a0a0", "needs bytes"},
		{"trailing bytes", "9500000000a000", "1 bytes follow"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			wire, err := hex.DecodeString(test.wire)
			require.NoError(t, err)
			_, err = scaleout.ParseEnvelope(wire)
			require.ErrorContains(t, err, test.err)
		})
	}
}

func TestParseEnvelopeRefusesWhatIsCutAnywhere(t *testing.T) {
	t.Parallel()
	wire := scaleout.AppendEnvelope(nil, full())
	for i := range wire {
		_, err := scaleout.ParseEnvelope(wire[:i])
		require.Error(t, err, "cut at %d", i)
	}
}

func TestEnvelopeRoundTrip(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		e := random(r)
		parsed, err := scaleout.ParseEnvelope(scaleout.AppendEnvelope(nil, e))
		require.NoError(t, err)
		require.Equal(t, e, parsed)
	}
}

// random returns an envelope with lengths around the limits of each encoding.
func random(r *rand.Rand) *scaleout.Envelope {
	number := func() uint64 { return r.Uint64() >> r.IntN(65) }
	length := func() int {
		switch r.IntN(20) {
		case 0:
			return 65530 + r.IntN(12)
		case 1:
			return 250 + r.IntN(12)
		default:
			return r.IntN(40)
		}
	}
	text := func() string { return strings.Repeat(string(rune('a'+r.IntN(26))), length()) }
	list := func() (l []string) {
		for range r.IntN(20) {
			l = append(l, string(rune('a'+r.IntN(26))))
		}
		return l
	}
	e := &scaleout.Envelope{
		Kind: scaleout.Kind(number()), Topic: scaleout.Topic{Kind: scaleout.TopicKind(number()), Name: text()},
		Publisher: scaleout.NodeID(number()), Sequence: number(),
	}
	set := []func(){
		func() { e.Excluded = list() }, func() { e.Target = text() },
		func() {
			for range r.IntN(3) {
				e.Bodies = append(e.Bodies, scaleout.Body{Protocol: text(), Data: []byte(text())})
			}
		},
		func() { e.Group = text() }, func() { e.Request = number() },
		func() { e.ReplyTo = scaleout.NodeID(number()) }, func() { e.Error = text() },
		func() { e.Outcome = uint8(number()) }, func() { e.Connections = list() },
		func() { e.Number = number() },
	}
	for _, f := range set {
		if r.IntN(2) == 0 {
			f()
		}
	}
	return e
}

// Whatever is read as an envelope is the same after another round.
func FuzzParseEnvelope(f *testing.F) {
	f.Add(scaleout.AppendEnvelope(nil, full()))
	f.Add(scaleout.AppendEnvelope(nil, &scaleout.Envelope{}))
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte("\x98\x00\x00\x00\x00\xa0\xdc\x00\x01\xa0\xa0\x91\x92\xa0\xc5\x00\x00"))
	f.Add(append([]byte{0xdc, 0, 16}, append(scaleout.AppendEnvelope(nil, full())[1:], 0xc0)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		header, headerErr := scaleout.ParseHeader(b)
		e, err := scaleout.ParseEnvelope(b)
		if err == nil {
			require.NoError(t, headerErr)
			require.Equal(t, e.Topic, scaleout.Topic{Kind: header.TopicKind, Name: string(header.TopicName)})
			require.Equal(t, e.Kind, header.Kind)
			require.Equal(t, e.Publisher, header.Publisher)
			require.Equal(t, e.Sequence, header.Sequence)
		}
		if err != nil {
			require.Nil(t, e)
			return
		}
		require.LessOrEqual(t, cap(e.Excluded)+cap(e.Connections)+4*cap(e.Bodies), len(b))
		again, err := scaleout.ParseEnvelope(scaleout.AppendEnvelope(nil, e))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

func benchmarkEnvelope() *scaleout.Envelope {
	return &scaleout.Envelope{
		Kind: scaleout.Message, Topic: scaleout.Topic{Kind: scaleout.Group, Name: "lobby"}, Target: "messageReceived",
		Bodies: []scaleout.Body{
			{Protocol: "json", Data: bytes.Repeat([]byte("j"), 120)},
			{Protocol: "messagepack", Data: bytes.Repeat([]byte("m"), 90)},
		},
		Publisher: 0x01020304, Sequence: 123456,
	}
}

func BenchmarkAppendEnvelope(b *testing.B) {
	b.ReportAllocs()
	e := benchmarkEnvelope()
	var dst []byte
	for b.Loop() {
		dst = scaleout.AppendEnvelope(dst[:0], e)
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkParseHeader(b *testing.B) {
	b.ReportAllocs()
	wire := scaleout.AppendEnvelope(nil, benchmarkEnvelope())
	for b.Loop() {
		if _, err := scaleout.ParseHeader(wire); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEnvelope(b *testing.B) {
	b.ReportAllocs()
	wire := scaleout.AppendEnvelope(nil, benchmarkEnvelope())
	b.SetBytes(int64(len(wire)))
	for b.Loop() {
		if _, err := scaleout.ParseEnvelope(wire); err != nil {
			b.Fatal(err)
		}
	}
}

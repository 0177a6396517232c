package protocol_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/go-signalr/signalr/protocol"
)

// uuid is like the well-known type: text in JSON, but it has a binary form too.
type uuid [16]byte

func (u uuid) MarshalText() ([]byte, error) {
	h := hex.EncodeToString(u[:])
	return []byte(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), nil
}

func (u *uuid) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "-", ""))
	if err != nil || len(b) != len(u) {
		return errors.New("not a UUID")
	}
	copy(u[:], b)
	return nil
}

func (u uuid) MarshalBinary() ([]byte, error) { return u[:], nil }

// offset is a DateTimeOffset, [timestamp, minutes]: it encodes itself.
type offset struct{ minutes byte }

func (o offset) MarshalMsgpack() ([]byte, error) {
	return []byte{0x92, 0xd6, 0xff, 0x38, 0x6d, 0x43, 0x80, o.minutes}, nil
}

func (o *offset) UnmarshalMsgpack(raw []byte) error {
	if len(raw) != 8 || raw[7] > 0x7f {
		return errors.New("not an offset")
	}
	o.minutes = raw[7]
	return nil
}

// counter encodes itself only through a pointer.
type counter struct{ n int }

func (c *counter) MarshalText() ([]byte, error) { return fmt.Append(nil, "#", c.n), nil }

type inner struct {
	A int
	B string `json:"b"`
}

type Outer struct {
	C int `json:"c"`
	D int
}

type deep struct{ C, E int }

type tagged struct {
	First   int    `msgpack:"one" json:"eins"`
	Second  int    `json:"zwei"`
	Third   int    // its Go name
	Hidden  int    `json:"-"`
	Private int    `msgpack:"-" json:"private"`
	Empty   string `json:"empty,omitempty"`
	Options int    `msgpack:",omitempty" json:"options"`
	Zero    inner  `json:"zero,omitzero"`
	private int    //lint:ignore U1000 that it is left out is what is tested
}

var y2k = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Values and their only spelling by this package, read back into the same type
// (reference 5.3).
func TestMessagePackValues(t *testing.T) {
	t.Parallel()
	seven, text := 7, "x"
	tests := []struct {
		value any
		wire  string
	}{
		{false, "c2"}, {true, "c3"},
		{0, "00"}, {127, "7f"}, {128, "cc 80"}, {255, "cc ff"}, {256, "cd 01 00"}, {65535, "cd ff ff"}, {65536, "ce 00 01 00 00"},
		{int64(math.MaxUint32), "ce ff ff ff ff"}, {int64(1 << 32), "cf 00 00 00 01 00 00 00 00"},
		{int64(math.MaxInt64), "cf 7f ff ff ff ff ff ff ff"}, {uint64(math.MaxUint64), "cf ff ff ff ff ff ff ff ff"},
		{-1, "ff"}, {-32, "e0"}, {-33, "d0 df"}, {-128, "d0 80"}, {-129, "d1 ff 7f"}, {-32768, "d1 80 00"}, {-32769, "d2 ff ff 7f ff"},
		{int64(math.MinInt32), "d2 80 00 00 00"}, {int64(math.MinInt32 - 1), "d3 ff ff ff ff 7f ff ff ff"},
		{int64(math.MinInt64), "d3 80 00 00 00 00 00 00 00"},
		{int8(-5), "fb"}, {int16(-300), "d1 fe d4"}, {int32(7), "07"}, {uint(7), "07"}, {uint8(200), "cc c8"}, {uint16(7), "07"}, {uint32(7), "07"},
		{float32(1.5), "ca 3f c0 00 00"}, {1.5, "cb 3f f8 00 00 00 00 00 00"}, {1.0, "cb 3f f0 00 00 00 00 00 00"},
		{math.Inf(1), "cb 7f f0 00 00 00 00 00 00"}, {float32(math.Inf(-1)), "ca ff 80 00 00"},
		{"", "a0"}, {"é", "a2 c3 a9"}, {strings.Repeat("x", 31), "bf" + strings.Repeat("78", 31)},
		{strings.Repeat("x", 32), "d9 20" + strings.Repeat("78", 32)}, {strings.Repeat("x", 256), "da 01 00" + strings.Repeat("78", 256)},
		{strings.Repeat("x", 65536), "db 00 01 00 00" + strings.Repeat("78", 65536)}, {named("n"), "a1 6e"},
		{[]byte{}, "c4 00"}, {[]byte{1, 2, 3}, "c4 03 01 02 03"}, {[]byte(nil), "c0"}, {[3]byte{1, 2, 3}, "c4 03 01 02 03"},
		{bytes.Repeat([]byte{7}, 256), "c5 01 00" + strings.Repeat("07", 256)},
		{bytes.Repeat([]byte{7}, 65536), "c6 00 01 00 00" + strings.Repeat("07", 65536)},
		{[]int{1, 2}, "92 01 02"}, {[]int{}, "90"}, {[]int(nil), "c0"}, {[2]string{"a", "b"}, "92 a1 61 a1 62"},
		{make([]bool, 16), "dc 00 10" + strings.Repeat("c2", 16)}, {make([]bool, 65536), "dd 00 01 00 00" + strings.Repeat("c2", 65536)},
		{[][]byte{{1}}, "91 c4 01 01"},
		{map[string]int{"b": 2, "a": 1}, "82 a1 61 01 a1 62 02"}, {map[string]int{}, "80"}, {map[string]int(nil), "c0"},
		{map[int]string{2: "b", 1: "a"}, "82 01 a1 61 02 a1 62"}, {map[int8]bool{-1: true}, "81 ff c3"},
		{map[named]*int{"n": nil}, "81 a1 6e c0"},
		{map[uuid]int{{}: 1}, "81 d9 24 30303030303030302d303030302d303030302d303030302d303030303030303030303030 01"},
		{inner{A: 1, B: "x"}, "82 a1 41 01 a1 62 a1 78"}, {&inner{}, "82 a1 41 00 a1 62 a0"}, {(*inner)(nil), "c0"},
		{&seven, "07"}, {[]*string{&text, nil}, "92 a1 78 c0"},
		{y2k, "d6 ff 38 6d 43 80"}, {time.Unix(0, 0).UTC(), "d6 ff 00 00 00 00"}, {time.Unix(math.MaxUint32, 0).UTC(), "d6 ff ff ff ff ff"},
		{y2k.Add(time.Nanosecond), "d7 ff 00 00 00 04 38 6d 43 80"}, {time.Unix(math.MaxUint32+1, 0).UTC(), "d7 ff 00 00 00 01 00 00 00 00"},
		{time.Unix(1<<34-1, 999999999).UTC(), "d7 ff ee 6b 27 ff ff ff ff ff"},
		{time.Unix(1<<34, 0).UTC(), "c7 0c ff 00 00 00 00 00 00 00 04 00 00 00 00"},
		{time.Unix(-1, 5).UTC(), "c7 0c ff 00 00 00 05 ff ff ff ff ff ff ff ff"},
		{time.Time{}, "c7 0c ff 00 00 00 00 ff ff ff f1 88 6e 09 00"}, {[]time.Time{y2k}, "91 d6 ff 38 6d 43 80"},
		{time.Microsecond, "cd 03 e8"},
		{uuid{0x12, 0x34}, "d9 24 31323334303030302d303030302d303030302d303030302d303030303030303030303030"},
		{netip.MustParseAddr("127.0.0.1"), "a9 3132372e302e302e31"},
		{offset{60}, "92 d6 ff 38 6d 43 80 3c"}, {&offset{60}, "92 d6 ff 38 6d 43 80 3c"}, {(*offset)(nil), "c0"},
		{struct{ O []offset }{[]offset{{1}}}, "81 a1 4f 91 92 d6 ff 38 6d 43 80 01"},
		{tagged{First: 1, Second: 2, Third: 3}, "83 a3 6f6e65 01 a4 7a776569 02 a5 5468697264 03"},
		{tagged{Empty: "x", Options: 4, Zero: inner{A: 1}},
			"86 a3 6f6e65 00 a4 7a776569 00 a5 5468697264 00 a5 656d707479 a1 78 a7 6f7074696f6e73 04 a4 7a65726f 82 a1 41 01 a1 62 a0"},
		{struct {
			Outer
			*deep
			inner
			X int `json:"x"`
		}{Outer: Outer{C: 1, D: 2}, inner: inner{A: 3, B: "b"}, X: 4}, "85 a1 63 01 a1 44 02 a1 41 03 a1 62 a1 62 a1 78 04"},
		{struct{ *Outer }{&Outer{C: 1}}, "82 a1 63 01 a1 44 00"}, {struct{ *Outer }{}, "80"},
		{struct {
			Outer
			C string `msgpack:"c"`
		}{C: "outermost"}, "82 a1 44 00 a1 63 a9 6f757465726d6f7374"},
		{struct {
			Outer `json:"outer"`
		}{}, "81 a5 6f75746572 82 a1 63 00 a1 44 00"},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%T %.20s", tt.value, tt.wire), func(t *testing.T) {
			t.Parallel()
			raw, err := p.AppendValue([]byte("before"), tt.value)
			require.NoError(t, err)
			require.Equal(t, append([]byte("before"), unhex(t, tt.wire)...), raw)

			target := newOf(tt.value)
			require.NoError(t, p.Unmarshal(raw[6:], target))
			require.Equal(t, tt.value, elemOf(target))
		})
	}
}

func TestMessagePackAppendValueOnly(t *testing.T) {
	t.Parallel()
	shared := &counter{5}
	tests := []struct {
		name  string
		value any
		wire  string
	}{
		{"nil", nil, "c0"},
		{"raw", rawMsgpack(t, "92 01 02"), "92 01 02"},
		{"no raw", protocol.Raw{}, "c0"},
		{"any", []any{nil, 1, "a", []byte{1}, map[string]any{"k": y2k}}, "95 c0 01 a1 61 c4 01 01 81 a1 6b d6 ff 38 6d 43 80"},
		{"local time", time.Date(2000, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600)), "d6 ff 38 6d 43 80"},
		{"not UTF-8", "a\xff\xfeb", "a8 61 ef bf bd ef bf bd 62"},
		{"NaN", math.Float32frombits(0x7fc00000), "ca 7f c0 00 00"},
		{"pointer methods, pointer", shared, "a2 23 35"},
		{"pointer methods, addressable", []counter{{5}}, "91 a2 23 35"},
		{"pointer methods, value", counter{5}, "80"},
		{"bytes in bytes", [1][2]byte{{1, 2}}, "91 c4 02 01 02"},
		{"a struct that embeds itself", Loop{Loop: &Loop{N: 2}, N: 1}, "81 a1 4e 01"},
		{"omitted", omitting{List: []int{}}, "81 a1 67 82 a1 41 00 a1 62 a0"},
		{"not omitted", omitting{Time: y2k, Pointer: &y2k, Any: 0, Number: 1, Bool: true, List: []int{1}},
			"87 a1 61 d6 ff 38 6d 43 80 a1 62 d6 ff 38 6d 43 80 a1 63 00 a1 64 01 a1 65 c3 a1 66 91 01 a1 67 82 a1 41 00 a1 62 a0"},
		{"equal names of equal depth", struct {
			Outer
			deep2
		}{}, "81 a1 44 00"},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, err := p.AppendValue(nil, tt.value)
			require.NoError(t, err)
			require.Equal(t, unhex(t, tt.wire), raw)
		})
	}
}

type deep2 struct {
	C int `msgpack:"c"`
}

// Loop embeds itself.
type Loop struct {
	*Loop
	N int
}

type omitting struct {
	Time    time.Time  `json:"a,omitzero"`
	Pointer *time.Time `json:"b,omitzero"`
	Any     any        `json:"c,omitzero"`
	Number  int        `json:"d,omitzero"`
	Bool    bool       `json:"e,omitempty"`
	List    []int      `json:"f,omitempty"`
	Struct  inner      `json:"g,omitempty"`
}

type broken struct {
	raw []byte
	err error
}

func (b broken) MarshalMsgpack() ([]byte, error) { return b.raw, b.err }

type failingText struct{}

func (failingText) MarshalText() ([]byte, error) { return nil, errors.New("no text") }

type node struct{ Next *node }

func TestMessagePackAppendValueRefuses(t *testing.T) {
	t.Parallel()
	cycle := &node{}
	cycle.Next = cycle
	var self any
	self = &self
	inMap := map[string]any{}
	inMap["self"] = inMap
	inSlice := []any{nil}
	inSlice[0] = inSlice
	tests := []struct {
		name  string
		value any
	}{
		{"channel", make(chan int)}, {"function", func() {}}, {"complex", 1i}, {"uintptr", uintptr(1)},
		{"inside", []any{1, make(chan int)}}, {"member", struct{ C chan int }{}}, {"map value", map[string]any{"a": 1i}},
		{"struct as key", map[inner]int{{}: 1}}, {"bool as key", map[bool]int{true: 1}}, {"float as key", map[float64]int{1: 1}},
		{"key without text", map[failingText]int{{}: 1}},
		{"cycle of structs", cycle}, {"cycle of pointers", self}, {"cycle of maps", inMap}, {"cycle of slices", inSlice},
		{"no value", broken{}}, {"half a value", broken{raw: []byte{0x92, 1}}}, {"two values", broken{raw: []byte{1, 2}}},
		{"failing", broken{err: errors.New("failing")}}, {"failing text", failingText{}},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dst, err := p.AppendValue([]byte("before"), tt.value)
			require.Error(t, err)
			require.Equal(t, "before", string(dst))
		})
	}
}

// What binds beyond the spelling that this package writes.
func TestMessagePackUnmarshalBinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		wire string
		want any
	}{
		{"d3 00 00 00 00 00 00 00 07", 7}, {"cf 00 00 00 00 00 00 00 07", int8(7)}, {"d0 07", uint8(7)}, {"d3 ff ff ff ff ff ff ff 80", int8(-128)},
		{"cc ff", uint8(255)}, {"cd 00 ff", int64(255)}, {"07", 7.0}, {"ff", -1.0}, {"cf ff ff ff ff ff ff ff ff", float64(math.MaxUint64)},
		{"07", float32(7)}, {"ca 3f c0 00 00", 1.5}, {"cb 3f f8 00 00 00 00 00 00", float32(1.5)}, {"d9 01 61", "a"}, {"db 00 00 00 01 61", "a"},
		{"a2 61 ff", "a\ufffd"}, {"c6 00 00 00 01 05", []byte{5}}, {"dd 00 00 00 01 05", []int{5}}, {"df 00 00 00 01 a1 61 05", map[string]int{"a": 5}},
		{"82 a1 61 01 a1 61 02", map[string]int{"a": 2}},
		{"83 a1 41 07 a1 5a 92 c0 81 01 02 a1 62 a1 78", inner{A: 7, B: "x"}}, {"81 a1 61 07", inner{}}, {"81 a1 42 a1 78", inner{}},
		{"82 a1 41 c0 a1 62 c0", inner{}},
		{"c7 04 ff 38 6d 43 80", y2k}, {"c7 08 ff 00 00 00 00 38 6d 43 80", y2k}, {"c7 0c ff 00 00 00 00 00 00 00 00 38 6d 43 80", y2k},
		{"c7 0c ff 00 00 00 00 ff ff ff ff ff ff ff ff", time.Unix(-1, 0).UTC()},

		// nil, where there is one, and no change elsewhere
		{"c0", (*int)(nil)}, {"c0", []int(nil)}, {"c0", []byte(nil)}, {"c0", map[string]int(nil)}, {"c0", ""}, {"c0", 0}, {"c0", int64(0)}, {"c0", 0.0},
		{"c0", false}, {"c0", inner{}}, {"c0", time.Time{}}, {"c0", uuid{}}, {"c0", [2]byte{}},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %T", tt.wire, tt.want), func(t *testing.T) {
			t.Parallel()
			target := newOf(tt.want)
			require.NoError(t, p.Unmarshal(unhex(t, tt.wire), target))
			require.Equal(t, tt.want, elemOf(target))
		})
	}
}

func TestMessagePackUnmarshalRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		wire   string
		target any
	}{
		// out of range
		{"cc 80", int8(0)}, {"d1 ff 7f", int8(0)}, {"cd 01 00", uint8(0)}, {"ff", uint8(0)}, {"ff", uint(0)}, {"ff", uint64(0)},
		{"cf ff ff ff ff ff ff ff ff", 0}, {"cf 80 00 00 00 00 00 00 00", int64(0)}, {"ce 80 00 00 00", int32(0)},
		{"cb 7f ef ff ff ff ff ff ff", float32(0)},
		// another kind
		{"a1 37", 0}, {"a1 37", int64(0)}, {"a1 37", 0.0}, {"a1 37", uint8(0)}, {"ca 3f c0 00 00", 0}, {"cb 3f f8 00 00 00 00 00 00", int32(0)},
		{"cb 3f f8 00 00 00 00 00 00", uint(0)}, {"c3", 0}, {"07", ""}, {"c4 01 61", ""}, {"07", false}, {"a4 74 72 75 65", false},
		{"a1 61", []byte{}}, {"92 01 02", []byte{}}, {"92 01 02", [2]byte{}}, {"c4 02 01 02", []int{}}, {"80", []int{}}, {"90", map[string]int{}},
		{"90", inner{}}, {"92 01 a1 78", inner{}}, {"a1 61", inner{}}, {"81 01 01", inner{}}, {"81 a1 41 a1 78", inner{}},
		{"81 01 01", map[string]int{}}, {"81 c0 01", map[string]int{}}, {"81 a1 61 01", map[int]int{}}, {"81 a1 61 a1 61", map[string]int{}},
		{"81 90 01", map[string]int{}}, {"81 c0 01", map[int]int{}}, {"91 a1 61", []int{}},
		{"93 01 02 03", [2]int{}}, {"91 01", [2]int{}}, {"c4 01 01", [2]byte{}},
		{"07", uuid{}}, {"a1 78", uuid{}}, {"c4 10 00000000000000000000000000000000", uuid{}}, {"90", offset{}},
		{"07", make(chan int)}, {"07", 1i}, {"07", func() {}},
		// times
		{"07", time.Time{}}, {"b4 323030302d30312d30315430303a30303a30305a", time.Time{}}, {"92 00 00", time.Time{}},
		{"d6 0d 38 6d 43 80", time.Time{}}, {"d4 ff 00", time.Time{}}, {"c7 00 ff", time.Time{}}, {"d8 ff 00000000000000000000000000000000", time.Time{}},
		{"d7 ff ff ff ff ff 00 00 00 00", time.Time{}}, {"c7 0c ff 3b 9a ca 00 00 00 00 00 00 00 00 00", time.Time{}},
		// not one well-formed value
		{"", 0}, {"c1", 0}, {"07 07", 0}, {"cc", 0}, {"a2 61", ""}, {"c0 c0", 0}, {"92 01", []int{}}, {"81 a1 61", inner{}}, {"d4 ff", time.Time{}},
		{"db ff ff ff ff", ""}, {"c6 ff ff ff ff", []byte{}}, {"dd ff ff ff ff", []int{}}, {"df ff ff ff ff", map[string]int{}},
		{"c9 ff ff ff ff ff", time.Time{}}, {"c7", time.Time{}}, {"d4", time.Time{}}, {"c7 00", time.Time{}}, {strings.Repeat("91", 65) + "c0", []any{}},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%.40s %T", tt.wire, tt.target), func(t *testing.T) {
			t.Parallel()
			require.Error(t, p.Unmarshal(unhex(t, tt.wire), newOf(tt.target)))
		})
	}
}

func TestMessagePackUnmarshalNeedsAPointer(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for _, v := range []any{
		nil, 5, inner{}, (*string)(nil), (*int)(nil), (*int64)(nil), (*bool)(nil), (*float64)(nil), (*inner)(nil), (*protocol.Raw)(nil), (*any)(nil),
	} {
		for _, wire := range []string{"07", "c3", "a1 61", "c0"} {
			require.Error(t, p.Unmarshal(unhex(t, wire), v), "%T", v)
		}
	}
}

func TestMessagePackUnmarshalAny(t *testing.T) {
	t.Parallel()
	tests := []struct {
		wire string
		want any
	}{
		{"c0", nil}, {"c2", false}, {"c3", true}, {"07", int64(7)}, {"ff", int64(-1)}, {"cc ff", int64(255)},
		{"cf 7f ff ff ff ff ff ff ff", int64(math.MaxInt64)}, {"cf 80 00 00 00 00 00 00 00", uint64(1 << 63)},
		{"ca 3f c0 00 00", 1.5}, {"cb 3f f8 00 00 00 00 00 00", 1.5}, {"a1 61", "a"}, {"a1 ff", "\ufffd"}, {"c4 01 61", []byte("a")},
		{"d6 ff 38 6d 43 80", y2k}, {"90", []any{}}, {"92 c0 91 01", []any{nil, []any{int64(1)}}}, {"80", map[string]any{}},
		{"82 a1 61 c0 a1 62 81 a1 63 c4 00", map[string]any{"a": nil, "b": map[string]any{"c": []byte{}}}},
	}
	p := protocol.NewMessagePack()
	for _, tt := range tests {
		t.Run(tt.wire, func(t *testing.T) {
			t.Parallel()
			var got any = "old"
			require.NoError(t, p.Unmarshal(unhex(t, tt.wire), &got))
			require.Equal(t, tt.want, got)
		})
	}
	for _, wire := range []string{"d4 05 00", "d4 80 00", "81 01 02", "81 c0 02", "91 d4 05 00", "81 a1 61 d4 05 00", "d4 ff 00"} {
		var got any
		require.Error(t, p.Unmarshal(unhex(t, wire), &got), wire)
	}
	var closed fmt.Stringer
	require.Error(t, p.Unmarshal(unhex(t, "a1 61"), &closed))
}

// A target that is reused gets the new value, never parts of the old one.
func TestMessagePackUnmarshalIntoUsedTargets(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	one := 1
	pointer := &one
	require.NoError(t, p.Unmarshal(unhex(t, "02"), &pointer))
	require.Equal(t, 2, one)
	require.NoError(t, p.Unmarshal(unhex(t, "c0"), &pointer))
	require.Nil(t, pointer)

	list := []inner{{A: 5, B: "old"}}
	shared := list
	require.NoError(t, p.Unmarshal(unhex(t, "91 81 a1 41 07"), &list))
	require.Equal(t, []inner{{A: 7}}, list)
	require.Equal(t, []inner{{A: 5, B: "old"}}, shared)

	m := map[string]inner{"a": {B: "old"}, "b": {}}
	require.NoError(t, p.Unmarshal(unhex(t, "81 a1 61 81 a1 41 07"), &m))
	require.Equal(t, map[string]inner{"a": {A: 7}, "b": {}}, m)

	var embedded struct{ *Outer }
	require.NoError(t, p.Unmarshal(unhex(t, "81 a1 63 05"), &embedded))
	require.Equal(t, 5, embedded.C)

	kept := "kept"
	require.NoError(t, p.Unmarshal(unhex(t, "c0"), &kept))
	require.Equal(t, "kept", kept)
}

func TestMessagePackUnmarshalNeverAliases(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	raw := unhex(t, "82 a1 53 a3 61 62 63 a1 42 c4 03 61 62 63")
	var (
		typed struct {
			S string
			B []byte
		}
		untyped any
		kept    protocol.Raw
	)
	for _, v := range []any{&typed, &untyped, &kept} {
		require.NoError(t, p.Unmarshal(raw, v))
	}
	before := bytes.Clone(raw)
	clear(raw)
	require.Equal(t, "abc", typed.S)
	require.Equal(t, "abc", string(typed.B))
	require.Equal(t, map[string]any{"S": "abc", "B": []byte("abc")}, untyped)
	require.Equal(t, before, msgpackOf(t, kept))
}

// nested encodes itself with the protocol that encodes it, and fails when told to.
type nested struct {
	p    protocol.Protocol
	text string
	err  error
}

func (n nested) MarshalMsgpack() ([]byte, error) {
	raw, err := n.p.AppendValue(nil, []string{n.text})
	return raw, errors.Join(err, n.err)
}

func (n *nested) UnmarshalMsgpack(raw []byte) error {
	texts := []string{}
	err := n.p.Unmarshal(raw, &texts)
	n.text = strings.Join(texts, "")
	return errors.Join(err, n.err)
}

// Encoders and decoders are shared: calls at the same time, calls within calls and
// calls that fail half-way do not disturb others.
func TestMessagePackCallsAreIndependent(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			text := strings.Repeat(string(rune('a'+i)), 20)
			wire := unhex(t, fmt.Sprintf("92 91 b4 %[1]x b4 %[1]x", text))
			for range 200 {
				out := []any{nested{p: p, text: text}, text}
				failing := []any{text, nested{p: p, err: errors.New("failing")}}
				dst, err := p.AppendValue(nil, failing)
				require.ErrorContains(t, err, "failing")
				require.Empty(t, dst)
				raw, err := p.AppendValue(nil, out)
				require.NoError(t, err)
				require.Equal(t, wire, raw)

				in := [2]nested{{p: p}, {p: p, err: errors.New("failing")}}
				require.ErrorContains(t, p.Unmarshal(raw, &in), "failing")
				require.Equal(t, text, in[0].text)
				var again any
				require.NoError(t, p.Unmarshal(raw, &again))
				require.Equal(t, []any{[]any{text}, text}, again)
			}
		})
	}
}

// The library's own walk over Go values reads what ours writes, and the reverse.
func TestMessagePackAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	type record struct {
		payload
		Raw   []byte         `msgpack:"raw"`
		At    time.Time      `json:"at"`
		Next  *inner         `json:"next,omitempty"`
		Any   any            `json:"any"`
		Small []int8         `json:"small"`
		Dict  map[string]any `json:"dict"`
		F32   float32        `json:"f32"`
		U64   uint64         `json:"u64"`
	}
	v := record{
		payload: newPayload(), Raw: []byte{1, 2}, At: y2k.Add(5), Next: &inner{A: -70000, B: strings.Repeat("é", 200)}, Any: "any",
		Small: []int8{-128, 127}, Dict: map[string]any{"k": "v"}, F32: 0.1, U64: math.MaxUint64,
	}
	p := protocol.NewMessagePack()

	raw, err := p.AppendValue(nil, v)
	require.NoError(t, err)
	decoder := msgpack.NewDecoder(bytes.NewReader(raw))
	decoder.SetCustomStructTag("json")
	var theirs record
	require.NoError(t, decoder.Decode(&theirs))
	theirs.At = theirs.At.UTC()
	require.Equal(t, v, theirs)

	var b bytes.Buffer
	encoder := msgpack.NewEncoder(&b)
	encoder.SetCustomStructTag("json")
	require.NoError(t, encoder.Encode(v))
	var ours record
	require.NoError(t, p.Unmarshal(b.Bytes(), &ours))
	require.Equal(t, v, ours)
}

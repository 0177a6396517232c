package protocol_test

import (
	"errors"
	"math"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// uuidOfBin is a UUID of the kind that libraries have, with methods for all encodings.
type uuidOfBin struct{ uuid }

func (u uuidOfBin) MarshalBinary() ([]byte, error) { return u.uuid[:], nil }

func (u *uuidOfBin) UnmarshalBinary(b []byte) error {
	if len(b) != len(u.uuid) {
		return errors.New("not 16 bytes")
	}
	copy(u.uuid[:], b)
	return nil
}

func TestMessagePackReadsBinIntoTextTypes(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	want := uuidOfBin{uuid{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}
	bin := "c4 10 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"
	text := "d9 24 30 30 30 31 30 32 30 33 2d 30 34 30 35 2d 30 36 30 37 2d 30 38 30 39 2d 30 61 30 62 30 63 30 64 30 65 30 66"
	for _, digits := range []string{bin, text} {
		var id uuidOfBin
		require.NoError(t, p.Unmarshal(unhex(t, digits), &id))
		require.Equal(t, want, id)
		var all struct {
			A *uuidOfBin
			B []uuidOfBin
			C map[string]uuidOfBin
		}
		require.NoError(t, p.Unmarshal(unhex(t, "83 a1 41"+digits+"a1 42 91"+digits+"a1 43 81 a1 6b"+digits), &all))
		require.Equal(t, want, *all.A)
		require.Equal(t, []uuidOfBin{want}, all.B)
		require.Equal(t, map[string]uuidOfBin{"k": want}, all.C)
	}
	got, err := p.AppendValue(nil, want)
	require.NoError(t, err)
	require.Equal(t, unhex(t, text), got, "as in JSON")

	var address netip.Addr
	require.NoError(t, p.Unmarshal(unhex(t, "c4 04 7f 00 00 01"), &address))
	require.Equal(t, netip.MustParseAddr("127.0.0.1"), address)
	require.ErrorContains(t, p.Unmarshal(unhex(t, "c4 01 00"), new(uuidOfBin)), "not 16 bytes")
	require.Error(t, p.Unmarshal(unhex(t, bin), new(uuid)), "it has no method for bin")
	require.Error(t, p.Unmarshal(unhex(t, "07"), new(uuidOfBin)))
}

// A bin is lent to UnmarshalBinary, which may keep it.
type keptBin []byte

func (keptBin) MarshalText() ([]byte, error)      { return nil, nil }
func (*keptBin) UnmarshalText([]byte) error       { return nil }
func (k *keptBin) UnmarshalBinary(b []byte) error { *k = b; return nil }

func TestMessagePackBinDoesNotAlias(t *testing.T) {
	t.Parallel()
	value := unhex(t, "c4 01 07")
	var kept keptBin
	require.NoError(t, protocol.NewMessagePack().Unmarshal(value, &kept))
	clear(value)
	require.Equal(t, keptBin{7}, kept)
}

type quoted struct {
	ID    int64    `json:"id,string"`
	Next  *uint64  `json:"next,string"`
	Small int8     `msgpack:"small,string"`
	Ratio float64  `json:",string"`
	Yes   bool     `msgpack:",string,omitempty"`
	Text  string   `msgpack:",string"`
	List  []int64  `msgpack:",string"`
	Own   textual2 `json:",string"`
}

// textual2 is a number with methods for text.
type textual2 int

func (textual2) MarshalText() ([]byte, error)    { return []byte("own"), nil }
func (v *textual2) UnmarshalText(b []byte) error { *v = textual2(len(b)); return nil }

func TestMessagePackWritesQuotedNumbersAsText(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	next := uint64(math.MaxUint64)
	v := quoted{ID: 1152921504606846977, Next: &next, Small: -5, Ratio: 1.5, Yes: true, Text: "7", List: []int64{7}, Own: 3}
	value, err := p.AppendValue(nil, v)
	require.NoError(t, err)
	var wire map[string]any
	require.NoError(t, p.Unmarshal(value, &wire))
	require.Equal(t, map[string]any{
		"id": "1152921504606846977", "next": "18446744073709551615", "small": "-5", "Ratio": "1.5", "Yes": "true", "Text": "7",
		"List": []any{int64(7)}, "Own": "own",
	}, wire)
	var got quoted
	require.NoError(t, p.Unmarshal(value, &got))
	require.Equal(t, v, got)

	// Numbers and nil are read, too.
	got = quoted{}
	value, err = p.AppendValue(nil, map[string]any{"id": 5, "next": nil, "small": -5.0, "Ratio": 1, "Yes": true})
	require.NoError(t, err)
	require.NoError(t, p.Unmarshal(value, &got))
	require.Equal(t, quoted{ID: 5, Small: -5, Ratio: 1, Yes: true}, got)
	value, err = p.AppendValue(nil, quoted{})
	require.NoError(t, err)
	require.NoError(t, p.Unmarshal(value, &got))
	require.Nil(t, got.Next)

	for name, bad := range map[string]any{
		"id": "x", "next": "-1", "small": "128", "Ratio": "", "Yes": "maybe", "Text": 7, "List": "7",
	} {
		value, err := p.AppendValue(nil, map[string]any{name: bad})
		require.NoError(t, err)
		require.Error(t, p.Unmarshal(value, new(quoted)), name)
	}
	value, err = p.AppendValue(nil, map[string]any{"id": "9223372036854775808"})
	require.NoError(t, err)
	require.ErrorContains(t, p.Unmarshal(value, new(quoted)), `"9223372036854775808" into a int64`)
}

func TestMessagePackCaseInsensitiveNames(t *testing.T) {
	t.Parallel()
	type exact struct {
		Name  string `json:"name"`
		Both  int    `json:"both"`
		BOTH  int    `json:"BOTH"`
		Inner *struct {
			Value int `msgpack:"Value" json:"value"`
		} `json:"inner"`
	}
	value, err := protocol.NewMessagePack().AppendValue(nil, map[string]any{
		"NAME": "n", "both": 1, "BOTH": 2, "Inner": map[string]any{"value": 3}, "other": 4,
	})
	require.NoError(t, err)
	var got exact
	require.NoError(t, protocol.NewMessagePack().Unmarshal(value, &got))
	require.Equal(t, exact{Both: 1, BOTH: 2}, got)

	p := protocol.NewMessagePack(protocol.WithCaseInsensitiveNames())
	require.NoError(t, p.Unmarshal(value, &got))
	require.Equal(t, "n", got.Name)
	require.Equal(t, 3, got.Inner.Value)
	require.Equal(t, [2]int{1, 2}, [2]int{got.Both, got.BOTH}, "an exact name comes first")
	value, err = p.AppendValue(nil, got.Inner)
	require.NoError(t, err)
	require.Equal(t, unhex(t, "81 a5 56 61 6c 75 65 03"), value)
}

type arrayed struct {
	_       struct{} `msgpack:",as_array"`
	A       string
	B       *int
	C       int    `json:"c,omitempty"`
	D       uint64 `json:",string"`
	Skipped int    `json:"-"`
	*ArrayedMore
}

type ArrayedMore struct{ E, F int }

func TestMessagePackStructsAsArrays(t *testing.T) {
	t.Parallel()
	p := protocol.NewMessagePack()
	one := 1
	for _, tt := range []struct {
		value arrayed
		wire  string
	}{
		{arrayed{A: "a", C: 3}, "96 a1 61 c0 03 a1 30 c0 c0"},
		{arrayed{A: "a", B: &one, D: 7, ArrayedMore: &ArrayedMore{5, 6}}, "96 a1 61 01 00 a1 37 05 06"},
	} {
		value, err := p.AppendValue(nil, tt.value)
		require.NoError(t, err)
		require.Equal(t, unhex(t, tt.wire), value)
		got := []arrayed{{}}
		require.NoError(t, p.Unmarshal(append([]byte{0x91}, value...), &got))
		if tt.value.ArrayedMore == nil { // read as nil, which leaves the members as they are
			got[0].ArrayedMore = nil
		}
		require.Equal(t, []arrayed{tt.value}, got)
	}

	// As .NET writes [Key(0)] and [Key(2)]; more and fewer elements; a map.
	for _, tt := range []struct {
		wire string
		want arrayed
	}{
		{"93 a1 61 c0 03", arrayed{A: "a", C: 3}}, {"90", arrayed{}}, {"91 a1 61", arrayed{A: "a"}},
		{"98 a1 61 c0 03 07 05 06 81 a1 78 90 c3", arrayed{A: "a", C: 3, D: 7, ArrayedMore: &ArrayedMore{5, 6}}},
		{"82 a1 41 a1 61 a1 63 03", arrayed{A: "a", C: 3}},
	} {
		var got arrayed
		require.NoError(t, p.Unmarshal(unhex(t, tt.wire), &got), tt.wire)
		require.Equal(t, tt.want, got, tt.wire)
	}
	var list []arrayed // what is skipped is skipped as a whole
	require.NoError(t, p.Unmarshal(unhex(t, "92 98 a1 61 c0 03 07 05 06 81 a1 78 90 c3 91 a1 62"), &list))
	require.Equal(t, []arrayed{{A: "a", C: 3, D: 7, ArrayedMore: &ArrayedMore{5, 6}}, {A: "b"}}, list)
	for _, wire := range []string{"91 07", "a1 61", "92 a1 61 a1 62", "07"} {
		require.Error(t, p.Unmarshal(unhex(t, wire), new(arrayed)), wire)
	}
	deep := func(n int) any {
		type node struct {
			_    struct{} `msgpack:",as_array"`
			Next any
		}
		var v any
		for range n {
			v = node{Next: v}
		}
		return v
	}
	_, err := p.AppendValue(nil, deep(62))
	require.NoError(t, err)
	_, err = p.AppendValue(nil, deep(63))
	require.Error(t, err)

	// The name that other packages have for it.
	type named struct {
		_msgpack struct{} `msgpack:",as_array"`
		A        int
	}
	value, err := p.AppendValue(nil, named{_msgpack: struct{}{}, A: 7})
	require.NoError(t, err)
	require.Equal(t, unhex(t, "91 07"), value)
}

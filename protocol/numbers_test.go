package protocol_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// counted holds integers in all positions.
type counted[T any] struct {
	Count   T `json:"count"`
	Pointer *T
	List    []T
	Map     map[string]T
	Inner   struct{ Deep [][]T }
}

func requireCounted[T any](t *testing.T, p protocol.Protocol, value []byte, want T) {
	t.Helper()
	var got T
	require.NoError(t, p.Unmarshal(value, &got), "%q", value)
	require.Equal(t, want, got)

	var template protocol.Raw // of one value in all positions
	require.NoError(t, p.Unmarshal(value, &template))
	wire, err := p.AppendValue(nil, map[string]any{
		"count": template, "Pointer": template, "List": []any{template, template}, "Map": map[string]any{"k": template},
		"Inner": map[string]any{"Deep": []any{[]any{template}}},
	})
	require.NoError(t, err)
	var all counted[T]
	require.NoError(t, p.Unmarshal(wire, &all), "%q", wire)
	require.Equal(t, counted[T]{want, &want, []T{want, want}, map[string]T{"k": want}, struct{ Deep [][]T }{[][]T{{want}}}}, all)
}

func TestWholeNumbersAreIntegers(t *testing.T) {
	t.Parallel()
	json, pack := protocol.NewJSON(), protocol.NewMessagePack()
	for text, want := range map[string]int64{
		"5.0": 5, "5e0": 5, "5E+0": 5, "-5.000": -5, "50e-1": 5, "0.5e1": 5, "1e3": 1000, "1.5E1": 15, "0.0": 0, "-0.0": 0, "0e99999999999": 0,
		"9007199254740993.0": 9007199254740993, "9223372036854775807.0": math.MaxInt64, "-9223372036854775808.00": math.MinInt64,
		"922337203685477580.7e1": math.MaxInt64, "0.00001e5": 1,
	} {
		requireCounted(t, json, []byte(text), want)
	}
	requireCounted(t, json, []byte("18446744073709551615.0"), uint64(math.MaxUint64))
	requireCounted(t, json, []byte("255.0"), uint8(255))
	requireCounted(t, json, []byte("-1.28e2"), int8(-128))
	for _, f := range []float64{5, -5, 0, 1 << 53, -1 << 63, math.Copysign(0, -1), 1 << 62} {
		value, err := pack.AppendValue(nil, f)
		require.NoError(t, err)
		requireCounted(t, pack, value, int64(f))
		requireCounted(t, pack, value, int(f))
	}
	value, err := pack.AppendValue(nil, float32(255))
	require.NoError(t, err)
	requireCounted(t, pack, value, uint16(255))
	var small uint8
	require.NoError(t, pack.Unmarshal(value, &small))
	require.EqualValues(t, 255, small)
	value, err = pack.AppendValue(nil, float64(1<<63))
	require.NoError(t, err)
	requireCounted(t, pack, value, uint64(1<<63))
}

func TestOtherNumbersAreNotIntegers(t *testing.T) {
	t.Parallel()
	text, pack := protocol.NewJSON(), protocol.NewMessagePack()
	for number, target := range map[string]any{
		"5.5": new(int), "1e-1": new(int), "9223372036854775808.0": new(int64), "-9223372036854775809.0": new(int64), "18446744073709551616.0": new(uint64),
		"-1.0": new(uint), "256.0": new(uint8), "128e0": new(int8), "1e400": new(int64), "1e99999999999": new(int64), "1e-99999999999": new(int64),
		"1e-2147483648": new(int64), "15e-1": new(int32),
	} {
		err := text.Unmarshal([]byte(number), target)
		var refused *json.UnmarshalTypeError
		require.ErrorAs(t, err, &refused, number)
		require.True(t, strings.HasPrefix(refused.Value, "number "), refused.Value)
	}
	for _, tt := range []struct {
		f      float64
		target any
	}{
		{5.5, new(int)}, {math.NaN(), new(int)}, {math.Inf(1), new(int)}, {math.Inf(-1), new(int64)}, {1 << 63, new(int64)}, {-1<<63 - 2048, new(int64)},
		{-1, new(uint)}, {256, new(uint8)}, {128, new(int8)}, {1 << 64, new(uint64)}, {-0.5, new(uint)},
	} {
		value, err := pack.AppendValue(nil, tt.f)
		require.NoError(t, err)
		require.ErrorContains(t, pack.Unmarshal(value, tt.target), fmt.Sprint(tt.f))
		require.Zero(t, reflect.ValueOf(tt.target).Elem().Interface())
	}
}

// length is an integer that is read as the length of its JSON.
type length int

func (l *length) UnmarshalJSON(value []byte) error {
	*l = length(len(value))
	return nil
}

// Types with methods of their own get what the client has sent, also beside a number
// that is not taken as it is.
func TestWholeNumbersOfOtherTypesStay(t *testing.T) {
	t.Parallel()
	var v struct {
		Own  length
		List []length
		Int  int
		Text json.Number
		F    float64
	}
	require.NoError(t, protocol.NewJSON().Unmarshal([]byte(`{"Own":5.000,"List":[5.0],"Int":5.0,"Text":5.0,"F":5.0}`), &v))
	require.Equal(t, length(5), v.Own)
	require.Equal(t, []length{3}, v.List)
	require.Equal(t, 5, v.Int)
	require.Equal(t, json.Number("5.0"), v.Text)
	require.InDelta(t, 5, v.F, 0)
}

// A number is an integer if and only if it is whole and in range, however it is written.
func FuzzWholeNumber(f *testing.F) {
	for _, number := range []string{"5.0", "-0.05e2", "1e-3", "9007199254740993.0", "1e400", "100e-2", "9223372036854775807"} {
		f.Add(number)
	}
	p := protocol.NewJSON()
	f.Fuzz(func(t *testing.T, number string) {
		if !json.Valid([]byte(number)) || strings.Trim(number, "-+.eE0123456789") != "" {
			return
		}
		if _, exponent, ok := strings.Cut(strings.ToLower(number), "e"); ok && len(strings.TrimLeft(exponent, "-+0")) > 4 {
			return // too much for the oracle
		}
		want, ok := new(big.Rat).SetString(number)
		require.True(t, ok)
		var got int64
		err := p.Unmarshal([]byte(number), &got)
		require.Equal(t, want.IsInt() && want.Num().IsInt64(), err == nil, "%v", err)
		if err == nil {
			require.Equal(t, want.Num().Int64(), got)
		}
	})
}

// loose has places for anything.
type loose struct {
	Any  any            `json:"any"`
	List []any          `json:"list"`
	Map  map[string]any `json:"map"`
	Deep []struct{ M map[string][]any }
	*Embedded
	N json.Number
}

type Embedded struct{ Inner any }

func TestIntegersKeepTheirValueInAny(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	for number, want := range map[string]any{
		"0": int64(0), "1": int64(1), "-1": int64(-1), "9007199254740993": int64(9007199254740993), "9223372036854775807": int64(math.MaxInt64),
		"-9223372036854775808": int64(math.MinInt64), "9223372036854775808": uint64(1 << 63), "18446744073709551615": uint64(math.MaxUint64),
		"18446744073709551616": float64(1 << 64), "-9223372036854775809": -float64(1 << 63), "5.0": 5.0, "5e0": 5.0, "0.5": 0.5,
	} {
		var single any
		require.NoError(t, p.Unmarshal([]byte(number), &single))
		require.Equal(t, want, single)
		list := []any{"a"}
		require.NoError(t, p.Unmarshal([]byte("["+number+",["+number+"]]"), &list))
		require.Equal(t, []any{want, []any{want}}, list)
		var m map[string]any
		require.NoError(t, p.Unmarshal([]byte(`{"a":{"b":`+number+`},"c":null}`), &m))
		require.Equal(t, map[string]any{"a": map[string]any{"b": want}, "c": nil}, m)
		var v loose
		require.NoError(t, p.Unmarshal([]byte(strings.ReplaceAll(`{"any":X,"list":[X],"map":{"a":[X]},"Deep":[{"M":{"a":[X]}}],"Inner":X,"N":X}`, "X", number)), &v))
		require.Equal(t, loose{
			want, []any{want}, map[string]any{"a": []any{want}}, []struct{ M map[string][]any }{{map[string][]any{"a": {want}}}},
			&Embedded{want}, json.Number(number),
		}, v)
		inner := Embedded{}
		single = &inner
		require.NoError(t, p.Unmarshal([]byte(`{"Inner":`+number+`}`), &single))
		require.Equal(t, want, inner.Inner)
	}
	for _, target := range []any{new(any), new([]any), new(map[string]any), new(loose)} {
		require.Error(t, p.Unmarshal([]byte(`{"a":1e400,"any":[1e400]}`), target))
	}
}

// Both protocols make the same of integers and texts.
func TestAnyIsTheSameInBothProtocols(t *testing.T) {
	t.Parallel()
	v := map[string]any{"a": 1, "b": []any{-1 << 60, uint64(math.MaxUint64), "text", nil, true, 1.5}}
	var got [2]any
	for i, p := range protocols {
		value, err := p.AppendValue(nil, v)
		require.NoError(t, err)
		require.NoError(t, p.Unmarshal(value, &got[i]))
	}
	require.Equal(t, got[1], got[0])
}

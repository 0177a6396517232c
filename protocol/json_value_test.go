package protocol_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// encodeJSON is the oracle: encoding/json without the escapes for HTML.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

type point struct {
	X int     `json:"x"`
	Y *string `json:"y,omitempty"`
}

type named string

type shouting struct{ text string }

func (s shouting) MarshalJSON() ([]byte, error) { return []byte(s.text), nil }

func TestJSONAppendValueAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	values := []any{
		nil, true, false, "", "x", "é<>&'+", "\"\\/\b\f\n\r\t\x00\x1e\x1f\x7f", "\u2028\u2029\ufffd", "\xff\xc3x\xed\xa0\x80", "\U0001f600",
		0, -1, math.MinInt, math.MaxInt, int8(-128), int16(-1), int32(1 << 30), int64(math.MaxInt64),
		uint(7), uint8(255), uint16(1), uint32(math.MaxUint32), uint64(math.MaxUint64),
		0.0, math.Copysign(0, -1), 1.5, 1e6, 1e20, 1e21, 1e-6, 1e-7, -1.25e-9, 1e-10, 1e100, math.MaxFloat64, math.SmallestNonzeroFloat64,
		float32(0.1), float32(1e-6), float32(1e-7), float32(1e21), float32(math.MaxFloat32), float32(3e-45),
		[]byte(nil), []byte{}, []byte{1, 2, 3}, bytes.Repeat([]byte{0xff}, 100),
		point{X: 1}, &point{}, (*point)(nil), named("n<"), []any{1, "a", nil}, map[string]any{"b": 1, "a": "<"},
		json.RawMessage(`{ "a" : [1] }`), json.RawMessage(nil), json.Number("12"),
		time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), netip.MustParseAddr("127.0.0.1"),
		shouting{` {"a": "<\u001e"} `}, [3]int{1, 2, 3}, []int(nil),
	}
	p := protocol.NewJSON()
	for _, v := range values {
		t.Run(fmt.Sprintf("%T(%v)", v, v), func(t *testing.T) {
			t.Parallel()
			want, err := encodeJSON(v)
			require.NoError(t, err)
			got, err := p.AppendValue([]byte("before"), v)
			require.NoError(t, err)
			require.Equal(t, "before"+string(want), string(got))
		})
	}
}

// A value that cannot be written leaves what is written already alone.
func TestJSONAppendValueRefuses(t *testing.T) {
	t.Parallel()
	values := []any{
		math.NaN(), math.Inf(1), float32(math.Inf(-1)), make(chan int), func() {}, []any{1, math.NaN()},
		json.RawMessage("{"), json.Number("x"), shouting{"\x1e"}, shouting{"\"\x1e\""}, shouting{"1\x1e2"}, shouting{""},
	}
	p := protocol.NewJSON()
	for _, v := range values {
		t.Run(fmt.Sprintf("%T", v), func(t *testing.T) {
			t.Parallel()
			got, err := p.AppendValue([]byte("before"), v)
			require.Error(t, err)
			require.Equal(t, "before", string(got))
			got, err = p.AppendValue(nil, "next")
			require.NoError(t, err)
			require.Equal(t, `"next"`, string(got))
		})
	}
}

func TestJSONAppendValueCopiesRaw(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	got, err := p.AppendValue(nil, rawJSON(t, `{ "a" : 1 }`))
	require.NoError(t, err)
	require.Equal(t, `{ "a" : 1 }`, string(got))
	got, err = p.AppendValue(nil, protocol.Raw{})
	require.NoError(t, err)
	require.Equal(t, "null", string(got))
}

// floats turns the integers that were decoded into an empty interface into what
// encoding/json makes of them.
func floats(v any) any {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = floats(v[name])
		}
	case *any:
		if v != nil {
			*v = floats(*v)
		}
	case *[]any:
		floats(*v)
	case *map[string]any:
		floats(*v)
	}
	return v
}

// For every raw value and target the result and the fact of an error are those of
// encoding/json, but for whole numbers.
func TestJSONUnmarshalAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	inputs := []string{
		`null`, `true`, `false`, `""`, `"x"`, `"é"`, `"a\nb"`, `"\ud800"`, "\"\xff\"", `"AQID"`, `"2000-01-01T00:00:00Z"`,
		`0`, `-0`, `1`, `-1`, `127`, `128`, `255`, `256`, `1.0`, `1.5`, `1e3`, `-1e-9`, `9223372036854775807`, `9223372036854775808`, `1e400`,
		`[]`, `[1,"a",null]`, `{}`, `{"x":1,"y":"z"}`, `{"X":1}`, `{"x":"1"}`,
		``, ` 1`, `1 `, `01`, `+1`, `0x1`, `1_0`, `Inf`, `NaN`, `"`, `"a`, "\"\n\"", `"a"b"`, `tru`, `truee`, `-`,
	}
	targets := []func() any{
		func() any { return new(string) }, func() any { return new(int) }, func() any { return new(int64) },
		func() any { return new(int8) }, func() any { return new(uint8) }, func() any { return new(bool) },
		func() any { return new(float64) }, func() any { return new(float32) }, func() any { return new(any) },
		func() any { return new([]byte) }, func() any { return new([]any) }, func() any { return new(map[string]any) },
		func() any { return new(point) }, func() any { return new(*point) }, func() any { return new(json.RawMessage) },
		func() any { return new(time.Time) }, func() any { return new(named) },
		func() any { s := "kept"; return &s }, func() any { n := 5; return &n }, func() any { n := int64(5); return &n },
		func() any { b := true; return &b }, func() any { f := 5.0; return &f },
		func() any { var inner point; var v any = &inner; return &v }, func() any { var v any = "old"; return &v },
		func() any { return (*string)(nil) }, func() any { return (*int)(nil) }, func() any { return (*int64)(nil) },
		func() any { return (*bool)(nil) }, func() any { return (*float64)(nil) }, func() any { return (*any)(nil) },
		func() any { return nil }, func() any { return 5 },
	}
	p := protocol.NewJSON()
	for _, input := range inputs {
		for _, target := range targets {
			want, got := target(), target()
			text := input
			if t := reflect.TypeOf(want); t != nil && t.Kind() == reflect.Pointer && t.Elem().Kind() >= reflect.Int && t.Elem().Kind() <= reflect.Uint64 {
				text = cmp.Or(map[string]string{`1.0`: `1`, `1e3`: `1000`, `-0`: `0`}[input], input)
			}
			wantErr := json.Unmarshal([]byte(text), want)
			gotErr := p.Unmarshal([]byte(input), got)
			require.Equal(t, wantErr, gotErr, "%q into %T", input, got)
			if input == "1e400" { // refused late in an empty interface, whose old value is lost
				continue
			}
			require.Equal(t, want, floats(got), "%q into %T", input, got)
		}
	}
}

// The frame is reused for the next message while the values live on.
func TestJSONUnmarshalNeverAliases(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	raw := []byte(`"abcdef"`)
	var (
		s       string
		a       any
		message json.RawMessage
		kept    protocol.Raw
	)
	for _, v := range []any{&s, &a, &message, &kept} {
		require.NoError(t, p.Unmarshal(raw, v))
	}
	for i := range raw {
		raw[i] = 'z'
	}
	require.Equal(t, "abcdef", s)
	require.Equal(t, "abcdef", a)
	require.Equal(t, `"abcdef"`, string(message))
	require.Equal(t, `"abcdef"`, jsonOf(t, kept))
}

type failing struct{ err error }

func (f failing) MarshalJSON() ([]byte, error) { return nil, f.err }

func TestJSONAppendValueKeepsTheCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	_, err := protocol.NewJSON().AppendValue(nil, failing{cause})
	require.ErrorIs(t, err, cause)
}

// Whatever is in a value, the frame has one record separator: its last byte.
func TestJSONValuesNeverHoldARecordSeparator(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	text := "a\x1eb"
	values := []any{
		text, named(text), []string{text}, map[string]string{text: text}, struct{ A string }{text}, []byte(text),
		shouting{`"\u001e"`}, json.RawMessage(`"\u001e"`), textual(text),
	}
	for _, v := range values {
		raw, err := p.AppendValue(nil, v)
		require.NoError(t, err)
		require.False(t, strings.ContainsRune(string(raw), protocol.RecordSeparator), "%T", v)
	}
}

type textual string

func (t textual) MarshalText() ([]byte, error) { return []byte(t), nil }

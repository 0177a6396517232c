package protocol_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// Each parsed message costs its struct, which holds a few arguments, and its strings; values cost nothing until they are decoded.
func TestParseAllocations(t *testing.T) {
	budget := map[protocol.Type]float64{
		protocol.TypeInvocation:       3,
		protocol.TypeStreamInvocation: 3,
		protocol.TypeStreamItem:       2,
		protocol.TypeCompletion:       2,
		protocol.TypeCancelInvocation: 2,
		protocol.TypePing:             0,
		protocol.TypeClose:            2,
		protocol.TypeAck:              1,
		protocol.TypeSequence:         1,
	}
	for _, p := range protocols {
		for _, m := range traffic(t, p) {
			frame := frameOf(t, p, m)
			got := testing.AllocsPerRun(100, func() {
				if _, err := p.Parse(frame); err != nil {
					t.Fatal(err)
				}
			})
			require.LessOrEqual(t, got, budget[m.Type()], "%s %s", p.Name(), kindName(m))
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1024)
	for _, p := range protocols {
		for _, m := range traffic(t, p) {
			got := testing.AllocsPerRun(100, func() {
				if _, err := p.Append(dst, m); err != nil {
					t.Fatal(err)
				}
			})
			require.Zero(t, got, "%s %s", p.Name(), kindName(m))
		}
	}
}

func TestAppendSimpleValuesAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, 1024)
	values := []any{
		nil, "text é\n", true, 123456, int8(1), int16(1), int32(1), int64(1), uint(1), uint8(1), uint16(1), uint32(1), uint64(1),
		float32(0.1), 1e-7, []byte{1, 2, 3},
	}
	for _, p := range protocols {
		value, err := p.AppendValue(nil, "raw")
		require.NoError(t, err)
		var raw protocol.Raw
		require.NoError(t, p.Unmarshal(value, &raw))
		for _, v := range append(values, raw) {
			got := testing.AllocsPerRun(100, func() {
				if _, err := p.AppendValue(dst, v); err != nil {
					t.Fatal(err)
				}
			})
			require.Zero(t, got, "%s %T", p.Name(), v)
		}
	}
}

func TestUnmarshalSimpleValuesAllocations(t *testing.T) {
	for _, p := range protocols {
		text, err := p.AppendValue(nil, "some text")
		require.NoError(t, err)
		number, err := p.AppendValue(nil, 123456)
		require.NoError(t, err)
		yes, err := p.AppendValue(nil, true)
		require.NoError(t, err)
		tests := []struct {
			raw    []byte
			target any
			budget float64
		}{
			{text, new(string), 1}, // the string itself
			{number, new(int), 0}, {number, new(int64), 0}, {number, new(float64), 0}, {yes, new(bool), 0},
		}
		for _, tt := range tests {
			got := testing.AllocsPerRun(100, func() {
				if err := p.Unmarshal(tt.raw, tt.target); err != nil {
					t.Fatal(err)
				}
			})
			require.LessOrEqual(t, got, tt.budget, "%s %T", p.Name(), tt.target)
		}
	}
}

// A length that is only claimed costs nothing.
func TestMessagePackClaimedLengthsTakeNoMemory(t *testing.T) {
	p := protocol.NewMessagePack()
	frames := [][]byte{
		unhex(t, "dd ff ff ff ff 06"), unhex(t, "93 05 df 7f ff ff ff a1 34"), unhex(t, "93 05 80 db ff ff ff ff 34"),
		unhex(t, "95 01 80 c0 a1 74 dd 0f ff ff ff 01"), unhex(t, "94 02 80 a1 34 c6 ff ff ff ff"),
	}
	raws := [][]byte{
		unhex(t, "dd ff ff ff ff 01"), unhex(t, "df 7f ff ff ff a1 61"), unhex(t, "db ff ff ff ff 61"), unhex(t, "c6 7f ff ff ff 61"),
		unhex(t, "c9 ff ff ff ff ff 00"), unhex(t, "91 dd 7f ff ff ff 01"),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, frame := range frames {
		if _, err := p.Parse(frame); err == nil {
			t.Errorf("% x was parsed", frame)
		}
	}
	for _, raw := range raws {
		for _, target := range []any{new(any), new([]int), new(map[string]int), new(string), new([]byte), new(point)} {
			if err := p.Unmarshal(raw, target); err == nil {
				t.Errorf("% x was read", raw)
			}
		}
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<16))
}

// An invocation that is given back costs no more than its strings.
func TestRecycledInvocations(t *testing.T) {
	for _, p := range protocols {
		frame := frameOf(t, p, traffic(t, p)[0])
		got := testing.AllocsPerRun(100, func() {
			m, err := p.Parse(frame)
			if err != nil {
				t.Fatal(err)
			}
			p.(protocol.Recycler).Recycle(m)
		})
		require.LessOrEqual(t, got, 2.0, p.Name())
	}
}

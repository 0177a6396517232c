package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// protocols are the protocols to measure.
var protocols = []protocol.Protocol{protocol.NewJSON(), protocol.NewMessagePack()}

// traffic returns one typical message of each kind, its values encoded by p.
func traffic(tb testing.TB, p protocol.Protocol) []protocol.Message {
	tb.Helper()
	value := func(v any) []byte {
		raw, err := p.AppendValue(nil, v)
		require.NoError(tb, err)
		return raw
	}
	text := value("Hello, how are you today?")
	return []protocol.Message{
		&protocol.Invocation{InvocationID: "17", Target: "Send", Arguments: [][]byte{text, value(42)}},
		&protocol.Invocation{InvocationID: "18", Target: "Count", Arguments: [][]byte{value(10)}, Stream: true},
		&protocol.StreamItem{InvocationID: "18", Item: text},
		&protocol.Completion{InvocationID: "17", Result: text},
		&protocol.CancelInvocation{InvocationID: "18"},
		&protocol.Ping{},
		&protocol.Close{Error: "bye", AllowReconnect: true},
		&protocol.Ack{SequenceID: 300},
		&protocol.Sequence{SequenceID: 300},
	}
}

// kindName names a message in a benchmark.
func kindName(m protocol.Message) string {
	return [...]string{"", "Invocation", "StreamItem", "Completion", "StreamInvocation", "CancelInvocation",
		"Ping", "Close", "Ack", "Sequence"}[m.Type()]
}

// frameOf returns the frame of m without its framing.
func frameOf(tb testing.TB, p protocol.Protocol, m protocol.Message) []byte {
	tb.Helper()
	wire, err := p.Append(nil, m)
	require.NoError(tb, err)
	frame, _, err := p.Split(wire, 0)
	require.NoError(tb, err)
	return frame
}

func BenchmarkParse(b *testing.B) {
	for _, p := range protocols {
		for _, m := range traffic(b, p) {
			b.Run(p.Name()+"/"+kindName(m), func(b *testing.B) {
				frame := frameOf(b, p, m)
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

func BenchmarkAppend(b *testing.B) {
	for _, p := range protocols {
		for _, m := range traffic(b, p) {
			b.Run(p.Name()+"/"+kindName(m), func(b *testing.B) {
				dst := make([]byte, 0, 1024)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.Append(dst, m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// payload is an ordinary structured argument.
type payload struct {
	ID     int64             `json:"id"`
	Name   string            `json:"name"`
	Tags   []string          `json:"tags"`
	Labels map[string]string `json:"labels"`
	Ratio  float64           `json:"ratio"`
}

func newPayload() payload {
	return payload{ID: 12345, Name: "some name", Tags: []string{"a", "b", "c"}, Labels: map[string]string{"k": "v"}, Ratio: 0.75}
}

func newMap() map[string]any {
	return map[string]any{"id": 12345, "name": "some name", "tags": []string{"a", "b", "c"}, "labels": map[string]string{"k": "v"}, "ratio": 0.75}
}

func BenchmarkAppendValue(b *testing.B) {
	for _, p := range protocols {
		for _, v := range []any{"Hello, how are you today?", 12345, 1.5, newPayload(), newMap()} {
			b.Run(p.Name()+"/"+typeName(v), func(b *testing.B) {
				dst := make([]byte, 0, 1024)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.AppendValue(dst, v); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkUnmarshal(b *testing.B) {
	for _, p := range protocols {
		for _, v := range []any{"Hello, how are you today?", 12345, 1.5, newPayload()} {
			b.Run(p.Name()+"/"+typeName(v), func(b *testing.B) {
				raw, err := p.AppendValue(nil, v)
				require.NoError(b, err)
				var target any
				switch v.(type) {
				case string:
					target = new(string)
				case int:
					target = new(int)
				case float64:
					target = new(float64)
				default:
					target = new(payload)
				}
				b.ReportAllocs()
				for b.Loop() {
					if err := p.Unmarshal(raw, target); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case int:
		return "int"
	case float64:
		return "float64"
	case map[string]any:
		return "map"
	default:
		return "struct"
	}
}

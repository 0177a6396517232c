package protocol_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

func TestJSONRefusesToEncodeInvalidUTF8(t *testing.T) {
	t.Parallel()
	bad := json.RawMessage("\"\xff\"")
	for name, v := range map[string]any{
		"RawMessage": bad,
		"pointer":    &bad,
		"struct":     struct{ V json.RawMessage }{bad},
		"slice":      []json.RawMessage{bad},
		"map":        map[string]any{"v": bad},
		"Marshaler":  shouting{string(bad)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := protocol.NewJSON().AppendValue([]byte("before"), v)
			require.ErrorContains(t, err, "not valid UTF-8")
			require.Equal(t, "before", string(got))
		})
	}
}

func TestJSONRefusesAMessageOfInvalidUTF8(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]string{
		"argument": "{\"type\":1,\"target\":\"A\",\"arguments\":[\"\xff\"]}",
		"nested":   "{\"type\":1,\"target\":\"A\",\"arguments\":[{\"a\":[\"\xc3\"]}]}",
		"item":     "{\"type\":2,\"invocationId\":\"1\",\"item\":\"\xff\"}",
		"result":   "{\"type\":3,\"invocationId\":\"1\",\"result\":\"\xff\"}",
		"ignored":  "{\"type\":6,\"more\":\"\xff\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := protocol.NewJSON().Parse([]byte(frame))
			var refused *protocol.Error
			require.ErrorAs(t, err, &refused)
		})
	}
}

package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// Nothing of a message that was given back shows in the next one.
func TestRecycledInvocationsAreClean(t *testing.T) {
	t.Parallel()
	for _, p := range protocols {
		value := func(v any) []byte {
			raw, err := p.AppendValue(nil, v)
			require.NoError(t, err)
			return raw
		}
		messages := []protocol.Message{
			&protocol.Invocation{
				Headers: map[string]string{"a": "b"}, InvocationID: "1", Target: "m",
				Arguments: [][]byte{value(1), value(2)}, StreamIDs: []string{"s"}, Stream: true,
			},
			&protocol.Invocation{Target: "n"},
			&protocol.Invocation{Target: "o", Arguments: [][]byte{value(3)}},
			&protocol.Invocation{Target: "p", Arguments: [][]byte{value(1), value(2), value(3), value(4)}},
			&protocol.Ping{},
		}
		for range 50 {
			for _, want := range messages {
				got, err := p.Parse(frameOf(t, p, want))
				require.NoError(t, err)
				require.Equal(t, want, got, p.Name())
				p.(protocol.Recycler).Recycle(got)
			}
		}
	}
}

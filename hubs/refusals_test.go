package hubs_test

import (
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// Invocations with more than one fault were told the wrong one: arguments go first,
// then whether a stream is wanted, then the number of streams (reference 6.3).
func TestOrderOfTheChecksOfAnInvocation(t *testing.T) {
	t.Parallel()
	c := serve(t, nil, hubs.WithDetailedErrors(),
		hubs.Handle1("count", func(*hubs.Context, int) (<-chan int, error) { return nil, nil }),
		hubs.Handle2("plain", func(_ *hubs.Context, n int, _ iter.Seq2[int, error]) (int, error) { return n, nil })).connect()
	const (
		number  = "Failed to invoke '%s' due to an error on the server. InvalidDataException: Invocation provides 2 argument(s) but target expects 1."
		binding = "Failed to invoke '%s' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked. Argument 1 (int): json: cannot unmarshal string into Go value of type int"
		stream  = "The client attempted to invoke the streaming '%s' method with a non-streaming invocation."
		noneed  = "The client attempted to invoke the non-streaming '%s' method with a streaming invocation."
		missing = "An unexpected error occurred invoking '%s' on the server. HubException: Client sent 0 stream(s), Hub method expects 1."
		tooMany = "An unexpected error occurred invoking '%s' on the server. HubException: Client sent 2 stream(s), Hub method expects 0."
	)
	for _, tt := range []struct {
		method, rest, want string
	}{
		{"count", `"type":1,"arguments":["1",2],"streamIds":["u","v"]`, number},
		{"count", `"type":1,"arguments":["1"],"streamIds":["u","v"]`, binding},
		{"count", `"type":1,"arguments":[1],"streamIds":["u","v"]`, stream},
		{"count", `"type":4,"arguments":[1],"streamIds":["u","v"]`, tooMany},
		{"plain", `"type":4,"arguments":["1",2]`, number},
		{"plain", `"type":4,"arguments":["1"]`, binding},
		{"plain", `"type":4,"arguments":[1]`, noneed},
		{"plain", `"type":1,"arguments":[1]`, missing},
	} {
		c.send(fmt.Sprintf(`{"invocationId":"1","target":%q,%s}`, tt.method, tt.rest))
		record, err := c.next()
		require.NoError(t, err)
		require.Equal(t, `{"type":3,"invocationId":"1","error":"`+fmt.Sprintf(tt.want, tt.method)+`"}`, record, tt.rest)
	}
}

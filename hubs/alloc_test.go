package hubs_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
)

// What a call, an item of a stream and a receiver of a broadcast may cost, from the
// socket to the socket. Pools and the scheduler make the figures vary a little.
func TestHubAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("pools keep less under the race detector")
	}
	for _, p := range benchProtocols {
		c := benchHub(t).connect(t, p)
		require.NoError(t, c.SetDeadline(time.Now().Add(await.Timeout)))
		text := encoded(t, p, benchText)
		call := messages(t, p, &protocol.Invocation{InvocationID: "1", Target: "Echo", Arguments: [][]byte{text}})
		answer, err := p.Append(nil, &protocol.Completion{InvocationID: "1", Result: text})
		require.NoError(t, err)
		require.LessOrEqual(t, testing.AllocsPerRun(200, func() {
			c.write(t, call)
			c.skip(t, len(answer))
		}), 11.0, "a call, %s", p.Name())

		const items = 1000
		stream := messages(t, p, &protocol.Invocation{InvocationID: "1", Target: "Count", Arguments: [][]byte{encoded(t, p, items)}, Stream: true})
		size := streamSize(t, p, items)
		require.LessOrEqual(t, testing.AllocsPerRun(20, func() {
			c.write(t, stream)
			c.skip(t, size)
		}), 2.0*items, "a stream, %s", p.Name())
	}

	s := benchHub(t)
	var read atomic.Int64
	const receivers = 100
	for range receivers {
		c := s.connect(t, benchProtocols[0])
		go c.drain(&read)
	}
	require.LessOrEqual(t, testing.AllocsPerRun(50, func() {
		require.NoError(t, s.hub.Clients().All().Send(context.Background(), "told", benchText))
		time.Sleep(time.Millisecond) // real time: the clients read their sockets meanwhile
	}), 0.5*receivers, "a broadcast to %d", receivers)
}

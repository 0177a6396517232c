package scaleout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/scaleout"
)

type deaf struct{}

func (deaf) Deliver(*scaleout.Envelope) {}
func (deaf) NodeLeft(scaleout.NodeID)   {}
func (deaf) NodeSilent(scaleout.NodeID) {}
func (deaf) Lost(scaleout.Loss)         {}

// joinMemory joins a new bus, as a process does that has just started.
func joinMemory(t *testing.T) scaleout.Node {
	node, err := scaleout.NewMemory().Join("hub", deaf{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, node.Close(context.Background())) })
	node.Keep()
	return node
}

// A position that an earlier process gave out is not taken for one of this: who
// comes with it gets all that is kept.
func TestMemoryKnowsPositionsOfEarlierProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		publish := func(node scaleout.Node, count int) {
			for range count {
				require.NoError(t, node.Publish(context.Background(), &scaleout.Envelope{Kind: scaleout.Message}))
			}
		}
		stream := scaleout.Topic{}.Stream(4)
		earlier := joinMemory(t)
		require.Equal(t, 4, earlier.Streams())
		start := earlier.Last(stream)
		publish(earlier, 10)
		time.Sleep(time.Millisecond) // of the bubble's time: farms begin with the time of day
		now := joinMemory(t)
		publish(now, 20)
		for _, cursor := range []scaleout.Position{start, earlier.Last(stream)} {
			envelopes, gap, err := now.Reader(stream, cursor).Next(t.Context(), 100)
			require.NoError(t, err)
			require.True(t, gap)
			require.Len(t, envelopes, 20)
		}
	})
}

func TestMemoryLogLimits(t *testing.T) {
	t.Parallel()
	bus := scaleout.NewMemory(scaleout.WithLogLimits(scaleout.LogLimits{Entries: 3}))
	node, err := bus.Join("hub", deaf{})
	require.NoError(t, err)
	defer node.Close(context.Background())
	node.Keep()
	for range 10 {
		require.NoError(t, node.Publish(t.Context(), &scaleout.Envelope{Kind: scaleout.Message}))
	}
	envelopes, gap, err := node.Reader(scaleout.Topic{}.Stream(4), scaleout.Position{}).Next(t.Context(), 100)
	require.NoError(t, err)
	require.True(t, gap)
	require.Len(t, envelopes, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = node.Reader(0, scaleout.Position{}).Next(ctx, 100)
	require.ErrorIs(t, err, context.Canceled)
}

func TestMemoryWithWrongLimits(t *testing.T) {
	t.Parallel()
	for _, limits := range []scaleout.LogLimits{{Entries: -1}, {Bytes: -1}, {Age: -time.Second}} {
		_, err := scaleout.NewMemory(scaleout.WithLogLimits(limits)).Join("hub", nil)
		require.ErrorContains(t, err, "scaleout: the limits of a log must not be negative")
	}
}

package hubs_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/scaleout"
)

// moodyBus is a bus that can be made to fail.
type moodyBus struct {
	*scaleout.Memory
	receiver scaleout.Receiver
	node     scaleout.Node
	err      atomic.Pointer[error]
}

func (b *moodyBus) Join(hub string, receiver scaleout.Receiver) (scaleout.Node, error) {
	b.receiver = receiver
	node, err := b.Memory.Join(hub, receiver)
	b.node = node
	return moodyNode{node, b}, err
}

func (b *moodyBus) fail(err error) { b.err.Store(&err) }

type moodyNode struct {
	scaleout.Node
	bus *moodyBus
}

func (n moodyNode) Publish(ctx context.Context, e *scaleout.Envelope) error {
	if err := n.bus.err.Load(); err != nil {
		return *err
	}
	return n.Node.Publish(ctx, e)
}

func (n moodyNode) Start(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) (func() error, error) {
	if err := n.bus.err.Load(); err != nil {
		return nil, *err
	}
	return n.Node.Start(ctx, to, e)
}

func (n moodyNode) Health() (scaleout.Health, error) {
	if err := n.bus.err.Load(); err != nil {
		return scaleout.Down, *err
	}
	return n.Node.Health()
}

func TestStatsOfTheBus(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	bus := &moodyBus{Memory: scaleout.NewMemory()}
	a := serve(t, callHub{}, hubs.WithBus(bus))
	b := serve(t, callHub{}, hubs.WithBus(bus.Memory))
	require.Equal(t, hubs.BusStats{Nodes: 2}, a.Stats().Bus)

	require.NoError(t, a.Clients().All().Send(ctx, "m"))
	require.NoError(t, b.Clients().All().Send(ctx, "m"))
	_, err := a.Clients().Group("g").Count(ctx) // a question to each of two nodes, and their answers
	require.NoError(t, err)
	stats := a.Stats()
	require.GreaterOrEqual(t, stats.Bus.Published, uint64(2))
	require.GreaterOrEqual(t, stats.Bus.Delivered, uint64(4))
	require.Zero(t, stats.Bus.Failed)
	require.Zero(t, stats.Bus.Pending)
	require.Empty(t, stats.Ended)

	bus.receiver.Lost(scaleout.Loss{Reason: "sequence", Count: 3})
	bus.receiver.Lost(scaleout.Loss{Reason: "epoch"})
	before := stats.Bus.Published
	for _, err := range []error{scaleout.ErrDown, scaleout.ErrFull, context.DeadlineExceeded, context.Canceled} {
		bus.fail(err)
		require.ErrorIs(t, a.Clients().All().Send(ctx, "m"), err)
	}
	stats = a.Stats()
	require.Equal(t, scaleout.Down, stats.Bus.Health)
	require.ErrorIs(t, stats.Bus.HealthCause, context.Canceled)
	require.EqualValues(t, 3, stats.Bus.Failed, "who gives up a send has not seen it fail")
	require.EqualValues(t, 2, stats.Bus.Losses)
	require.EqualValues(t, 3, stats.Bus.Lost)
	require.Equal(t, before, stats.Bus.Published)
}

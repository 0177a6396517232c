package hubs

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// Stats is a snapshot of a hub's counters, for the metrics system of the
// application. They count from when the hub was made, and this process alone.
type Stats struct {
	// Stats are the counters of the connections.
	transports.Stats
	// Bus are the counters of the message bus.
	Bus BusStats
}

// BusStats are the counters of a hub's membership of its farm. The bus may have
// more of its own, such as those of package scaleout/redis.
type BusStats struct {
	// Health is the state of the connection to the bus, and HealthCause why, unless it
	// is [scaleout.Connected].
	Health      scaleout.Health
	HealthCause error
	// Nodes is how many nodes serve the hub, this one included, as far as it
	// knows.
	Nodes int
	// Published are the messages and questions that this node has given to the
	// bus, for all nodes or for another; Failed are those that the bus has not
	// taken because it was away, or too much was waiting for it.
	Published, Failed uint64
	// Delivered are the messages and questions that have come from the bus,
	// from this node's own hub too.
	Delivered uint64
	// Losses are the times that the bus has told that messages are missing,
	// Lost how many they were, as far as is known.
	Losses, Lost uint64
	// Pending is how many questions to other nodes wait for answers now:
	// client results, changes of groups, presence.
	Pending int
}

// Stats returns the counters of this moment.
func (h *Hub) Stats() Stats {
	return Stats{Stats: h.endpoint.Stats(), Bus: h.farm.stats()}
}

func (f *farm) stats() BusStats {
	health, cause := f.node.Health()
	return BusStats{
		Health:      health,
		HealthCause: cause,
		Nodes:       len(f.node.Nodes()),
		Published:   f.counts.published.Load(),
		Failed:      f.counts.failed.Load(),
		Delivered:   f.counts.delivered.Load(),
		Losses:      f.counts.losses.Load(),
		Lost:        f.counts.lost.Load(),
		Pending:     f.requests.count(),
	}
}

// busCounters are what BusStats is made of.
type busCounters struct {
	published, failed, delivered, losses, lost atomic.Uint64
}

// countedNode is a node that counts what is published by it, and says in terms of the
// hub why it publishes no more.
type countedNode struct {
	scaleout.Node
	counts *busCounters
}

func (n countedNode) Publish(ctx context.Context, e *scaleout.Envelope) error {
	return n.settle(n.Node.Publish(ctx, e))
}

func (n countedNode) Send(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) error {
	return n.settle(n.Node.Send(ctx, to, e))
}

func (n countedNode) Start(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) (func() error, error) {
	wait, err := n.Node.Start(ctx, to, e)
	if err != nil {
		return nil, n.settle(err)
	}
	return func() error { return n.settle(wait()) }, nil
}

func (n countedNode) settle(err error) error {
	switch {
	case err == nil:
		n.counts.published.Add(1)
	case errors.Is(err, scaleout.ErrDown), errors.Is(err, scaleout.ErrFull), errors.Is(err, context.DeadlineExceeded):
		n.counts.failed.Add(1)
	case errors.Is(err, scaleout.ErrClosed):
		return shutDownError{}
	}
	return err
}

package hubs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/negotiate"
	"github.com/go-signalr/signalr/scaleout"
)

// unanswering is a receiver that replies to no request, and says when there is one.
type unanswering struct {
	mute
	asked chan struct{}
}

func (u unanswering) Deliver(e *scaleout.Envelope) {
	if e.Request != 0 {
		u.asked <- struct{}{}
	}
}

// joinMute joins a node that replies to nothing, and returns the id that a connection of
// it could have.
func joinMute(t *testing.T, bus *scaleout.Memory) (node scaleout.Node, connectionID string, asked <-chan struct{}) {
	t.Helper()
	receiver := unanswering{asked: make(chan struct{}, 10)}
	node, err := bus.Join("hub", receiver)
	require.NoError(t, err)
	t.Cleanup(func() { _ = node.Close(context.Background()) })
	return node, negotiate.NewNodeID(uint32(node.ID())), receiver.asked
}

// requestsTo are all requests to another node: they end by its reply, or as tests show.
var requestsTo = map[string]func(ctx context.Context, h *hubs.Hub, connectionID string) error{
	"Groups.Add": func(ctx context.Context, h *hubs.Hub, id string) error { return h.Groups().Add(ctx, id, "g") },
	"Groups.Remove": func(ctx context.Context, h *hubs.Hub, id string) error {
		return h.Groups().Remove(ctx, id, "g")
	},
	"Groups.Add of a classic client": func(ctx context.Context, h *hubs.Hub, _ string) error {
		return h.Groups().Add(ctx, bridge.NewConnectionID(), "g")
	},
	"Count": func(ctx context.Context, h *hubs.Hub, _ string) error {
		_, err := h.Clients().All().Count(ctx)
		return err
	},
	"Connections": func(ctx context.Context, h *hubs.Hub, _ string) error {
		_, err := h.Clients().Group("g").Connections(ctx)
		return err
	},
	"Nodes": func(ctx context.Context, h *hubs.Hub, _ string) error {
		_, err := h.Nodes(ctx)
		return err
	},
	"Invoke": func(ctx context.Context, h *hubs.Hub, id string) error {
		_, err := hubs.Invoke[int](ctx, h.Clients().Client(id), "ask")
		return err
	},
}

// TestRequestsToANodeThatDoesNotReply end after a while, but for Invoke, whose client
// may take its time.
func TestRequestsToANodeThatDoesNotReply(t *testing.T) {
	t.Parallel()
	for name, request := range requestsTo {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := scaleout.NewMemory()
			h := serve(t, callHub{}, hubs.WithBus(bus), hubs.WithName("hub"), hubs.WithNodeReplyTimeout(20*time.Millisecond))
			_, id, _ := joinMute(t, bus)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			err := request(ctx, h.Hub, id)
			if name == "Invoke" {
				require.ErrorIs(t, err, context.DeadlineExceeded)
			} else {
				require.ErrorIs(t, err, scaleout.ErrDown)
				require.NoError(t, ctx.Err())
			}
			require.Zero(t, h.Stats().Bus.Pending)
		})
	}
}

// TestRequestsThatAreLost end when it is known that they, or their replies, may be, or
// that their node cannot reply.
func TestRequestsThatAreLost(t *testing.T) {
	t.Parallel()
	for _, cause := range []struct {
		name string
		tell func(t *testing.T, receiver scaleout.Receiver, hub, other scaleout.Node)
		// Whether those fail that ask all nodes, and go on without one that is gone.
		surveys bool
	}{
		{"the data of the bus was replaced", func(_ *testing.T, r scaleout.Receiver, _, _ scaleout.Node) {
			r.Lost(scaleout.Loss{Reason: "epoch"})
		}, true},
		{"the node's own stream has a gap", func(_ *testing.T, r scaleout.Receiver, _, _ scaleout.Node) {
			r.Lost(scaleout.Loss{Reason: "gap", Own: true})
		}, true},
		{"replies of the other node are missing", func(_ *testing.T, r scaleout.Receiver, _, other scaleout.Node) {
			r.Lost(scaleout.Loss{Reason: "sequence", Own: true, Publisher: other.ID(), Count: 1})
		}, true},
		{"the other node has missed something", func(t *testing.T, _ scaleout.Receiver, hub, other scaleout.Node) {
			require.NoError(t, other.Send(t.Context(), hub.ID(), &scaleout.Envelope{Kind: scaleout.Missed}))
		}, true},
		{"the other node is silent", func(_ *testing.T, r scaleout.Receiver, _, other scaleout.Node) {
			r.NodeSilent(other.ID())
		}, false},
		{"the other node leaves", func(t *testing.T, _ scaleout.Receiver, _, other scaleout.Node) {
			require.NoError(t, other.Close(t.Context()))
		}, false},
	} {
		for name, request := range requestsTo {
			t.Run(cause.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				bus := &moodyBus{Memory: scaleout.NewMemory()}
				h := serve(t, callHub{}, hubs.WithBus(bus), hubs.WithName("hub"), hubs.WithNodeReplyTimeout(time.Hour))
				other, id, asked := joinMute(t, bus.Memory)
				result := make(chan error, 1)
				go func() { result <- request(t.Context(), h.Hub, id) }()
				await.Done(t, asked, "the request to reach the other node")
				cause.tell(t, bus.receiver, bus.node, other)
				err := await.Receive(t, result, "the end of the request")
				isSurvey := name != "Groups.Add" && name != "Groups.Remove" && name != "Invoke"
				var notConnected *hubs.NotConnectedError
				switch {
				case cause.surveys, !isSurvey && cause.name == "the other node is silent":
					require.ErrorIs(t, err, scaleout.ErrDown)
				case name == "Invoke":
					require.ErrorAs(t, err, &notConnected)
				default:
					require.NoError(t, err)
				}
				require.Zero(t, h.Stats().Bus.Pending)
			})
		}
	}
}

// TestLossesAreReportedToTheirSenders, who may wait for replies to what was lost.
func TestLossesAreReportedToTheirSenders(t *testing.T) {
	t.Parallel()
	bus := &moodyBus{Memory: scaleout.NewMemory()}
	serve(t, callHub{}, hubs.WithBus(bus), hubs.WithName("hub"))
	missed := make(missedBy, 10)
	sender, err := bus.Memory.Join("hub", missed)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sender.Close(context.Background()) })
	for _, loss := range []scaleout.Loss{
		{Reason: "gap", Own: true},
		{Reason: "sequence", Own: true, Publisher: sender.ID(), Count: 2},
	} {
		bus.receiver.Lost(loss)
		require.Equal(t, bus.node.ID(), await.Receive(t, missed, "the report of a loss"))
	}
}

// missedBy is a receiver of the nodes that have missed something.
type missedBy chan scaleout.NodeID

func (m missedBy) Deliver(e *scaleout.Envelope) {
	if e.Kind == scaleout.Missed {
		m <- e.Publisher
	}
}
func (missedBy) NodeLeft(scaleout.NodeID)   {}
func (missedBy) NodeSilent(scaleout.NodeID) {}
func (missedBy) Lost(scaleout.Loss)         {}

package hubs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// hookedBus is a bus in memory that lets a test in between.
type hookedBus struct {
	*scaleout.Memory
	published func()                     // after each Publish
	sending   func(e *scaleout.Envelope) // before each Send
}

func (b *hookedBus) Join(hub string, receiver scaleout.Receiver) (scaleout.Node, error) {
	node, err := b.Memory.Join(hub, receiver)
	return hookedNode{node, b}, err
}

type hookedNode struct {
	scaleout.Node
	bus *hookedBus
}

func (n hookedNode) Publish(ctx context.Context, e *scaleout.Envelope) error {
	err := n.Node.Publish(ctx, e)
	if n.bus.published != nil {
		n.bus.published()
	}
	return err
}

func (n hookedNode) Send(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) error {
	if n.bus.sending != nil {
		n.bus.sending(e)
	}
	return n.Node.Send(ctx, to, e)
}

// mute is a receiver of a node that answers nothing.
type mute struct{}

func (mute) Deliver(*scaleout.Envelope) {}
func (mute) NodeLeft(scaleout.NodeID)   {}
func (mute) NodeSilent(scaleout.NodeID) {}
func (mute) Lost(scaleout.Loss)         {}

// A node that joins after a change of groups was published has not got it, and is not
// waited for.
func TestChangeOfGroupsDoesNotWaitForNodesThatJoinLater(t *testing.T) {
	t.Parallel()
	bus := &hookedBus{Memory: scaleout.NewMemory()}
	bus.published = func() {
		late, err := bus.Memory.Join("hub", mute{})
		if assert.NoError(t, err) {
			t.Cleanup(func() { assert.NoError(t, late.Close(context.Background())) })
		}
	}
	h := serve(t, callHub{}, hubs.WithBus(bus), hubs.WithName("hub"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, h.Groups().Add(ctx, bridge.NewConnectionID(), "g"))
}

// Who gives up a question to a client of another node need not wait until that node
// can be told.
func TestAskerThatGivesUpDoesNotWaitForTheBus(t *testing.T) {
	t.Parallel()
	bus := &hookedBus{Memory: scaleout.NewMemory()}
	away := make(chan struct{})
	defer close(away)
	bus.sending = func(e *scaleout.Envelope) {
		if e.Kind == scaleout.Forget {
			<-away
		}
	}
	a, b := serve(t, callHub{}, hubs.WithBus(bus)), serve(t, callHub{}, hubs.WithBus(bus.Memory))
	m := crowd(t, b, "")[0]
	ctx, cancel := context.WithCancel(t.Context())
	_, given := ask(t, ctx, a.Clients().Client(m.id), m.client)
	cancel()
	require.ErrorIs(t, await.Receive(t, given, "the result of the call that was given up").err, context.Canceled)
}

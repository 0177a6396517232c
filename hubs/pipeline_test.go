package hubs_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/scaleout"
)

// TestPipelineOverNodes: what goes by a pipeline is as without one.
func TestPipelineOverNodes(t *testing.T) {
	t.Parallel()
	nodes := serveFarm(t, 2)
	ms := append(crowd(t, nodes[0], "ada"), crowd(t, nodes[1], "ada", "bob")...)
	ctx := context.Background()
	p := nodes[0].NewPipeline()
	cl := nodes[0].Clients()
	for _, tt := range []struct {
		target hubs.Target
		times  []int
	}{
		{cl.All(), []int{1, 1, 1}},
		{cl.User("ada"), []int{1, 1, 0}},
		{cl.Users("ada", "bob"), []int{1, 1, 1}},
		{cl.Clients(ms[0].id, ms[2].id, "nobody"), []int{1, 0, 1}},
		{cl.AllExcept(ms[1].id), []int{1, 0, 1}},
	} {
		heard(t, nodes, ms, func() error {
			if err := tt.target.Via(p).Send(ctx, "m", 1, "two"); err != nil {
				return err
			}
			return p.Wait()
		}, tt.times...)
	}
	require.NoError(t, cl.Client(ms[2].id).Via(p).Abort(ctx, hubs.NewError("why")))
	require.NoError(t, p.Wait())
	ms[2].expect(`{"type":7,"error":"why"}`)
}

func TestPipelineErrors(t *testing.T) {
	t.Parallel()
	bus := &moodyBus{Memory: scaleout.NewMemory()}
	h, other := serve(t, callHub{}, hubs.WithBus(bus)), serve(t, callHub{})
	ctx := context.Background()
	p := h.NewPipeline()
	target := h.Clients().Groups("a", "b").Via(p)
	require.ErrorContains(t, other.Clients().All().Via(p).Send(ctx, "m"), "the pipeline is of another hub")
	require.ErrorContains(t, other.Clients().All().Via(p).Abort(ctx, nil), "the pipeline is of another hub")
	require.Error(t, target.Send(ctx, "m", make(chan int)), "an argument that cannot be encoded")
	require.NoError(t, target.Send(ctx, "m"))
	bus.fail(scaleout.ErrDown)
	require.NoError(t, target.Send(ctx, "m"))
	require.NoError(t, h.Clients().All().Via(p).Send(ctx, "m"))
	err := p.Wait()
	require.ErrorIs(t, err, scaleout.ErrDown)
	require.ErrorContains(t, err, "3 of 5 messages failed")
	require.NoError(t, p.Wait())

	var failed *hubs.SendError
	err = h.Clients().Groups("a", "b").Send(ctx, "m")
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, scaleout.ErrDown)
	require.Equal(t, []string{"a", "b"}, failed.Failed)
}

package redis_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// TestMessagesThatConcernNobodyAreSkipped: they are not parsed, and nothing else changes.
func TestMessagesThatConcernNobodyAreSkipped(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	busA, busB := newBus(t, server.client(), patient), newBus(t, server.client(), patient)
	a, b := serveRoom(t, busA), serveRoom(t, busB)
	a.nodesOf(t, 2)
	near, far := a.Connect(), b.Connect()
	require.NoError(t, a.Groups().Add(t.Context(), near.ID(), "near"))
	require.NoError(t, a.Groups().Add(t.Context(), far.ID(), "far"))
	const rounds = 20
	for range rounds {
		require.NoError(t, a.Clients().Group("near").Send(t.Context(), "near"))
		require.NoError(t, a.Clients().Group("nobody").Send(t.Context(), "nobody"))
		require.NoError(t, a.Clients().User("nobody").Send(t.Context(), "nobody"))
		require.NoError(t, a.Clients().Group("far").Send(t.Context(), "far"))
	}
	require.NoError(t, a.Clients().All().Send(t.Context(), "end"))
	for range rounds {
		near.Expect("near")
		far.Expect("far")
	}
	near.Expect("end")
	far.Expect("end")
	await.Equal(t, 3*rounds, func() uint64 { return busA.Stats().Skipped }, "what concerns nobody on the first node")
	await.Equal(t, 3*rounds, func() uint64 { return busB.Stats().Skipped }, "what concerns nobody on the second")
	require.Zero(t, busB.Stats().Lost)

	require.NoError(t, a.Groups().Remove(t.Context(), far.ID(), "far"))
	require.NoError(t, a.Clients().Group("far").Abort(t.Context(), hubs.NewError("nobody is ended")))
	require.NoError(t, a.Clients().Group("far").Send(t.Context(), "far"))
	far.ExpectNothing()
	_, err := b.Bridge() // which serves clients that may come from other nodes, from the log
	require.NoError(t, err)
	before := busB.Stats().Skipped
	require.NoError(t, a.Clients().Group("nobody").Send(t.Context(), "nobody"))
	require.NoError(t, a.Clients().All().Send(t.Context(), "end"))
	far.Expect("end")
	require.Equal(t, before, busB.Stats().Skipped)
}

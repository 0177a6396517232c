package redis_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// TestOrderAcrossTargets: what one goroutine sends to one client arrives in that order,
// whatever it names the client by, and on whatever node the client is.
func TestOrderAcrossTargets(t *testing.T) {
	t.Parallel()
	for _, streams := range []int{1, 4} {
		t.Run(fmt.Sprint(streams, " streams"), func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			options := []redis.Option{patient, redis.WithStreams(streams)}
			a := serveRoom(t, newBus(t, server.client(), options...))
			b := serveRoom(t, newBus(t, server.client(), options...))
			a.nodesOf(t, 2)
			near, far := a.Connect(), b.Connect()
			ids := []string{near.ID(), far.ID()}
			for _, id := range ids {
				require.NoError(t, a.Groups().Add(t.Context(), id, "g"))
				require.NoError(t, a.Groups().Add(t.Context(), id, "another group"))
			}
			clients := a.Clients()
			ways := []func(ctx context.Context, n int) error{
				func(ctx context.Context, n int) error { return clients.Clients(ids...).Send(ctx, "n", n) },
				func(ctx context.Context, n int) error { return clients.Group("g").Send(ctx, "n", n) },
				func(ctx context.Context, n int) error {
					for _, id := range ids {
						if err := clients.Client(id).Send(ctx, "n", n); err != nil {
							return err
						}
					}
					return nil
				},
				func(ctx context.Context, n int) error { return clients.All().Send(ctx, "n", n) },
				func(ctx context.Context, n int) error { return clients.Group("another group").Send(ctx, "n", n) },
			}
			const count = 2000
			for n := range count {
				require.NoError(t, ways[n%len(ways)](t.Context(), n))
			}
			for _, c := range []interface{ Receive(string, ...any) }{near, far} {
				for want := range count {
					var got int
					c.Receive("n", &got)
					require.Equal(t, want, got)
				}
			}
		})
	}
}

// TestOrderWithoutAStream: what could not be appended while a node had no stream does not
// come behind what was begun later, but fails.
func TestOrderWithoutAStream(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	a := join(t, server.client())
	b := join(t, newClient(t, proxy.addr()))
	meet(t, a, b)
	begin := func(target string) func() error {
		wait, err := a.Start(t.Context(), b.ID(), message("a topic", target))
		require.NoError(t, err)
		return wait
	}
	stream := fmt.Sprintf("signalr:{hub/node/%d}", b.ID())

	proxy.mute(true, true, true) // so that b does not make its stream anew
	require.NoError(t, server.client().Del(t.Context(), stream).Err())
	first := begin("first")
	require.NoError(t, a.publish(t.Context(), "between"), "which takes its turn behind the first")
	require.NoError(t, server.client().Do(t.Context(), "xadd", stream, "*", "m", "").Err())
	second := begin("second")
	require.ErrorIs(t, first(), scaleout.ErrDown)
	require.NoError(t, second())

	proxy.heal()
	await.Until(t, func() bool { return b.has("second") }, "the second is delivered")
	require.False(t, b.has("first"))
}

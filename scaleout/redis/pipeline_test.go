package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/negotiate"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// calls returns how often Redis was called with a command.
func calls(t testing.TB, client *goredis.Client, command string) int {
	t.Helper()
	info, err := client.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	found := regexp.MustCompile(`cmdstat_` + command + `:calls=(\d+)`).FindStringSubmatch(info)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// TestManyTargetsTakeFewRoundTrips: the messages to all of them are on their way at once.
func TestManyTargetsTakeFewRoundTrips(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := serveRoom(t, newBus(t, server.client(), patient))
	b := serveRoom(t, newBus(t, server.client(), patient))
	a.nodesOf(t, 2)
	b.nodesOf(t, 2)
	c, d := b.Connect(), b.Connect()
	const count = 5000
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprint("group ", i)
	}
	require.NoError(t, a.Groups().Add(t.Context(), c.ID(), names[0]))
	require.NoError(t, a.Groups().Add(t.Context(), d.ID(), names[count-1]))
	ids := make([]string, count) // all of the other node
	for i := range ids {
		ids[i] = negotiate.NewNodeID(uint32(b.NodeID()))
	}
	ids[0], ids[count-1] = c.ID(), d.ID()
	for kind, send := range map[string]func() error{
		"groups":      func() error { return a.Clients().Groups(names...).Send(t.Context(), "m") },
		"connections": func() error { return a.Clients().Clients(ids...).Send(t.Context(), "m") },
		"a pipeline": func() error {
			p := a.NewPipeline()
			for _, name := range names {
				if err := a.Clients().Group(name).Via(p).Send(t.Context(), "m"); err != nil {
					return err
				}
			}
			return p.Wait()
		},
	} {
		before := calls(t, server.client(), "xadd")
		require.NoError(t, send(), kind)
		require.Less(t, calls(t, server.client(), "xadd")-before, count/10, kind)
		c.Receive("m")
		d.Receive("m")
	}
}

// TestPipelineKeepsTheOrder, over targets of all kinds, on both nodes.
func TestPipelineKeepsTheOrder(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := serveRoom(t, newBus(t, server.client(), patient, redis.WithStreams(2)))
	b := serveRoom(t, newBus(t, server.client(), patient, redis.WithStreams(2)))
	a.nodesOf(t, 2)
	near, far := a.Connect(), b.Connect()
	for _, id := range []string{near.ID(), far.ID()} {
		require.NoError(t, a.Groups().Add(t.Context(), id, "g"))
	}
	p := a.NewPipeline()
	const count = 3000
	for n := range count {
		targets := []hubs.Target{a.Clients().Clients(near.ID(), far.ID()), a.Clients().Group("g"), a.Clients().All()}
		require.NoError(t, targets[n%len(targets)].Via(p).Send(t.Context(), "n", n))
	}
	require.NoError(t, p.Wait())
	for _, c := range []interface{ Receive(string, ...any) }{near, far} {
		for want := range count {
			var got int
			c.Receive("n", &got)
			require.Equal(t, want, got)
		}
	}
}

// TestSendsThatFailSayWhichTargets: while Redis is away nothing waits longer than for one
// message.
func TestSendsThatFailSayWhichTargets(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	timeout := redis.WithPublishTimeout(300 * time.Millisecond)
	h := serveRoom(t, newBus(t, server.client(), timeout))
	c := h.Connect()
	names := make([]string, 3000)
	for i := range names {
		names[i] = fmt.Sprint("group ", i)
	}
	server.kill()
	began := time.Now()
	var failed *hubs.SendError
	err := h.Clients().Groups(names...).Send(t.Context(), "m")
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, scaleout.ErrDown)
	require.Equal(t, names, failed.Failed)
	require.Less(t, time.Since(began), await.Timeout/2)

	p := h.NewPipeline()
	require.NoError(t, h.Clients().Group("g").Via(p).Send(t.Context(), "m"))
	require.NoError(t, h.Clients().Group("g").Via(p).Send(t.Context(), "m"))
	err = p.Wait()
	require.ErrorIs(t, err, scaleout.ErrDown)
	require.ErrorContains(t, err, "2 of 2 messages failed")
	require.NoError(t, p.Wait(), "what has failed is told once")
	require.NoError(t, h.Clients().Client(c.ID()).Via(p).Send(t.Context(), "m"))
	c.Expect("m")
	require.NoError(t, p.Wait())
	server.start()
}

// BenchmarkOneGoroutine sends to a group of another node in a loop: each message by
// itself, by a pipeline, and next to it what Redis' own PUBLISH takes, pipelined.
func BenchmarkOneGoroutine(b *testing.B) {
	server := startServer(b)
	client := server.client()
	hub := func() *hubs.Hub {
		h, err := hubs.New(nil, hubs.WithName("bench"), hubs.WithBus(newBus(b, server.client())), hubs.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, h.Shutdown(context.Background())) })
		return h
	}
	h := hub()
	hub()
	group := h.Clients().Group("g")
	b.Run("Send", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, group.Send(b.Context(), "quote", "a message"))
		}
	})
	b.Run("Pipeline", func(b *testing.B) {
		p := h.NewPipeline()
		for b.Loop() {
			require.NoError(b, group.Via(p).Send(b.Context(), "quote", "a message"))
		}
		require.NoError(b, p.Wait())
	})
	b.Run("PUBLISH", func(b *testing.B) {
		const window = 1024
		text := `{"type":1,"target":"quote","arguments":["a message"]}`
		pipe := client.Pipeline()
		for b.Loop() {
			pipe.Publish(b.Context(), "g", text)
			if pipe.Len() == window {
				_, err := pipe.Exec(b.Context())
				require.NoError(b, err)
			}
		}
		_, err := pipe.Exec(b.Context())
		require.NoError(b, err)
	})
}

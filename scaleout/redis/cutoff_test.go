package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// room is a hub whose clients do nothing by themselves.
type room struct{ ended chan error }

func (r *room) OnDisconnected(_ *hubs.Context, err error) { r.ended <- err }

// served is a hub with a bus, and how to get clients of it.
type served struct {
	*hubs.Hub
	*hubtest.Server
	ended chan error // why connections have ended
}

func serveRoom(t *testing.T, bus *redis.Bus, opts ...hubs.Option) served {
	t.Helper()
	r := &room{make(chan error, 10)}
	hub, err := hubs.New(r, append([]hubs.Option{hubs.WithName("room"), hubs.WithBus(bus), hubs.WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
		defer cancel()
		require.NoError(t, hub.Shutdown(ctx))
	})
	return served{hub, hubtest.NewServer(t, hub), r.ended}
}

// nodesOf waits until a hub knows how many nodes there are.
func (s served) nodesOf(t *testing.T, n int) {
	t.Helper()
	await.Equal(t, n, func() int { return s.Stats().Bus.Nodes }, "the number of nodes")
}

// TestNodeThatWasCutOff: what is meant for the clients of a node that was silent arrives
// when it is back, or whoever meant it gets an error.
func TestNodeThatWasCutOff(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	timeout := redis.WithNodeTimeout(time.Second)
	a := serveRoom(t, newBus(t, server.client(), quick, timeout, patient), hubs.WithNodeReplyTimeout(await.Timeout))
	b := serveRoom(t, newBus(t, newClient(t, proxy.addr()), quick, timeout, patient))
	a.nodesOf(t, 2)
	b.nodesOf(t, 2)
	c, d := b.Connect(), b.Connect()
	c.Handle("ask", func() int { return 1 })
	d.Handle("ask", func() int { return 1 })
	require.NoError(t, a.Groups().Add(t.Context(), c.ID(), "old"))

	asking := make(chan struct{})
	waiting := b.Connect()
	waiting.Handle("ask", func() int { close(asking); <-t.Context().Done(); return 0 })
	asked := make(chan error, 1)
	go func() {
		_, err := hubs.Invoke[int](t.Context(), a.Clients().Client(waiting.ID()), "ask")
		asked <- err
	}()
	await.Done(t, asking, "the client to be asked")

	proxy.mute(true, true, true)
	require.ErrorIs(t, await.Receive(t, asked, "the end of the call to a client of the silent node"), scaleout.ErrDown)
	a.nodesOf(t, 1)
	require.NoError(t, a.Clients().Client(c.ID()).Send(t.Context(), "direct"))
	require.NoError(t, a.Clients().All().Send(t.Context(), "all"))
	require.ErrorIs(t, a.Groups().Add(t.Context(), c.ID(), "new"), scaleout.ErrDown)
	require.ErrorIs(t, a.Groups().Remove(t.Context(), c.ID(), "old"), scaleout.ErrDown)
	_, err := hubs.Invoke[int](t.Context(), a.Clients().Client(c.ID()), "ask")
	require.ErrorIs(t, err, scaleout.ErrDown)
	count, err := a.Clients().All().Count(t.Context())
	require.NoError(t, err)
	require.Zero(t, count, "the clients of nodes that are there")
	require.NoError(t, a.Clients().Client(d.ID()).Abort(t.Context(), nil))

	proxy.heal()
	c.Expect("all")
	c.Expect("direct")
	require.ErrorIs(t, await.Receive(t, b.ended, "the end of the connection"), hubs.ErrAborted)
	a.nodesOf(t, 2)
	require.NoError(t, a.Clients().Group("old").Send(t.Context(), "to who was removed"))
	require.NoError(t, a.Clients().Group("new").Send(t.Context(), "to who was added"))
	c.Expect("to who was added")
	c.ExpectNothing()
	got, err := hubs.Invoke[int](t.Context(), a.Clients().Client(c.ID()), "ask")
	require.NoError(t, err)
	require.Equal(t, 1, got)
	require.Zero(t, a.Stats().Bus.Losses+b.Stats().Bus.Losses)
	require.Zero(t, a.Stats().Bus.Pending)
}

// TestReplyToANodeThatWasCutOff: a client's answer waits for the node that has asked.
func TestReplyToANodeThatWasCutOff(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	timeout := redis.WithNodeTimeout(time.Second)
	a := serveRoom(t, newBus(t, newClient(t, proxy.addr()), quick, timeout, patient))
	b := serveRoom(t, newBus(t, server.client(), quick, timeout, patient))
	a.nodesOf(t, 2)
	b.nodesOf(t, 2)
	c := b.Connect()
	asking, answer := make(chan struct{}), make(chan int)
	c.Handle("ask", func() int { close(asking); return <-answer })
	result := await.Go(t, func() (int, error) {
		return hubs.Invoke[int](t.Context(), a.Clients().Client(c.ID()), "ask")
	}, "the client's answer")
	await.Done(t, asking, "the client to be asked")
	proxy.mute(true, true, true)
	b.nodesOf(t, 1)
	await.Send(t, answer, 7, "the client to answer")
	c.Barrier()
	proxy.heal()
	require.Equal(t, 7, result())
}

// TestNodeThatWasCutOffForTooLong: when it cannot be known what was meant for a node's
// clients, they connect anew.
func TestNodeThatWasCutOffForTooLong(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	options := []redis.Option{quick, redis.WithNodeTimeout(time.Second), redis.WithRetention(time.Second), patient}
	a := serveRoom(t, newBus(t, server.client(), options...))
	b := serveRoom(t, newBus(t, newClient(t, proxy.addr()), options...))
	a.nodesOf(t, 2)
	b.nodesOf(t, 2)
	c := b.Connect()
	proxy.mute(true, true, true)
	a.nodesOf(t, 1)
	id := c.ID()
	await.Until(t, func() bool {
		return errors.Is(a.Groups().Add(t.Context(), id, "g"), nil) // nobody has the connection any more
	}, "the node is forgotten")
	proxy.heal()
	require.ErrorIs(t, await.Receive(t, b.ended, "the end of the connection"), hubs.ErrNodeCutOff)
	require.True(t, c.Closed().AllowReconnect)
	a.nodesOf(t, 2)
	again := b.Connect()
	require.NoError(t, a.Clients().Client(again.ID()).Send(t.Context(), "direct"))
	again.Expect("direct")
}

// TestShutdownKeepsItsDeadline, also if Redis does not answer.
func TestShutdownKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	client := newClient(t, proxy.addr())
	client.Options().ReadTimeout = time.Hour
	r := &room{make(chan error, 10)}
	hub, err := hubs.New(r, hubs.WithBus(newBus(t, client, redis.WithPublishTimeout(time.Hour))), hubs.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	s := hubtest.NewServer(t, hub)
	for range 5 {
		s.Connect()
	}
	proxy.mute(true, true, true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	shutDown := make(chan error, 1)
	go func() { shutDown <- hub.Shutdown(ctx) }()
	err = await.Receive(t, shutDown, "the end of Shutdown")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualError(t, err, context.DeadlineExceeded.Error(), "it is told once")
}

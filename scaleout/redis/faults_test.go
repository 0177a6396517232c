package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

var (
	patient = redis.WithPublishTimeout(await.Timeout)
	quick   = redis.WithHeartbeat(100 * time.Millisecond)
)

// What was confirmed is on the disk, and what was not is published again: Redis
// may crash at any time.
func TestKilledAndRestartedLosesNothing(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	a, b := join(t, server.client(), patient), join(t, server.client(), patient)
	meet(t, a, b)
	all := publishAll(t, a, b)
	for range 3 {
		all.progress(200)
		server.kill()
		server.start()
	}
	all.progress(200)
	want := all.finish()
	a.complete(t, want)
	b.complete(t, want)
	require.Empty(t, a.gone())
	require.Empty(t, b.gone())
}

func TestRestartedEmptyGoesOn(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a, b := join(t, server.client(), patient, quick), join(t, server.client(), patient, quick)
	meet(t, a, b)
	require.NoError(t, a.publish(t.Context(), "before"))
	server.kill()
	server.wipe()
	server.start()
	for _, node := range []*joined{a, b} {
		await.Until(t, func() bool { return len(node.losses()) > 0 }, "node %d has reported the new epoch", node.ID())
	}
	require.NoError(t, a.publish(t.Context(), "after"))
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "sent")))
	for _, node := range []*joined{a, b} {
		await.Until(t, func() bool { return node.has("after") }, "node %d has delivered %q", node.ID(), "after")
		require.Equal(t, []scaleout.Loss{{Reason: "epoch"}}, node.losses())
		require.EqualValues(t, 1, node.bus.Stats().Epochs)
		require.Empty(t, node.gone())
	}
	await.Until(t, func() bool { return b.has("sent") }, "node %d has delivered %q", b.ID(), "sent")
}

// Data that vanishes from under the connections is noticed too.
func TestFlushedGoesOn(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a, b := join(t, server.client(), quick), join(t, server.client(), quick)
	meet(t, a, b)
	require.NoError(t, a.publish(t.Context(), "before"))
	require.NoError(t, server.client().FlushAll(t.Context()).Err())
	for _, node := range []*joined{a, b} {
		await.Until(t, func() bool { return len(node.losses()) > 0 }, "node %d has reported the new epoch", node.ID())
	}
	require.NoError(t, a.publish(t.Context(), "after"))
	await.Until(t, func() bool { return b.has("after") }, "node %d has delivered %q", b.ID(), "after")
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "sent")))
	await.Until(t, func() bool { return b.has("sent") }, "node %d has delivered %q", b.ID(), "sent")
	require.Equal(t, []scaleout.Loss{{Reason: "epoch"}}, b.losses())
}

// states keeps the health that a bus tells.
type states struct {
	mu   sync.Mutex
	list []scaleout.Health
}

func (s *states) option() redis.Option {
	return redis.WithHealth(func(_ scaleout.NodeID, h scaleout.Health, _ error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.list = append(s.list, h)
	})
}

func (s *states) get() []scaleout.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

func TestPausedRedisKeepsPublishersWaiting(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var health states
	a, b := join(t, server.client(), patient, health.option()), join(t, server.client(), patient)
	meet(t, a, b)
	all := publishAll(t, a, b)
	all.progress(200)
	server.pause()
	await.Equal(t, scaleout.Stale, a.health, "the health of node %d", a.ID())
	await.Equal(t, scaleout.Stale, b.health, "the health of node %d", b.ID())
	server.resume()
	all.progress(200)
	want := all.finish()
	a.complete(t, want)
	b.complete(t, want)
	require.Empty(t, a.gone())
	await.Equal(t, scaleout.Connected, a.health, "the health of node %d", a.ID())
	require.Equal(t, []scaleout.Health{scaleout.Probing, scaleout.Stale, scaleout.Connected}, health.get())
}

func TestKilledRedisIsDown(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	var health states
	a := join(t, server.client(), health.option())
	require.Equal(t, scaleout.Connected, a.health())
	server.kill()
	await.Equal(t, scaleout.Down, a.health, "the health of node %d", a.ID())
	server.start()
	await.Equal(t, scaleout.Connected, a.health, "the health of node %d", a.ID())
	got := health.get()
	require.Equal(t, scaleout.Probing, got[0])
	require.Contains(t, got, scaleout.Down)
	require.Equal(t, scaleout.Connected, got[len(got)-1])
}

func TestConnectionsCutInMidMessage(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	a, b := join(t, newClient(t, proxy.addr()), patient), join(t, server.client(), patient)
	meet(t, a, b)
	all := publishAll(t, a, b)
	for i := range 20 {
		all.progress(20)
		proxy.cutIn(37 * i)
		await.Until(t, proxy.idle, "the proxy has cut a connection")
		if i%5 == 0 {
			proxy.cut()
		}
	}
	all.progress(100)
	want := all.finish()
	a.complete(t, want)
	b.complete(t, want)
	require.NotZero(t, a.bus.Stats().Interruptions)
}

func TestBlackHoledConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"old connections", "all connections"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			proxy := startProxy(t, server.addr())
			var health states
			a, b := join(t, newClient(t, proxy.addr()), patient, health.option()), join(t, server.client(), patient)
			meet(t, a, b)
			all := publishAll(t, a, b)
			all.progress(100)
			start := time.Now()
			proxy.mute(true, true, name == "all connections")
			await.Until(t, func() bool { return len(health.get()) > 0 }, "a change of health is reported")
			require.Less(t, time.Since(start), 4*time.Second)
			proxy.heal()
			await.Equal(t, scaleout.Connected, a.health, "the health of node %d", a.ID())
			all.progress(100)
			want := all.finish()
			a.complete(t, want)
			b.complete(t, want)
		})
	}
}

// An append whose answer got lost is repeated, and delivered once.
func TestRepeatedAppendIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	a, b := join(t, newClient(t, proxy.addr()), patient), join(t, server.client(), patient)
	meet(t, a, b)
	proxy.mute(false, true, false)
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "x 1")))
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "x 2")))
	b.complete(t, map[string]int{"x": 2})
	require.NotZero(t, b.bus.Stats().Duplicates)
}

func TestCancelledPublishDoesNotWaitForRedis(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	n := join(t, server.client(), redis.WithPublishTimeout(time.Hour))
	server.kill()
	ctx, cancel := context.WithCancel(t.Context())
	published := make(chan error, 1)
	go func() { published <- n.publish(ctx, "cancelled") }()
	await.Until(t, func() bool { return n.bus.Stats().Waiting > 0 }, "the envelope is waiting")
	cancel()
	require.ErrorIs(t, await.Receive(t, published, "the result of the canceled Publish"), context.Canceled)
}

func TestPublishWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	const timeout = 300 * time.Millisecond
	a := join(t, server.client(), redis.WithPublishTimeout(timeout), redis.WithPublishBuffer(500))
	b := join(t, server.client())
	meet(t, a, b)
	require.NoError(t, a.publish(t.Context(), "x 1"))
	server.kill()
	start := time.Now()
	require.ErrorIs(t, a.publish(t.Context(), "down"), scaleout.ErrDown)
	require.GreaterOrEqual(t, time.Since(start), timeout)
	require.Less(t, time.Since(start), timeout+3*time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { first <- a.publish(ctx, "cancelled") }()
	await.Until(t, func() bool { return a.bus.Stats().Waiting > 0 }, "the envelope is waiting")
	big := message("a topic", "full")
	big.Bodies[0].Data = make([]byte, 500)
	require.ErrorIs(t, a.Publish(t.Context(), big), scaleout.ErrFull)
	cancel()
	err := await.Receive(t, first, "the result of the canceled Publish")
	require.True(t, errors.Is(err, context.Canceled) || errors.Is(err, scaleout.ErrDown), "%v", err)

	server.start()
	tries := 0
	last := func() string { return fmt.Sprint("try", tries) }
	await.Until(t, func() bool { tries++; return a.publish(t.Context(), last()) == nil }, "Publish succeeds again")
	await.Until(t, func() bool { return b.has(last()) }, "node %d has delivered %q", b.ID(), last())
	// The node may read what it has appended before it is told that it has.
	await.Equal(t, 0, func() int { return int(a.bus.Stats().Waiting) }, "the number of bytes that wait")
	// What failed was never tried on a connection, or its number was given
	// up: nobody is told that it is missing.
	require.Empty(t, b.losses())
}

func TestDeadNodeIsSilent(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	options := []redis.Option{quick, redis.WithNodeTimeout(time.Second), redis.WithRetention(time.Second)}
	a := join(t, server.client(), options...)
	client := server.client()
	b := join(t, client, options...)
	meet(t, a, b)
	require.NoError(t, client.Close()) // b does not get to say anything
	await.Until(t, func() bool { return len(a.gone()) > 0 }, "the dead node is reported")
	require.Equal(t, []scaleout.NodeID{a.ID()}, a.Nodes())
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "x")), "it may come back")
	probe := server.client()
	await.Until(t, func() bool {
		left, err := probe.Exists(t.Context(), fmt.Sprintf("signalr:{hub/node/%d}", b.ID())).Result()
		return err == nil && left == 0
	}, "the stream of the dead node is removed")
	await.Until(t, func() bool {
		return errors.Is(a.Send(t.Context(), b.ID(), message("", "x")), scaleout.ErrNoNode)
	}, "nothing can be sent to the dead node any more")
	require.Equal(t, []scaleout.NodeID{b.ID()}, a.silent)
	require.Empty(t, a.left)
}

func TestSlowFollowerIsToldOfTheGap(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const most, published = 1000, 20_000
	fast := join(t, server.client(), redis.WithMaxLength(most))
	slow := newRecorder()
	slow.received = func() { <-slow.gate }
	node := joinWith(t, slow, server.client(), redis.WithMaxLength(most))
	start := time.Now()
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for n := g; n < published; n += 64 {
				if err := fast.publish(t.Context(), ""); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	await.Group(t, &wg, "the publishers")
	time.Sleep(time.Until(start.Add(time.Second))) // the follower stays slow for a real second, since Redis has no virtual time
	slow.release()
	missing := func() (missing int) {
		for _, l := range node.losses() {
			missing += int(l.Count)
		}
		return missing
	}
	await.Until(t, func() bool { return node.delivered()+missing() >= published },
		"the slow node has delivered all %d envelopes or reported them lost", published)
	require.Equal(t, published, node.delivered()+missing())
	require.Equal(t, published, fast.delivered())
	require.Empty(t, fast.losses())
	require.Equal(t, []scaleout.Loss{
		{Reason: "gap"}, {Reason: "sequence", Publisher: fast.ID(), Count: uint64(missing())},
	}, node.losses())
	require.Greater(t, missing(), published/2)
	require.EqualValues(t, missing(), node.bus.Stats().Lost)
}

// A node that was held up knows how far behind it is before it goes on.
func TestLagIsTold(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	fast := join(t, server.client())
	slow := newRecorder()
	held := make(chan struct{})
	var node *joined
	var lags []uint64
	count := 0
	slow.received = func() {
		switch count++; count {
		case 1:
			close(held)
			<-slow.gate
		case 2:
			lags = node.bus.Stats().Lag
		}
	}
	node = joinWith(t, slow, server.client())
	const published = 50
	require.NoError(t, fast.publish(t.Context(), "x 1"))
	await.Done(t, held, "the receiver to be held")
	for i := 2; i <= published; i++ {
		require.NoError(t, fast.publish(t.Context(), fmt.Sprint("x ", i)))
	}
	time.Sleep(300 * time.Millisecond) // the follower stays held for real time, since Redis has no virtual time
	slow.release()
	node.complete(t, map[string]int{"x": published})
	require.Equal(t, []uint64{published - 1}, lags)
	await.Equal(t, 0, func() uint64 { return node.bus.Stats().Lag[0] }, "the lag")
}

func TestOldEntriesAreTrimmed(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), redis.WithRetention(time.Millisecond), redis.WithStreams(1))
	const count = 5000
	for range count { // each is an entry
		require.NoError(t, a.publish(t.Context(), ""))
	}
	length, err := server.client().XLen(t.Context(), "signalr:{hub/0}").Result()
	require.NoError(t, err)
	require.Less(t, length, int64(count/2))
}

func TestStreamsAreBoundedInBytes(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	const limit, size, count = 2 << 20, 10 << 10, 2000
	a := join(t, server.client(), redis.WithMaxBytes(limit))
	for n := range count {
		e := message("a topic", fmt.Sprint("x ", n+1))
		e.Bodies[0].Data = make([]byte, size)
		require.NoError(t, a.Publish(t.Context(), e))
	}
	a.complete(t, map[string]int{"x": count})
	length, err := server.client().XLen(t.Context(), "signalr:{hub/0}").Result()
	require.NoError(t, err)
	require.LessOrEqual(t, length*size, int64(2*limit), "trimming is not exact")
	require.Greater(t, length*size, int64(limit/2))
}

// TestIdleStreamsAreTrimmed: what is older than the retention goes, also when nothing comes
// after it.
func TestIdleStreamsAreTrimmed(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), quick, redis.WithRetention(2*time.Second))
	b := join(t, server.client(), quick, redis.WithRetention(2*time.Second))
	meet(t, a, b)
	for n := range 500 {
		require.NoError(t, a.publish(t.Context(), fmt.Sprint("x ", n+1)))
	}
	b.complete(t, map[string]int{"x": 500})
	await.Equal(t, 0, func() int64 {
		n, err := server.client().XLen(t.Context(), "signalr:{hub/0}").Result()
		require.NoError(t, err)
		return n
	}, "the number of entries")
	require.NoError(t, a.publish(t.Context(), "x 501"))
	b.complete(t, map[string]int{"x": 501})
	require.Zero(t, a.bus.Stats().Gaps)
	require.Zero(t, b.bus.Stats().Gaps)
}

// TestNodesAreKnownWhenTheyHaveJoined, and not only with the next heartbeat.
func TestNodesAreKnownWhenTheyHaveJoined(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	seldom := []redis.Option{redis.WithHeartbeat(time.Hour), redis.WithNodeTimeout(2 * time.Hour)}
	a := join(t, server.client(), seldom...)
	b := join(t, server.client(), seldom...)
	meet(t, a, b)
}

func TestPrefixesDoNotMeet(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var nodes []*joined
	for _, prefix := range []string{"a", "b", "a:{hub", "a}", "A", ""} {
		nodes = append(nodes, join(t, server.client(), redis.WithPrefix(prefix)))
	}
	for i, node := range nodes {
		require.NoError(t, node.publish(t.Context(), fmt.Sprint("x", i)))
	}
	for i, node := range nodes {
		require.NoError(t, node.publish(t.Context(), "end"))
		require.Equal(t, []string{fmt.Sprint("x", i), "end"}, node.targets)
		require.Equal(t, []scaleout.NodeID{node.ID()}, node.Nodes())
	}
}

func TestJoinFails(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	join(t, server.client())
	_, err := newBus(t, server.client(), redis.WithStreams(5)).Join("hub", newRecorder())
	require.ErrorContains(t, err, "the farm has 1 streams, this node 5")
	other, err := newBus(t, server.client(), redis.WithStreams(5)).Join("other hub", newRecorder())
	require.NoError(t, err)
	require.NoError(t, other.Close(context.Background()))
	server.kill()
	_, err = newBus(t, server.client()).Join("hub", newRecorder())
	require.Error(t, err)
}

func TestForeignEntriesAreSkipped(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), redis.WithStreams(1))
	add := func(values ...any) {
		args := append([]any{"xadd", "signalr:{hub/0}", "*"}, values...)
		require.NoError(t, server.client().Do(t.Context(), args...).Err())
	}
	add("e", "no envelope")
	add("x", "y")
	require.NoError(t, a.publish(t.Context(), "x 1"))
	a.complete(t, map[string]int{"x": 1})
	require.EqualValues(t, 2, a.bus.Stats().Malformed)
}

// The number of an envelope whose Publish failed may be missing: its publisher
// knows, and nobody else need be told.
func TestGivenUpEnvelopesAreNotTold(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	a, b := join(t, newClient(t, proxy.addr()), patient), join(t, server.client())
	meet(t, a, b)
	require.NoError(t, a.publish(t.Context(), "x 1"))
	proxy.mute(true, true, true)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, a.publish(ctx, "given up"), context.DeadlineExceeded)
	proxy.heal()
	require.NoError(t, a.publish(t.Context(), "x 2"))
	b.complete(t, map[string]int{"x": 2})
}

// A client that would give up each read before Redis answers is allowed for, one
// that would wait for ever is not.
func TestReadTimeoutOfTheClient(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	short := goredis.NewClient(&goredis.Options{Addr: server.addr(), ReadTimeout: 600 * time.Millisecond})
	t.Cleanup(func() { _ = short.Close() })
	var health states
	a := join(t, short, health.option())
	time.Sleep(time.Second) // longer than a read may take; real time, since Redis has no virtual time
	require.NoError(t, a.publish(t.Context(), "x 1"))
	require.Empty(t, health.get())

	endless := goredis.NewClient(&goredis.Options{Addr: server.addr(), ReadTimeout: -1})
	t.Cleanup(func() { _ = endless.Close() })
	_, err := newBus(t, endless).Join("hub", newRecorder())
	require.ErrorContains(t, err, "ReadTimeout")
}

// What is appended to a stream at once is one entry, so that it is there as a whole
// or not at all: Redis may refuse the first half of what it gets while it is loading
// its data, and take the second.
func TestBatchesAreSingleEntries(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), redis.WithStreams(1), patient)
	server.pause() // so that much is waiting
	const count = 200
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() {
			if err := a.Publish(t.Context(), message(fmt.Sprint(i), "")); err != nil {
				t.Errorf("Publish: %v", err)
			}
		})
	}
	await.Until(t, func() bool { return a.bus.Stats().Waiting > count*64 }, "all %d envelopes are waiting", count)
	server.resume()
	await.Group(t, &wg, "the publishers")
	require.Equal(t, count, a.delivered())
	entries, err := server.client().XLen(t.Context(), "signalr:{hub/0}").Result()
	require.NoError(t, err)
	require.Less(t, entries, int64(count/4))
}

// What is too old is trimmed also while Redis refuses everything new for want of
// memory, so that it has room again.
func TestFullRedisRecovers(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--maxmemory", "24mb", "--maxmemory-policy", "noeviction")
	a := join(t, server.client(), redis.WithRetention(2*time.Second), redis.WithPublishTimeout(200*time.Millisecond))
	big := message("a topic", "big")
	big.Bodies[0].Data = make([]byte, 256<<10)
	publish := func() error {
		e := *big
		return a.Publish(t.Context(), &e)
	}
	var err error
	for i := 0; i < 1000 && err == nil; i++ {
		err = publish()
	}
	require.ErrorIs(t, err, scaleout.ErrDown)
	await.Until(t, func() bool { return publish() == nil }, "Redis has room for another envelope")
}

// Who is told of the health may ask for it.
func TestHealthCanBeAskedForWhenItIsTold(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var node atomic.Pointer[joined]
	told := make(chan scaleout.Health, 100)
	node.Store(join(t, server.client(), redis.WithHealth(func(scaleout.NodeID, scaleout.Health, error) {
		if n := node.Load(); n != nil {
			told <- n.health()
		}
	})))
	server.kill()
	health := await.Receive(t, told, "the health of the node whose Redis was killed")
	require.NotEqual(t, scaleout.Connected, health)
}

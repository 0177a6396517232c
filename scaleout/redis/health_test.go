package redis_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// TestHealthOfARedisThatRefusesToWrite: nodes that read well and cannot write are down,
// say why, and are well again without anything to send.
func TestHealthOfARedisThatRefusesToWrite(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		refuse, allow []any
		cause         string
	}{
		{"full", []any{"config", "set", "maxmemory", "1mb"}, []any{"config", "set", "maxmemory", "0"}, "OOM"},
		{"read-only", []any{"config", "set", "min-replicas-to-write", "1"}, []any{"config", "set", "min-replicas-to-write", "0"}, "NOREPLICAS"},
		{"denied", []any{"acl", "setuser", "default", "-xadd"}, []any{"acl", "setuser", "default", "+xadd"}, "NOPERM"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			admin := server.client()
			var health states
			n := join(t, server.client(), quick, health.option(), redis.WithPublishTimeout(300*time.Millisecond))
			require.NoError(t, n.publish(t.Context(), "before"))
			require.NoError(t, admin.Do(t.Context(), test.refuse...).Err())
			err := n.publish(t.Context(), "refused")
			require.ErrorIs(t, err, scaleout.ErrDown)
			require.ErrorContains(t, err, test.cause)
			await.Equal(t, scaleout.Down, n.health, "the health of node %d", n.ID())
			_, cause := n.Health()
			require.ErrorContains(t, cause, test.cause)

			require.NoError(t, admin.Do(t.Context(), test.allow...).Err())
			await.Equal(t, scaleout.Connected, n.health, "the health of node %d", n.ID())
			_, cause = n.Health()
			require.NoError(t, cause)
			// The node is what it is a moment before that is reported.
			await.Equal(t, fmt.Sprint([]scaleout.Health{scaleout.Down, scaleout.Connected}),
				func() string { return fmt.Sprint(health.get()) }, "the reported states")
			await.Until(t, func() bool { return n.publish(t.Context(), "after") == nil }, "publishing succeeds again")
		})
	}
}

// TestHealthOfAFullRedis: one that is full of messages still takes something small now
// and then, which is no news for who has something large to send.
func TestHealthOfAFullRedis(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ size, asked int }{
		{8 << 10, 8 << 10},
		{256 << 10, 64 << 10},
	} {
		t.Run(fmt.Sprint(test.size), func(t *testing.T) {
			t.Parallel()
			server := startServer(t, "--maxmemory", "12mb", "--maxmemory-policy", "noeviction")
			var health states
			var marks largestMark
			client := server.client()
			client.AddHook(&marks)
			n := join(t, client, redis.WithHeartbeat(20*time.Millisecond), health.option(), redis.WithPublishTimeout(time.Second))
			publish := func() error {
				e := message("a topic", "big")
				e.Bodies[0].Data = make([]byte, test.size)
				return n.Publish(t.Context(), e)
			}
			refused := 0
			for i := 0; i < 3000 && refused < 3; i++ {
				err := publish()
				if err == nil {
					continue
				}
				require.ErrorIs(t, err, scaleout.ErrDown)
				require.ErrorContains(t, err, "OOM")
				require.Contains(t, health.get(), scaleout.Down)
				refused++
			}
			require.Equal(t, 3, refused, "messages were refused")
			await.Until(t, func() bool { return marks.size.Load() >= int64(test.asked) },
				"Redis is asked whether it has memory for %d bytes", test.asked)

			require.NoError(t, server.client().ConfigSet(t.Context(), "maxmemory", "0").Err())
			await.Equal(t, scaleout.Connected, n.health, "the health of node %d", n.ID())
			await.Until(t, func() bool { return publish() == nil }, "publishing succeeds again")
		})
	}
}

// largestMark is a hook of a client that notes how large the largest entry was that has
// no envelopes.
type largestMark struct{ size atomic.Int64 }

func (*largestMark) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (*largestMark) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func (m *largestMark) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		args := cmd.Args()
		mark, ok := args[len(args)-1].(string)
		if ok && cmd.Name() == "xadd" && args[len(args)-2] == "m" {
			m.size.Store(max(m.size.Load(), int64(len(mark))))
		}
		return next(ctx, cmd)
	}
}

// TestJoinSaysWhyItFails: what the client of Redis has seen last.
func TestJoinSaysWhyItFails(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	require.NoError(t, server.client().ConfigSet(t.Context(), "requirepass", "secret").Err())
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	for _, test := range []struct{ name, addr, cause string }{
		{"nobody listens", loopback(freePort(t)), "connection refused"},
		{"no such host", "redis.invalid:6379", "no such host"},
		{"no password", server.addr(), "NOAUTH"},
		{"nobody answers", silent.Addr().String(), "no answer in time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := newBus(t, newClient(t, test.addr), redis.WithJoinTimeout(time.Millisecond)).Join("hub", newRecorder())
			require.ErrorContains(t, err, test.cause)
		})
	}
}

// TestJoinWaitsForRedis that is not there yet.
func TestJoinWaitsForRedis(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.kill()
	var log warnings
	bus := newBus(t, server.client(), log.option(), redis.WithJoinTimeout(await.Timeout))
	joined := await.Go(t, func() (scaleout.Node, error) { return bus.Join("hub", newRecorder()) }, "Join")
	await.Until(t, func() bool { return log.count("connection refused") > 0 }, "an attempt has failed")
	server.start()
	node := joined()
	require.NoError(t, node.Close(t.Context()))
}

// TestJoinWarnsOfEviction: Redis could remove what was published.
func TestJoinWarnsOfEviction(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]int{"noeviction": 0, "allkeys-lru": 1, "volatile-ttl": 1} {
		server := startServer(t, "--maxmemory-policy", policy)
		var log warnings
		join(t, server.client(), log.option())
		require.Equal(t, want, log.count("maxmemory-policy="+policy), policy)
	}
}

// TestLostKeys: a key that is gone is reported as what it is.
func TestLostKeys(t *testing.T) {
	t.Parallel()
	const shared = "signalr:{hub/0}"
	own := func(n *joined) string { return fmt.Sprintf("signalr:{hub/node/%d}", n.ID()) }
	for _, test := range []struct {
		name   string
		remove func(t *testing.T, client *goredis.Client, b *joined)
		losses []scaleout.Loss
		warned string
	}{
		{"the epoch", func(t *testing.T, client *goredis.Client, _ *joined) {
			require.NoError(t, client.Del(t.Context(), "signalr:{hub}:epoch").Err())
		}, nil, "must not evict keys"},
		{"the shared stream", func(t *testing.T, client *goredis.Client, _ *joined) {
			require.NoError(t, client.Unlink(t.Context(), shared).Err())
		}, []scaleout.Loss{{Reason: "gap"}}, "envelopes are missing"},
		{"the node's own stream", func(t *testing.T, client *goredis.Client, b *joined) {
			require.NoError(t, client.Unlink(t.Context(), own(b)).Err())
		}, []scaleout.Loss{{Reason: "gap", Own: true}}, "envelopes are missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			var log warnings
			a, b := join(t, server.client(), quick), join(t, server.client(), quick, log.option())
			meet(t, a, b)
			require.NoError(t, a.publish(t.Context(), "before"))
			require.NoError(t, a.Send(t.Context(), b.ID(), message("", "sent before")))
			await.Until(t, func() bool { return b.has("before") && b.has("sent before") }, "what was published is delivered")

			test.remove(t, server.client(), b)
			await.Until(t, func() bool { return log.count(test.warned) > 0 }, "node %d has logged %q", b.ID(), test.warned)
			require.NoError(t, a.publish(t.Context(), "after"))
			require.NoError(t, a.Send(t.Context(), b.ID(), message("", "sent after")))
			await.Until(t, func() bool { return b.has("after") && b.has("sent after") }, "what was published is delivered")
			require.Equal(t, test.losses, b.losses())
			require.Equal(t, 1, log.count(test.warned))
			require.Empty(t, a.gone())
			require.Empty(t, b.gone())
		})
	}
}

// TestLossesOfANodeThatSaysNothingMore: what was lost of its messages is noticed, with the
// right count, although nothing of it comes after them.
func TestLossesOfANodeThatSaysNothingMore(t *testing.T) {
	t.Parallel()
	const shared, lost = "signalr:{hub/0}", 20
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprint("the stream is made again: ", again), func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			client := server.client()
			a := join(t, server.client(), quick)
			slow := newRecorder()
			held := make(chan struct{})
			slow.received = func() {
				select {
				case <-held:
				default:
					close(held)
					<-slow.gate
				}
			}
			b := joinWith(t, slow, server.client(), quick)
			meet(t, a, b)
			require.NoError(t, a.publish(t.Context(), "x 1"))
			await.Done(t, held, "the receiver to be held")
			for n := range lost {
				require.NoError(t, a.publish(t.Context(), fmt.Sprint("x ", n+2)))
			}
			_, err := client.TxPipelined(t.Context(), func(p goredis.Pipeliner) error {
				p.Unlink(t.Context(), shared)
				if again {
					p.XAdd(t.Context(), &goredis.XAddArgs{Stream: shared, Values: []any{"m", ""}})
				}
				return nil
			})
			require.NoError(t, err)
			slow.release()
			await.Equal(t, lost, func() uint64 { return b.bus.Stats().Lost }, "the number of lost messages")
			require.NoError(t, a.publish(t.Context(), fmt.Sprint("x ", lost+2)))
			await.Until(t, func() bool { return b.has(fmt.Sprint("x ", lost+2)) }, "what is published after it is delivered")
			require.EqualValues(t, lost, b.bus.Stats().Lost)
			for _, l := range b.losses() {
				require.True(t, l.Publisher == a.ID() || l.Count == 0, "%+v", l)
			}
			require.Zero(t, a.bus.Stats().Lost)
		})
	}
}

// TestNodesStayWithoutTheirHash: nodes whose heartbeats are lost again and again, as
// where Redis evicts keys, live.
func TestNodesStayWithoutTheirHash(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	client := server.client()
	options := []redis.Option{quick, redis.WithNodeTimeout(500 * time.Millisecond)}
	a, b := join(t, server.client(), options...), join(t, server.client(), options...)
	meet(t, a, b)
	removed := 0
	await.Until(t, func() bool {
		n, err := client.Del(t.Context(), "signalr:{hub}:nodes").Result()
		require.NoError(t, err)
		removed += int(n)
		return removed >= 15 // more than a second of heartbeats
	}, "the hash of nodes is removed again and again")
	require.Empty(t, a.gone())
	require.Empty(t, b.gone())
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "sent")))
	await.Until(t, func() bool { return b.has("sent") }, "node %d has delivered %q", b.ID(), "sent")
}

// TestNodesWithOtherNumbersOfStreamsMeet after a loss of data, which the one that is
// wrong says.
func TestNodesWithOtherNumbersOfStreamsMeet(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	client := server.client()
	var log warnings
	first := join(t, server.client(), log.option(), redis.WithStreams(2))
	other := newBus(t, server.client(), redis.WithStreams(3))
	await.Until(t, func() bool {
		require.NoError(t, client.FlushAll(t.Context()).Err())
		node, err := other.Join("hub", newRecorder())
		if err != nil { // the first has shown itself in between
			return false
		}
		t.Cleanup(func() { require.NoError(t, node.Close(context.Background())) })
		return true
	}, "a node with another number of streams has joined")
	await.Equal(t, scaleout.Down, first.health, "the health of node %d", first.ID())
	_, cause := first.Health()
	require.ErrorContains(t, cause, "the farm has 3 streams, this node 2")
	require.Equal(t, 1, log.count("different numbers of streams"))
}

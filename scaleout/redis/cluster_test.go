package redis_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/bustest"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// startCluster starts three servers that are a Redis Cluster.
func startCluster(t testing.TB) (servers []*server, addrs []string) {
	t.Helper()
	tool := strings.TrimSuffix(program, "server") + "cli"
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(tool, "is not installed")
	}
	for range 3 {
		s := startServer(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no",
		}, durable...)...)
		servers, addrs = append(servers, s), append(addrs, s.addr())
	}
	create := slices.Concat([]string{"--cluster", "create"}, addrs, []string{"--cluster-yes"})
	out, err := exec.CommandContext(within(t), tool, create...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, s := range servers {
		client := s.client()
		await.Until(t, func() bool {
			info, err := client.ClusterInfo(t.Context()).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok")
		}, "the cluster is ok on %s", s.addr())
	}
	return servers, addrs
}

func newClusterClient(t testing.TB, addrs []string) *goredis.ClusterClient {
	client := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: addrs, PoolSize: 100})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestClusterConformance(t *testing.T) {
	t.Parallel()
	_, addrs := startCluster(t)
	var farms atomic.Int32
	bustest.Run(t, func(t *testing.T) func() scaleout.Bus {
		prefix := fmt.Sprint("farm ", farms.Add(1))
		return func() scaleout.Bus { return newBus(t, newClusterClient(t, addrs), redis.WithPrefix(prefix)) }
	})
}

// The servers of a cluster are killed one after the other: what is on them
// waits, and what is on the others goes on.
func TestClusterServersKilledAndRestarted(t *testing.T) {
	t.Parallel()
	servers, addrs := startCluster(t)
	a, b := join(t, newClusterClient(t, addrs), patient), join(t, newClusterClient(t, addrs), patient)
	meet(t, a, b)
	all := publishAll(t, a, b)
	for _, s := range servers {
		all.progress(100)
		s.kill()
		s.start()
	}
	all.progress(100)
	want := all.finish()
	a.complete(t, want)
	b.complete(t, want)
}

// group is a master with a replica, watched by three sentinels.
type group struct {
	servers   []*server
	sentinels []string
}

func startSentinels(t *testing.T) *group {
	t.Helper()
	master := startServer(t)
	replica := startServer(t, "--replicaof", "127.0.0.1 "+fmt.Sprint(master.port))
	g := &group{servers: []*server{master, replica}}
	client := replica.client()
	await.Until(t, func() bool {
		info, err := client.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	}, "the replica is linked to its master")
	for range 3 {
		s := &server{t: t, port: freePort(t), dir: t.TempDir()}
		config := filepath.Join(s.dir, "sentinel.conf")
		write(t, config, fmt.Sprintf(`port %d
bind 127.0.0.1
dir %s
sentinel monitor group 127.0.0.1 %d 2
sentinel down-after-milliseconds group 1000
sentinel failover-timeout group 5000
`, s.port, s.dir, master.port))
		s.launch(program, config, "--sentinel")
		t.Cleanup(s.kill)
		g.sentinels = append(g.sentinels, s.addr())
	}
	for _, addr := range g.sentinels {
		sentinel := goredis.NewSentinelClient(&goredis.Options{Addr: addr})
		await.Until(t, func() bool {
			found, err := sentinel.Master(t.Context(), "group").Result()
			return err == nil && found["num-slaves"] == "1" && found["num-other-sentinels"] == "2"
		}, "the sentinel %s knows the replica and the other sentinels", addr)
		require.NoError(t, sentinel.Close())
	}
	return g
}

func (g *group) client(t *testing.T) *goredis.Client {
	client := goredis.NewFailoverClient(&goredis.FailoverOptions{MasterName: "group", SentinelAddrs: g.sentinels})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// The suite runs on what a failover has left: clients find the new master by the
// sentinels.
func TestSentinelConformance(t *testing.T) {
	t.Parallel()
	g := startSentinels(t)
	g.servers[0].kill()
	client := g.client(t)
	await.Until(t, func() bool { return client.Set(t.Context(), "probe", 1, 0).Err() == nil }, "the new master accepts writes")
	var farms atomic.Int32
	bustest.Run(t, func(t *testing.T) func() scaleout.Bus {
		prefix := fmt.Sprint("farm ", farms.Add(1))
		return func() scaleout.Bus { return newBus(t, g.client(t), redis.WithPrefix(prefix)) }
	})
}

// A failover may lose what was not replicated yet. All of that is told: to every
// node that did not get it, or to who published it.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	g := startSentinels(t)
	a, b := join(t, g.client(t), patient), join(t, g.client(t), patient)
	meet(t, a, b)
	var wg sync.WaitGroup
	var published, failed atomic.Int64
	stop := make(chan struct{})
	for i, node := range []*joined{a, b} {
		for n := range 4 {
			wg.Go(func() {
				for number := 1; ; number++ {
					select {
					case <-stop:
						return
					default:
					}
					if err := node.Publish(t.Context(), message(fmt.Sprint(i, n), fmt.Sprint(i, "/", n, " ", number))); err != nil {
						failed.Add(1)
					} else {
						published.Add(1)
					}
				}
			})
		}
	}
	traffic := func() {
		t.Helper()
		start := published.Load()
		await.Until(t, func() bool { return published.Load() > start+500 }, "500 more envelopes are published")
	}
	traffic()
	g.servers[0].kill()
	traffic()
	close(stop)
	await.Group(t, &wg, "the publishers")
	// All that was published came, or its loss was told. As an envelope that
	// was lost may have been delivered on one node and not on the other, the
	// two need not agree.
	all := published.Load() + failed.Load()
	for _, node := range []*joined{a, b} {
		missing := 0
		await.Until(t, func() bool {
			missing = 0
			for _, l := range node.losses() {
				require.Equal(t, "sequence", l.Reason)
				missing += int(l.Count)
			}
			return int64(node.delivered()+missing) >= all
		}, "node %d has delivered all %d envelopes or reported them lost", node.ID(), all)
		require.EqualValues(t, all, node.delivered()+missing)
		require.EqualValues(t, missing, node.bus.Stats().Lost)
		t.Logf("published %d, failed %d, delivered %d, told as lost %d", published.Load(), failed.Load(), node.delivered(), missing)
	}
	require.NoError(t, a.Send(t.Context(), b.ID(), message("", "sent")))
	await.Until(t, func() bool { return b.has("sent") }, "node %d has delivered %q", b.ID(), "sent")
	await.Equal(t, scaleout.Connected, a.health, "the health of node %d", a.ID())
}

// The replica is held up, so that the failover does lose something, and one node
// as well, so that it has not read that before.
func TestSentinelFailoverTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	g := startSentinels(t)
	a := join(t, g.client(t), patient)
	slow := newRecorder()
	slow.received = func() { <-slow.gate }
	b := joinWith(t, slow, g.client(t), patient)
	number := 0
	publish := func() error {
		number++
		e := message("a topic", fmt.Sprint("x ", number))
		e.Bodies[0].Data = make([]byte, 200_000) // more than what is under way can hold
		return a.Publish(t.Context(), e)
	}
	require.NoError(t, publish())
	g.servers[1].pause()
	for range 100 {
		require.NoError(t, publish())
	}
	g.servers[0].kill()
	g.servers[1].resume()
	require.NoError(t, publish())
	slow.release()
	missing := 0
	await.Until(t, func() bool {
		missing = 0
		for _, l := range b.losses() {
			require.Equal(t, scaleout.Loss{Reason: "sequence", Publisher: a.ID(), Count: l.Count}, l)
			missing += int(l.Count)
		}
		return b.delivered()+missing >= number
	}, "the slow node has delivered all %d envelopes or reported them lost", number)
	require.Equal(t, number, b.delivered()+missing)
	require.Equal(t, number, a.delivered())
	require.Empty(t, a.losses())
	require.Positive(t, missing)
	require.EqualValues(t, missing, b.bus.Stats().Lost)
}

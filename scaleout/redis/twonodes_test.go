package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// otherNode is the environment variable with the address of the Redis of a node
// that this process is to be, for the benchmark in the process that has started it.
const otherNode = "SIGNALR_BENCHMARK_NODE"

func TestOtherNode(t *testing.T) {
	addr := os.Getenv(otherNode)
	if addr == "" {
		t.Skip("only for BenchmarkTwoNodes")
	}
	node, err := newBus(t, newClient(t, addr)).Join("hub", &counter{})
	require.NoError(t, err)
	defer node.Close(context.Background())
	fmt.Println("joined")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the other has ended
}

// cost is what something has taken.
type cost struct{ wall, process, redis time.Duration }

func (c *cost) add(d cost) {
	c.wall += d.wall
	c.process += d.process
	c.redis += d.redis
}

// measure returns what do takes: the time, and the time of the processors in this
// process and, if there is a client, in its Redis.
func measure(b *testing.B, client *goredis.Client, do func()) cost {
	used := func() (process, server time.Duration) {
		var u syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		process = time.Duration(u.Utime.Nano() + u.Stime.Nano())
		if client == nil {
			return process, 0
		}
		info, err := client.InfoMap(context.Background(), "cpu").Result()
		require.NoError(b, err)
		for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
			seconds, err := strconv.ParseFloat(info["CPU"][name], 64)
			require.NoError(b, err)
			server += time.Duration(seconds * float64(time.Second))
		}
		return process, server
	}
	process, server := used()
	start := time.Now()
	do()
	wall := time.Since(start)
	processAfter, serverAfter := used()
	return cost{wall, processAfter - process, serverAfter - server}
}

// BenchmarkTwoNodes publishes short messages from 256 goroutines on one of two nodes,
// which are two processes, in turns with bare XADD in pipelines of 128 by the same
// client library. A publish includes the delivery on the node.
func BenchmarkTwoNodes(b *testing.B) {
	const goroutines, turn = 256, 20_000
	server := startServer(b)
	other := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestOtherNode$")
	other.Env = append(os.Environ(), otherNode+"="+server.addr())
	in, err := other.StdinPipe()
	require.NoError(b, err)
	out, err := other.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, other.Start())
	defer func() {
		require.NoError(b, in.Close())
		exited := make(chan error, 1)
		go func() { exited <- other.Wait() }()
		require.NoError(b, await.Receive(b, exited, "the other node to exit"))
	}()
	joined := make(chan error, 1)
	go func() {
		_, err := out.Read(make([]byte, 1))
		joined <- err
		_, _ = io.Copy(io.Discard, out)
	}()
	require.NoError(b, await.Receive(b, joined, "the other node to join"))

	received := &counter{}
	node, err := newBus(b, server.client()).Join("hub", received)
	require.NoError(b, err)
	defer node.Close(context.Background())
	payload := bytes.Repeat([]byte("x"), 32)
	client := server.client()
	published := func(count int) {
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for range count / goroutines {
					e := &scaleout.Envelope{
						Kind: scaleout.Message, Topic: scaleout.Topic{Kind: scaleout.Group, Name: groups[g%32]},
						Target: "m", Bodies: []scaleout.Body{{Protocol: "json", Data: payload}},
					}
					if err := node.Publish(b.Context(), e); err != nil {
						b.Error(err)
					}
				}
			})
		}
		await.Group(b, &wg, "the publishers")
	}
	appended := func(count int) {
		for range count / pipeline {
			_, err := client.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
				for range pipeline {
					p.XAdd(b.Context(), &goredis.XAddArgs{Stream: "bare", Values: []any{"e", payload}})
				}
				return nil
			})
			require.NoError(b, err)
		}
		require.NoError(b, client.XTrimMaxLen(b.Context(), "bare", 0).Err())
	}
	// A process with connections has a heap, without which these are figures of the
	// garbage collector.
	ballast := make([]byte, 64<<20)
	defer runtime.KeepAlive(ballast)
	const rounded = turn / goroutines * goroutines // of both
	published(rounded)
	appended(rounded)
	var bus, bare cost
	count := 0
	for b.Loop() {
		bus.add(measure(b, client, func() { published(rounded) }))
		bare.add(measure(b, client, func() { appended(rounded) }))
		count += rounded
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(count) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(1e9/per(bus.wall), "publishes/s")
	b.ReportMetric(1e9/per(bare.wall), "xadds/s")
	b.ReportMetric(float64(bare.wall)/float64(bus.wall), "rate-ratio")
	b.ReportMetric(per(bus.process), "publish-cpu-ns")
	b.ReportMetric(per(bare.process), "xadd-cpu-ns")
	b.ReportMetric(float64(bus.process)/float64(bare.process), "cpu-ratio")
	b.ReportMetric(per(bus.redis), "publish-redis-ns")
	b.ReportMetric(per(bare.redis), "xadd-redis-ns")
}

// groups are the names of 32 groups.
var groups = func() (names [32]string) {
	for i := range names {
		names[i] = fmt.Sprint("room ", i)
	}
	return names
}()

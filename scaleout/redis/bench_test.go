package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// benchmarkEnvelope is a short message in both protocols.
func benchmarkEnvelope(topic int) *scaleout.Envelope {
	return &scaleout.Envelope{
		Kind:   scaleout.Message,
		Topic:  scaleout.Topic{Kind: scaleout.Group, Name: fmt.Sprint("room ", topic)},
		Target: "messageReceived",
		Bodies: []scaleout.Body{
			{Protocol: "json", Data: bytes.Repeat([]byte("j"), 120)},
			{Protocol: "messagepack", Data: bytes.Repeat([]byte("m"), 90)},
		},
	}
}

// counter is a receiver that counts.
type counter struct{ n atomic.Int64 }

func (c *counter) Deliver(*scaleout.Envelope) { c.n.Add(1) }
func (c *counter) NodeLeft(scaleout.NodeID)   {}
func (c *counter) NodeSilent(scaleout.NodeID) {}
func (c *counter) Lost(scaleout.Loss)         {}

// publish publishes b.N envelopes from a number of goroutines.
func publish(b *testing.B, node scaleout.Node, goroutines int) {
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			e := benchmarkEnvelope(g % 32)
			for range b.N/goroutines + 1 {
				fresh := *e
				if err := node.Publish(b.Context(), &fresh); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	waitFor(b, &wg, "the publishers")
}

// waitFor waits for goroutines that handle b.N messages, each of which takes far less than a millisecond.
func waitFor(b *testing.B, wg *sync.WaitGroup, what string) {
	b.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(await.Timeout + time.Duration(b.N)*time.Millisecond):
		b.Fatalf("timed out waiting for %s", what)
	}
}

// report reports what b.N messages have cost.
func report(b *testing.B, c cost) {
	b.ReportMetric(float64(b.N)/c.wall.Seconds(), "msgs/s")
	b.ReportMetric(float64(c.process.Nanoseconds())/float64(b.N), "cpu-ns/msg")
	if c.redis > 0 {
		b.ReportMetric(float64(c.redis.Nanoseconds())/float64(b.N), "redis-cpu-ns/msg")
	}
}

// Each Publish waits until its own node has delivered.
func BenchmarkPublish(b *testing.B) {
	server := startServer(b)
	for _, goroutines := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			b.ReportAllocs()
			node, err := newBus(b, server.client()).Join(b.Name(), &counter{})
			require.NoError(b, err)
			defer node.Close(context.Background())
			b.ResetTimer()
			report(b, measure(b, server.client(), func() { publish(b, node, goroutines) }))
		})
	}
}

// BenchmarkFanOut publishes on one of several nodes until all have delivered. All nodes
// are in this process, so that they share its processors and cpu-ns is of all of them.
func BenchmarkFanOut(b *testing.B) {
	server := startServer(b)
	memory := scaleout.NewMemory()
	buses := []struct {
		name   string
		newBus func() scaleout.Bus
		client *goredis.Client
	}{
		{"memory", func() scaleout.Bus { return memory }, nil},
		{"redis", func() scaleout.Bus { return newBus(b, server.client()) }, server.client()},
	}
	for _, bus := range buses {
		for _, nodes := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("%s/nodes=%d", bus.name, nodes), func(b *testing.B) {
				b.ReportAllocs()
				var all []scaleout.Node
				var counters []*counter
				for i := range nodes {
					counters = append(counters, &counter{})
					node, err := bus.newBus().Join(b.Name(), counters[i])
					require.NoError(b, err)
					defer node.Close(context.Background())
					all = append(all, node)
				}
				b.ResetTimer()
				report(b, measure(b, bus.client, func() {
					publish(b, all[0], 256)
					want := counters[0].n.Load()
					for i, c := range counters {
						await.Until(b, func() bool { return c.n.Load() >= want }, "node %d has delivered %d envelopes", i, want)
					}
				}))
			})
		}
	}
}

// pipeline is how many entries are appended at once without the bus.
const pipeline = 128

// BenchmarkRaw is what the client library can do: one goroutine appends entries
// of the same size in pipelines, others read them.
func BenchmarkRaw(b *testing.B) {
	server := startServer(b)
	payload := scaleout.AppendEnvelope(nil, benchmarkEnvelope(1))
	for _, readers := range []int{0, 1, 2, 4} {
		b.Run(fmt.Sprint("readers=", readers), func(b *testing.B) {
			b.ReportAllocs()
			key := b.Name() + fmt.Sprint(b.N)
			var wg sync.WaitGroup
			for range readers {
				client := server.client()
				wg.Go(func() { readRaw(b, client, key, b.N) })
			}
			client := server.client()
			b.ResetTimer()
			report(b, measure(b, client, func() {
				for sent := 0; sent < b.N; {
					_, err := client.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
						for range min(pipeline, b.N-sent) {
							p.XAdd(b.Context(), &goredis.XAddArgs{Stream: key, Values: []any{"e", payload}})
							sent++
						}
						return nil
					})
					require.NoError(b, err)
				}
				waitFor(b, &wg, "the readers")
			}))
			b.StopTimer()
			require.NoError(b, client.Del(context.Background(), key).Err())
		})
	}
}

func readRaw(b *testing.B, client *goredis.Client, key string, count int) {
	last := "0"
	for count > 0 {
		streams, err := client.XRead(b.Context(), &goredis.XReadArgs{
			Streams: []string{key, last}, Count: 1024, Block: time.Second,
		}).Result()
		if errors.Is(err, goredis.Nil) {
			continue
		}
		if err != nil {
			b.Error(err)
			return
		}
		messages := streams[0].Messages
		count -= len(messages)
		last = messages[len(messages)-1].ID
	}
}

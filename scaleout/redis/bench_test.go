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

	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
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
func (c *counter) NodeDown(scaleout.NodeID)   {}
func (c *counter) Lost(scaleout.Loss)         {}

// publish publishes b.N envelopes from a number of goroutines.
func publish(b *testing.B, node scaleout.Node, goroutines int) {
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			e := benchmarkEnvelope(g % 32)
			for range b.N/goroutines + 1 {
				if err := node.Publish(b.Context(), e); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func rate(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

// Each Publish waits until its own node has delivered.
func BenchmarkPublish(b *testing.B) {
	server := startServer(b)
	for _, goroutines := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("goroutines=", goroutines), func(b *testing.B) {
			b.ReportAllocs()
			node, err := redis.New(server.client()).Join(b.Name(), &counter{})
			require.NoError(b, err)
			defer node.Close()
			b.ResetTimer()
			publish(b, node, goroutines)
			rate(b)
		})
	}
}

// All nodes are in this process, so that they share its processors.
func BenchmarkFanOut(b *testing.B) {
	server := startServer(b)
	for _, nodes := range []int{1, 2, 4} {
		b.Run(fmt.Sprint("nodes=", nodes), func(b *testing.B) {
			b.ReportAllocs()
			var all []scaleout.Node
			var counters []*counter
			for i := range nodes {
				counters = append(counters, &counter{})
				node, err := redis.New(server.client()).Join(b.Name(), counters[i])
				require.NoError(b, err)
				defer node.Close()
				all = append(all, node)
			}
			b.ResetTimer()
			publish(b, all[0], 256)
			want := counters[0].n.Load()
			for _, c := range counters {
				eventually(b, "all to be delivered", func() bool { return c.n.Load() >= want })
			}
			rate(b)
			b.ReportMetric(float64(b.N*nodes)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}

// BenchmarkRaw is what the client library can do: one goroutine appends entries
// of the same size in pipelines of the same length, others read them.
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
			for sent := 0; sent < b.N; {
				_, err := client.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
					for range min(512, b.N-sent) {
						p.XAdd(b.Context(), &goredis.XAddArgs{Stream: key, Values: []any{"e", payload}})
						sent++
					}
					return nil
				})
				require.NoError(b, err)
			}
			wg.Wait()
			rate(b)
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

package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout/redis"
	"github.com/go-signalr/signalr/transports"
)

// The clients of a benchmark are in a process of their own, which these environment
// variables turn the test binary into: the address of the hub, how many connections to
// make, and after how many messages, over all of them, to write a line.
const (
	clientsOf  = "SIGNALR_BENCH_HUB"
	clientsNum = "SIGNALR_BENCH_CONNECTIONS"
	clientsPer = "SIGNALR_BENCH_MESSAGES"
)

func TestClients(t *testing.T) {
	addr := os.Getenv(clientsOf)
	if addr == "" {
		t.Skip("only for the benchmarks of broadcasts")
	}
	connections, err := strconv.Atoi(os.Getenv(clientsNum))
	require.NoError(t, err)
	per, err := strconv.ParseInt(os.Getenv(clientsPer), 10, 64)
	require.NoError(t, err)
	var count atomic.Int64
	for range connections {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+addr, nil)
		require.NoError(t, err)
		require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
		require.NoError(t, c.SetReadDeadline(time.Now().Add(await.Timeout)))
		_, answer, err := c.ReadMessage()
		require.NoError(t, err, "waiting for the answer to the handshake")
		require.Equal(t, "{}\x1e", string(answer))
		require.NoError(t, c.SetReadDeadline(time.Time{}))
		go func() {
			for {
				_, data, err := c.ReadMessage()
				if err != nil {
					return
				}
				for range bytes.Count(data, []byte{0x1e}) {
					if count.Add(1)%per == 0 {
						fmt.Println("received")
					}
				}
			}
		}()
	}
	fmt.Println("connected")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the other has ended
}

// startClients starts the clients of a hub. The function it returns waits until they
// have received a turn of messages.
func startClients(b *testing.B, addr string, connections, messages int) (received func(*testing.B)) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestClients$")
	cmd.Env = append(os.Environ(), clientsOf+"="+addr, clientsNum+"="+strconv.Itoa(connections),
		clientsPer+"="+strconv.Itoa(connections*messages))
	_, err := cmd.StdinPipe() // whose end would end the clients
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { end(b, cmd, os.Kill) })
	lines := make(chan string, 16)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	require.Equal(b, "connected", await.Receive(b, lines, "the clients' connections"))
	return func(b *testing.B) {
		b.Helper()
		require.Equal(b, "received", await.Receive(b, lines, "the messages to all clients"))
	}
}

// end signals a process to end, and waits for it.
func end(b *testing.B, cmd *exec.Cmd, signal os.Signal) {
	b.Helper()
	_ = cmd.Process.Signal(signal)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	await.Done(b, ended, "the end of %s", cmd.Path)
}

// startRedis starts a redis-server without persistence.
func startRedis(b *testing.B) *goredis.Client {
	if _, err := exec.LookPath("redis-server"); err != nil {
		b.Skip("redis-server is not installed")
	}
	addr := freeAddress(b)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(b, err)
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", b.TempDir())
	require.NoError(b, cmd.Start())
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	b.Cleanup(func() {
		_ = client.Close()
		end(b, cmd, os.Kill)
	})
	await.Equal(b, nil, func() error { return client.Ping(b.Context()).Err() }, "the error of a ping of redis-server")
	return client
}

// processorTime is what this process has used so far.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serveClients serves a hub and starts its clients, as startClients does.
func serveClients(b *testing.B, connections, messages int, opts ...hubs.Option) (hub *hubs.Hub, received func(*testing.B)) {
	opts = append(opts, hubs.WithKeepAliveInterval(time.Hour), hubs.WithClientTimeout(2*time.Hour),
		hubs.WithEndpoint(transports.WithOutboxLimit(64<<20)))
	hub, err := hubs.New(nil, opts...)
	require.NoError(b, err)
	server := httptest.NewServer(hub)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
		defer cancel()
		require.NoError(b, hub.Shutdown(ctx), "shutdown of the hub")
		server.Close()
	})
	return hub, startClients(b, strings.TrimPrefix(server.URL, "http://"), connections, messages)
}

// BenchmarkReceivers sends to 10,000 connections, one message after the other. The
// package hubs has the same for fewer, whose clients are in its own process.
func BenchmarkReceivers(b *testing.B) {
	const connections = 10_000
	raiseFileLimit(b, connections+100)
	for _, size := range []int{32, 1024} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			hub, received := serveClients(b, connections, 1)
			text := strings.Repeat("x", size)
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				require.NoError(b, hub.Clients().All().Send(b.Context(), "m", text))
				received(b)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/connections, "cpu-ns/receiver")
		})
	}
}

// BenchmarkBroadcast compares what a message to all costs the process of a node that
// has 10 connections: alone, on a bus over Redis, and, in turns with both, a bare XADD
// in pipelines of 128 by the same client library. "ratio" is the cost on the bus as a
// multiple of the other two together.
func BenchmarkBroadcast(b *testing.B) {
	const connections, messages, goroutines, pipeline = 10, 4096, 256, 128
	client := startRedis(b)
	text := strings.Repeat("x", 32)
	serve := func(opts ...hubs.Option) (broadcast func(*testing.B)) {
		hub, received := serveClients(b, connections, messages, opts...)
		return func(b *testing.B) {
			var wg sync.WaitGroup
			for range goroutines {
				wg.Go(func() {
					for range messages / goroutines {
						if err := hub.Clients().All().Send(b.Context(), "m", text); err != nil {
							b.Error(err)
						}
					}
				})
			}
			await.Group(b, &wg, "the senders")
			received(b)
		}
	}
	bus, err := redis.New(client)
	require.NoError(b, err)
	onBus := serve(hubs.WithBus(bus))
	alone := serve()
	bare := func(b *testing.B) {
		for range messages / pipeline {
			_, err := client.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
				for range pipeline {
					p.XAdd(b.Context(), &goredis.XAddArgs{Stream: "bare", Values: []any{"e", text}})
				}
				return nil
			})
			require.NoError(b, err)
		}
		require.NoError(b, client.XTrimMaxLen(b.Context(), "bare", 0).Err())
	}
	works := []func(*testing.B){onBus, alone, bare}
	var used [3]time.Duration
	for b.Loop() {
		for i, work := range works {
			before := processorTime(b)
			work(b)
			used[i] += processorTime(b) - before
		}
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N*messages) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(per(used[0]), "bus-cpu-ns")
	b.ReportMetric(per(used[1]), "alone-cpu-ns")
	b.ReportMetric(per(used[2]), "xadd-cpu-ns")
	b.ReportMetric(float64(used[0])/float64(used[1]+used[2]), "ratio")
}

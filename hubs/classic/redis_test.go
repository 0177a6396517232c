package classic_test

import (
	"io"
	"log/slog"
	"net"
	"os/exec"
	"strconv"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// startRedis starts a redis-server for the test and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr().(*net.TCPAddr)
	require.NoError(t, free.Close())
	server := exec.Command(program, "--port", strconv.Itoa(addr.Port), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "")
	server.Stdout = io.Discard
	require.NoError(t, server.Start())
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		await.Done(t, ended, "the end of the killed redis-server")
	})
	client := goredis.NewClient(&goredis.Options{Addr: addr.String()})
	defer client.Close()
	await.Equal(t, nil, func() error { return client.Ping(t.Context()).Err() }, "the error of a ping of redis-server")
	return addr.String()
}

// newRedisNode starts a node of the farm of a Redis.
func newRedisNode(t *testing.T, addr string) *node {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	bus, err := redis.New(client, redis.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	return newNode(t, bus, classic.WithKey(key), longAway)
}

// TestResumingAtANewNode, which reads the log of Redis: honest clients are in their groups of today and miss nothing,
// removed members and those that were aborted stay out.
func TestResumingAtANewNode(t *testing.T) {
	t.Parallel()
	addr := startRedis(t)
	for _, transport := range allTransports {
		a := newRedisNode(t, addr)
		var honest, removed, aborted *client
		for _, c := range []**client{&honest, &removed, &aborted} {
			*c = newClient(t, a, "transport="+transport)
			(*c).connect()
			(*c).join("red")
		}
		member := removed.resume().Get("groupsToken")
		removed.regroup("Leave", "red")
		for _, c := range []*client{honest, removed, aborted} {
			c.close()
			c.drain()
		}
		ctx := t.Context()
		require.NoError(t, a.hub.Groups().Add(ctx, honest.id, "blue"))
		require.NoError(t, a.hub.Groups().Remove(ctx, honest.id, "red"))
		require.NoError(t, a.hub.Clients().Client(aborted.id).Abort(ctx, nil), nil)
		a.chat.requireEvent(t, "disconnected "+aborted.id+" "+hubs.ErrAborted.Error())
		for _, group := range []string{"red", "blue"} {
			require.NoError(t, a.hub.Clients().Group(group).Send(ctx, "say", group))
		}

		b := newRedisNode(t, addr)
		removed.give(removed.resume().Get("messageId"), member)
		removed.requireSentAway(b)
		aborted.node = b
		_, body := aborted.receiveOnce("/reconnect")
		require.Contains(t, body, `"E":"The connection was closed by the server."`)
		require.NotContains(t, body, `"G":`)
		honest.comeBack(b)
		honest.requireMessages(said("blue"))
		honest.close()
		b.stop()
		a.stop()
	}
}

// TestResumingWhenTheLogIsLost: nobody can tell any more what groups the client is in.
func TestResumingWhenTheLogIsLost(t *testing.T) {
	t.Parallel()
	addr := startRedis(t)
	a := newRedisNode(t, addr)
	c := newClient(t, a, "transport=serverSentEvents")
	c.connect()
	c.join("red")
	c.leave()
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	defer client.Close()
	require.NoError(t, client.FlushAll(t.Context()).Err())
	b := newRedisNode(t, addr)
	c.requireSentAway(b)
}

package main

import (
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/negotiate"
)

func TestRoomsInRedis(t *testing.T) {
	t.Parallel()
	addr := startRedis(t)
	one, two := roomsOn(t, addr), roomsOn(t, addr)

	const people = 40
	var wait sync.WaitGroup
	for p := range people {
		r := []*Rooms{one, two}[p%2]
		wait.Go(func() {
			connection := fmt.Sprint(p)
			_, err := r.Arrive(t.Context(), connection, "")
			if err == nil {
				_, _, err = r.Join(t.Context(), connection, "P"+connection, "lobby")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	await.Group(t, &wait, "the people who arrive at once")
	for _, r := range []*Rooms{one, two} {
		view, err := r.View(t.Context(), "0", "lobby")
		require.NoError(t, err)
		require.Len(t, view.Roster.People, people)
		require.Len(t, view.Lines, people)
	}

	// What one tells, the other knows.
	said, err := one.Say(t.Context(), "0", "lobby", "hello")
	require.NoError(t, err)
	view, err := two.View(t.Context(), "1", "lobby")
	require.NoError(t, err)
	require.Equal(t, said.Lines[0].Line, view.Lines[people])
	change, err := two.Depart(t.Context(), "0")
	require.NoError(t, err)
	require.Equal(t, []string{"lobby: left P0"}, lines(change))
	_, err = one.Say(t.Context(), "0", "lobby", "hello")
	require.EqualError(t, err, "The connection has ended.")
	guests, err := one.Guests(t.Context())
	require.NoError(t, err)
	require.Len(t, guests, people-1)
}

func TestRedisThatIsNotThere(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	_, err = roomsOn(t, free.Addr().String()).Arrive(t.Context(), "a", "")
	require.Equal(t, errRedisAway, err)
}

func TestRedisWithAnothersValue(t *testing.T) {
	t.Parallel()
	addr := startRedis(t)
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	defer client.Close()
	require.NoError(t, client.Set(t.Context(), stateKey, "not JSON", 0).Err())
	_, err := roomsOn(t, addr).Arrive(t.Context(), "a", "")
	require.Equal(t, errRedisAway, err)
	require.Equal(t, "not JSON", client.Get(t.Context(), stateKey).Val(), "it is left alone")
}

func TestDiffer(t *testing.T) {
	t.Parallel()
	here, there := negotiate.NewNodeID(7), negotiate.NewNodeID(8)
	dead := negotiate.NewNodeID(9)
	gone, forgotten := differ([]string{here, dead}, []string{here, there}, 7)
	require.Equal(t, map[string]bool{dead: true}, gone)
	require.Empty(t, forgotten, "another node's connections are its own business")
	gone, forgotten = differ(nil, []string{here, there}, 7)
	require.Empty(t, gone)
	require.Equal(t, map[string]bool{here: true}, forgotten)

	const classic = "0b6ff3a2-6f0c-4b8e-9f43-0d9f4d1f2c11"
	_, forgotten = differ(nil, []string{classic, there}, 7)
	require.Equal(t, map[string]bool{classic: true}, forgotten, "nobody else takes care of it")
}

func TestProcessesAgreeOnAKey(t *testing.T) {
	t.Parallel()
	client := goredis.NewClient(&goredis.Options{Addr: startRedis(t)})
	defer client.Close()
	var keys [10][]byte
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			var err error
			if keys[i], err = sharedKey(t.Context(), client); err != nil {
				t.Error(err)
			}
		})
	}
	await.Group(t, &wait, "the processes that agree on a key")
	require.Len(t, keys[0], keySize)
	for _, key := range keys {
		require.Equal(t, keys[0], key)
	}
}

// roomsOn returns the rooms of one process that uses a Redis.
func roomsOn(t *testing.T, addr string) *Rooms {
	t.Helper()
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return newRooms(defaultLimits(), newRedisStore(client, slog.New(slog.DiscardHandler)), "lobby")
}

// startRedis starts a redis-server for the test and returns its address.
func startRedis(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed")
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.Addr()
	require.NoError(t, free.Close())
	server := exec.Command(program, "--port", port(addr), "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "")
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

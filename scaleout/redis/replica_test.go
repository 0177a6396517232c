package redis_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// TestReadingFromAReplica takes the reads off the server that is written to.
func TestReadingFromAReplica(t *testing.T) {
	t.Parallel()
	master := startServer(t)
	replica := startServer(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	await.Until(t, func() bool {
		info, err := replica.client().Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	}, "the replica to follow the master")
	reads := redis.WithReadClient(replica.client())
	a, b := join(t, master.client(), reads), join(t, master.client(), reads)
	meet(t, a, b)
	all := publishAll(t, a, b)
	all.progress(300)
	replica.kill()
	replica.start()
	all.progress(300)
	want := all.finish()
	a.complete(t, want)
	b.complete(t, want)
	require.Zero(t, calls(t, master.client(), "xread"))
	require.NotZero(t, calls(t, replica.client(), "xread"))
}

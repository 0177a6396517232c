package redis_test

import (
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

var wrongOptions = []struct {
	option redis.Option
	says   string
}{
	{nil, "an option must not be nil"},
	{redis.WithStreams(0), "the number of streams must be positive, not 0"},
	{redis.WithReadClient(nil), "the client for reading must not be nil"},
	{redis.WithJoinTimeout(0), "the join timeout must be positive, not 0s"},
	{redis.WithRetention(-time.Second), "the retention must be positive, not -1s"},
	{redis.WithMaxBytes(0), "the maximum of bytes must be positive, not 0"},
	{redis.WithMaxLength(0), "the maximum length must be positive, not 0"},
	{redis.WithPublishTimeout(0), "the publish timeout must be positive, not 0s"},
	{redis.WithPublishBuffer(-1), "the publish buffer must be positive, not -1"},
	{redis.WithNodeTimeout(0), "the node timeout must be positive, not 0s"},
	{redis.WithHeartbeat(0), "the heartbeat must be positive, not 0s"},
	{redis.WithHeartbeat(3 * time.Second), "the node timeout of 5s must be at least two heartbeats of 3s"},
	{redis.WithLogLimits(scaleout.LogLimits{Bytes: -1}), "the limits of a log must not be negative: 0 entries, -1 bytes, 0s"},
	{redis.WithHealth(nil), "the function of WithHealth must not be nil"},
	{redis.WithLogger(nil), "the logger must not be nil"},
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	client := goredis.NewClient(&goredis.Options{}) // connects when it is first used
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	for _, wrong := range wrongOptions {
		_, err := redis.New(client, wrong.option)
		require.ErrorContains(t, err, wrong.says)
	}
}

// One round of corrections is enough.
func TestWrongOptionsAreReportedTogether(t *testing.T) {
	t.Parallel()
	var all []redis.Option
	for _, wrong := range wrongOptions {
		all = append(all, wrong.option)
	}
	_, err := redis.New(nil, all...)
	require.ErrorContains(t, err, "the client must not be nil")
	for _, wrong := range wrongOptions {
		require.ErrorContains(t, err, wrong.says)
	}
	for line := range strings.Lines(err.Error()) {
		require.True(t, strings.HasPrefix(line, "redis: "), line)
	}
}

// Two options may fit only together, in either order.
func TestOptionsAreComparedWhenAllAreKnown(t *testing.T) {
	t.Parallel()
	client := goredis.NewClient(&goredis.Options{})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	timeout, heartbeat := redis.WithNodeTimeout(time.Minute), redis.WithHeartbeat(30*time.Second)
	for _, opts := range [][]redis.Option{{timeout, heartbeat}, {heartbeat, timeout}} {
		_, err := redis.New(client, opts...)
		require.NoError(t, err)
	}
}

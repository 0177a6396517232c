package redis_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// warnings keeps what is logged at Warn and above.
type warnings struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *warnings) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(line)
}

func (w *warnings) option() redis.Option {
	return redis.WithLogger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

func (w *warnings) count(text string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Count(w.text.String(), text)
}

const readingFailed = "reading the streams failed"

// rejected returns how often Redis has refused a command to a user.
func rejected(t *testing.T, client *goredis.Client, command string) int {
	t.Helper()
	info, err := client.Info(t.Context(), "commandstats").Result()
	require.NoError(t, err)
	found := regexp.MustCompile(`cmdstat_` + command + `:.*rejected_calls=(\d+)`).FindStringSubmatch(info)
	if found == nil {
		return 0
	}
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// A read that is refused is tried again now and then, although Redis answers everything
// else, and one line of the log tells it.
func TestReadingThatIsRefusedWaits(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	admin := server.client()
	var health states
	var log warnings
	a, b := join(t, server.client()), join(t, server.client(), health.option(), log.option())
	meet(t, a, b)

	require.NoError(t, admin.Do(t.Context(), "acl", "setuser", "default", "-xread").Err())
	begun := time.Now()
	await.Equal(t, scaleout.Down, b.health, "the health of node %d", b.ID())
	before := rejected(t, admin, "xread")
	await.Until(t, func() bool { return rejected(t, admin, "xread") >= before+6 }, "both nodes have gone on trying")
	// Two nodes, each a few times at once and then twice a second.
	require.LessOrEqual(t, rejected(t, admin, "xread"), 20+int(2*2*time.Since(begun).Seconds()))
	require.Equal(t, 1, log.count(readingFailed))
	require.Equal(t, []scaleout.Health{scaleout.Probing, scaleout.Down}, health.get())

	require.NoError(t, admin.Do(t.Context(), "acl", "setuser", "default", "+xread").Err())
	require.NoError(t, a.publish(t.Context(), "x 1"))
	b.complete(t, map[string]int{"x": 1})
	await.Equal(t, scaleout.Connected, b.health, "the health of node %d", b.ID())
	require.Equal(t, []scaleout.Health{scaleout.Probing, scaleout.Down, scaleout.Connected}, health.get())
	require.EqualValues(t, 1, b.bus.Stats().Interruptions)
}

// A node that was held up gets all that has come meanwhile, although Redis cuts the
// connection of who asks for so much at once.
func TestReadingGetsPastALimitOfReplies(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var log warnings
	a := join(t, server.client())
	slow := newRecorder()
	held := make(chan struct{})
	first := true
	slow.received = func() {
		if first {
			first = false
			close(held)
			<-slow.gate
		}
	}
	b := joinWith(t, slow, server.client(), log.option())
	meet(t, a, b)
	require.NoError(t, a.publish(t.Context(), "x 1"))
	await.Done(t, held, "the receiver to be held")

	const published = 300
	for i := 2; i <= published; i++ { // each is an entry of its own
		e := message("a topic", "x "+strconv.Itoa(i))
		e.Bodies[0].Data = make([]byte, 20_000)
		require.NoError(t, a.Publish(t.Context(), e))
	}
	require.NoError(t, server.client().ConfigSet(t.Context(), "client-output-buffer-limit", "normal 200kb 0 0").Err())
	slow.release()
	b.complete(t, map[string]int{"x": published})
	require.Equal(t, 1, log.count(readingFailed))
	require.EqualValues(t, 1, b.bus.Stats().Interruptions)
	await.Equal(t, scaleout.Connected, b.health, "the health of node %d", b.ID())
}

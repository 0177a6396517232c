package redis_test

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// forge appends an envelope to the only stream in the name of a node.
func forge(t *testing.T, server *server, publisher scaleout.NodeID, sequence uint64) {
	t.Helper()
	envelope := scaleout.AppendEnvelopeAs(nil, message("forged", "forged"), publisher, sequence)
	packed := binary.BigEndian.AppendUint32([]byte{0, 1}, uint32(len(envelope))) // no numbers were given up
	require.NoError(t, server.client().Do(t.Context(), "xadd", "signalr:{hub/0}", "*", "e", string(packed)+string(envelope)).Err())
}

// Who can write to Redis can send anything. But a single wrong number must not make all
// that a node publishes from then on look like repetitions.
func TestForgedNumbersDoNotMuteANode(t *testing.T) {
	t.Parallel()
	for name, sequence := range map[string]uint64{
		"the next":      6,
		"a small jump":  1000,
		"a great jump":  1 << 31,
		"beyond a jump": 1 << 40,
		"beyond all":    1 << 62,
		"the last":      1<<64 - 1,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			a, b := join(t, server.client(), one, few), join(t, server.client(), one)
			meet(t, a, b)
			start := a.Last(0)
			a.publishNumbers(t, 1, 5)
			forge(t, server, a.ID(), sequence)
			await.Until(t, func() bool { return a.bus.Stats().Malformed == 1 }, "node %d to notice that the envelope is none of its own", a.ID())
			a.publishNumbers(t, 6, 10)
			await.Until(t, func() bool { return b.has("x 10") }, "node %d to deliver %q", b.ID(), "x 10")
			c := join(t, server.client(), one)
			a.publishNumbers(t, 11, 15)
			for _, node := range []*joined{b, c} {
				await.Until(t, func() bool { return node.has("x 15") }, "node %d to deliver %q", node.ID(), "x 15")
			}
			require.False(t, a.has("forged"))
			targets, gap := a.read(t, start, 4)
			require.False(t, gap)
			require.Subset(t, targets, numbers(1, 15), "readers are not deceived either")
		})
	}
}

// lines is a log that counts its lines.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Each wrong entry was a line of the log.
func TestWrongEntriesDoNotFloodTheLog(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var log lines
	a := join(t, server.client(), one, redis.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	const count = 50
	began := time.Now()
	for i := range count {
		require.NoError(t, server.client().Do(t.Context(), "xadd", "signalr:{hub/0}", "*", "e", "no envelope").Err())
		forge(t, server, a.ID()+1, uint64(2*i+1)) // one is missing each time
	}
	await.Until(t, func() bool { return a.bus.Stats().Malformed == count && a.bus.Stats().Jumps == count-1 }, "all to be read")
	for _, text := range []string{"is not an envelope", "envelopes are missing"} {
		most := 1 + int(time.Since(began)/(10*time.Second)) // a busy machine may take long
		require.Contains(t, log.String(), text)
		require.LessOrEqual(t, strings.Count(log.String(), text), most, fmt.Sprint(text, ":\n", log.String()))
	}
}

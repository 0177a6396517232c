package classic

import (
	"log/slog"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// TestPollMeetsDisconnectTimeout: a poll that arrives when the disconnect timeout
// expires either prolongs the connection or finds that it has ended. There is no place
// between the decision and the end where a test could hold up the beat, so many polls
// and beats start at the same moment.
func TestPollMeetsDisconnectTimeout(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(&struct{}{}, hubs.WithName("Chat"), hubs.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	e, err := New(hub)
	require.NoError(t, err)
	t.Cleanup(func() { ShutDown(t, e, hub) })
	const clients = 10_000
	for i := range clients {
		id := strconv.Itoa(i)
		c := newEntry(e, id)()
		c.lastSeen = time.Now().Add(-time.Hour)
		now := time.Now()
		enter := newEntry(e, id)
		var entered *connection
		var ready atomic.Int32
		meet := func() {
			for ready.Add(1); ready.Load() < 2; {
				runtime.Gosched()
			}
		}
		var both sync.WaitGroup
		both.Go(func() {
			meet()
			c.beat(now, false)
		})
		both.Go(func() {
			meet()
			entered = enter()
		})
		await.Group(t, &both, "poll %d and the beat that it meets", i)
		c.mu.Lock()
		ended := c.ended
		c.mu.Unlock()
		require.NotEqual(t, entered == c, ended, "a connection that took a poll has ended, or the reverse")
		c.end(errShutdown)
		if entered != nil {
			entered.end(errShutdown)
		}
	}
}

// newEntry returns a function by which a poll enters its connection. The result is nil
// if the connection has just ended.
func newEntry(e *Endpoint, id string) func() *connection {
	q := &request{w: httptest.NewRecorder(), r: httptest.NewRequest("POST", "/poll", nil), transport: longPolling, id: id}
	s := newStream(longPolling, q.r.Context())
	s.out = newPoll(q, e.opts.sendTimeout)
	return func() *connection {
		c, _, _, _ := e.tryEnter(q, s)
		return c
	}
}

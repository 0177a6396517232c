package classic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/interop/await"
)

// counter is the outlet of several streams. It counts what is still to be sent, and announces when nothing is left.
type counter struct {
	left atomic.Int64
	done chan struct{}
}

func (o *counter) send([]byte) error {
	if o.left.Add(-1) == 0 {
		o.done <- struct{}{}
	}
	return nil
}
func (o *counter) keepAlive() error { return nil }
func (o *counter) stop(ending)      {}

// recorder is an outlet that keeps what is sent.
type recorder struct{ sent chan string }

func (o *recorder) send(b []byte) error { o.sent <- string(b); return nil }
func (o *recorder) keepAlive() error    { o.sent <- "keep-alive"; return nil }
func (o *recorder) stop(ending)         {}

// open opens a stream to an outlet.
func open(t testing.TB, e *Endpoint, id string, out outlet) (*connection, *stream) {
	r := httptest.NewRequest(http.MethodGet, "/signalr/connect", nil)
	q := &request{r: r, op: opConnect, transport: webSockets, protocol: maxVersion, id: id, hubs: []listed{{served: e.hubs[0]}}}
	s := newStream(webSockets, r.Context())
	s.out, s.slots = out, make(chan struct{}, 1)
	c, _, err := e.enter(q, s)
	require.NoError(t, err)
	c.open(q, s, false)
	return c, s
}

// broken is a member whose broker does not answer for a while.
type broken struct {
	bridge.Member
	until *atomic.Bool
}

func (m broken) Take(ctx context.Context, most int) (bridge.Batch, error) {
	if !m.until.Load() {
		return bridge.Batch{}, errors.New("away")
	}
	return m.Member.Take(ctx, most)
}

// TestABrokerThatDoesNotAnswer holds up what it has, not what calls return; the
// beat asks again.
func TestABrokerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(nil, hubs.WithName("Chat"), hubs.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	e, err := New(hub, WithShortTimes(time.Millisecond, 0, time.Minute, time.Minute))
	require.NoError(t, err)
	out := &recorder{sent: make(chan string, 16)}
	c, s := open(t, e, testID, out)
	require.Contains(t, await.Receive(t, out.sent, "the first response"), `"S":1`)
	var back atomic.Bool
	c.turn.take()
	c.sources[0].Member = broken{c.sources[0].Member, &back}
	c.turn.give()

	require.NoError(t, hub.Clients().All().Send(t.Context(), "say", "hi"))
	s.slots <- struct{}{}
	c.queue(s, []byte("result"))
	require.Equal(t, "result", await.Receive(t, out.sent, "the result of the call"))
	s.slots <- struct{}{} // the call's was given back
	back.Store(true)
	require.Contains(t, await.Receive(t, out.sent, "the message that the broker held up"), `{"H":"Chat","M":"say","A":["hi"]}`)
	ShutDown(t, e, hub)
}

// TestTurns: one at a time, no wake is lost, and who waits goes before more work.
func TestTurns(t *testing.T) {
	t.Parallel()
	var inside, asked, seen atomic.Int64
	done := make(chan struct{}, 1)
	var turns turn
	check := func() {
		if inside.Add(1) != 1 {
			t.Error("two at once")
		}
		inside.Add(-1)
	}
	const most = 4000
	turns.init(func() {
		check()
		if seen.Store(asked.Load()); asked.Load() == most {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range most / 4 {
				asked.Add(1)
				turns.wake()
				if asked.Load()%7 == 0 {
					turns.take()
					check()
					turns.give()
				}
			}
		})
	}
	await.Group(t, &wait, "those that wake and take the turn")
	await.Done(t, done, "the work after the last wake")
	turns.take() // whatever still ran has ended
	require.EqualValues(t, most, seen.Load())
	turns.give()
}

// BenchmarkBroadcast sends to many clients, from Send to the bytes that would be
// written.
func BenchmarkBroadcast(b *testing.B) {
	const clients = 100
	hub, err := hubs.New(nil, hubs.WithName("Chat"))
	require.NoError(b, err)
	e, err := New(hub)
	require.NoError(b, err)
	out := &counter{done: make(chan struct{}, 1)}
	for i := range clients {
		out.left.Store(1)
		open(b, e, fmt.Sprintf("%s%02d", testID[2:], i), out)
		await.Done(b, out.done, "the first response to client %d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		out.left.Store(clients)
		if err := hub.Clients().All().Send(b.Context(), "say", "hello world"); err != nil {
			b.Fatal(err)
		}
		await.Done(b, out.done, "the message to all clients")
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/client")
	ShutDown(b, e, hub)
}

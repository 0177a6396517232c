package transports_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// stuck is one client that does not read, over one transport.
type stuck struct {
	name string
	kind transports.Kind
	dial func(*site)
}

var stuckClients = []stuck{
	{"WebSockets", transports.WebSockets, func(s *site) { s.dialStuck("") }},
	{"ServerSentEvents", transports.ServerSentEvents, func(s *site) { s.events(s.negotiate()) }},
	{"LongPolling", transports.LongPolling, func(s *site) {
		id := s.firstPoll()
		resp, err := s.client.Do(s.request("GET", id, ""))
		require.NoError(s.t, err)
		s.t.Cleanup(func() { _ = resp.Body.Close() }) // never read
	}},
}

// stall sends more than fits between the server and a client that does not read.
func stall(p *peer) {
	p.app.t.Helper()
	require.NoError(p.app.t, tryStall(p))
}

func tryStall(p *peer) error { return p.Send(bytes.Repeat([]byte("x"), 16<<20)) }

func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range stuckClients {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a, transports.WithSendTimeout(500*time.Millisecond)) // the first writes take less
			stalled := await.Go(t, func() (*peer, error) {
				p := <-a.arrived
				return p, tryStall(p)
			}, "the message to the stuck client")
			tt.dial(s.site)
			p := stalled()
			p.expectClosed(transports.ErrWriteTimeout)
			await.Done(t, s.Empty(), "all connections to end")
			require.Equal(t, map[string]uint64{"write_timeout": 1}, s.Stats().Ended)
			require.ErrorIs(t, p.Send([]byte("x")), transports.ErrClosed)
		})
	}
}

func TestSlowClient(t *testing.T) {
	t.Parallel()
	for _, tt := range stuckClients {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a, transports.WithBufferSize(1<<10), transports.WithOutboxLimit(4<<10))
			overfilled := await.Go(t, func() (*peer, error) {
				p := <-a.arrived
				if err := tryStall(p); err != nil {
					return p, err
				}
				for {
					switch err := p.Send(make([]byte, 100)); {
					case errors.Is(err, transports.ErrSlowClient):
						return p, nil
					case err != nil:
						return p, err
					}
				}
			}, "the outbox of the stuck client to be full")
			tt.dial(s.site)
			overfilled().expectClosed(transports.ErrSlowClient)
			await.Done(t, s.Empty(), "all connections to end")
			require.Equal(t, map[string]uint64{"slow_client": 1}, s.Stats().Ended)
		})
	}
}

// TestPollerThatNeverPolls: what waits for a client between two polls counts too.
func TestPollerThatNeverPolls(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a, transports.WithBufferSize(1), transports.WithOutboxLimit(10))
	id := s.firstPoll()
	p := a.next()
	p.send("12345", "67890")
	require.ErrorIs(t, p.Send([]byte("1")), transports.ErrSlowClient)
	require.ErrorIs(t, p.Send([]byte("1")), transports.ErrClosed)
	s.expect("GET", id, "", http.StatusNoContent, "")
	p.expectClosed(transports.ErrSlowClient)
}

func TestStuckClientDelaysNobody(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	s.dialStuck("")
	slow := a.next()
	stall(slow)
	c := s.dial("")
	p := a.next()
	for range 10 {
		slow.send("x")
		p.send("x")
		c.expect("x")
	}
	none(t, slow.closed, "it is still there")
	slow.Abort()
	slow.expectClosed(transports.ErrAborted)
}

func TestUnusedConnectionsAreDisposed(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a, transports.WithDisconnectTimeout(10*time.Millisecond))
	id := s.negotiate()
	await.Done(t, s.Empty(), "all connections to end")
	s.expect("GET", id, "", http.StatusNotFound, textUnknownID)
	_, resp, err := s.tryDial(id, nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.Empty(t, s.Stats().Ended, "it was never in use")
	none(t, a.arrived, "the application never heard of it")
}

// TestUsedConnectionsAreNotDisposed: only the time without a transport counts.
func TestUsedConnectionsAreNotDisposed(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	unused := s.negotiate()
	c := s.dial("")
	p := a.next()
	s.events(s.negotiate())
	events := a.next()
	poll := s.poll(s.firstPoll(), nil)
	poller := a.next()
	s.Later(transports.DefaultDisconnectTimeout + time.Second)
	await.Equal(t, http.StatusNotFound, func() int { return s.do("POST", unused, "").status }, "the status of a POST to the unused connection")
	p.send("x")
	c.expect("x")
	poller.send("y")
	poll.expect(http.StatusOK, "y")
	none(t, events.closed, "it is in use")
}

func TestMaxConnections(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a, transports.WithMaxConnections(2))
	id := s.firstPoll()
	a.next()
	s.negotiate() // counts though it is not in use
	refused := s.askNegotiate("?negotiateVersion=1")
	require.Equal(t, http.StatusServiceUnavailable, refused.status)
	require.Empty(t, refused.body)
	_, resp, err := s.tryDial("", nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	s.expect("DELETE", id, "", http.StatusAccepted, "")
	s.dial("") // there is room again
	a.next()
	require.Equal(t, http.StatusServiceUnavailable, s.askNegotiate("?negotiateVersion=1").status)
}

func TestStats(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	require.Equal(t, transports.Stats{
		Active: map[transports.Kind]int{}, Started: map[transports.Kind]uint64{}, Ended: map[string]uint64{},
	}, s.Stats())
	s.negotiate()
	require.Empty(t, s.Stats().Started, "negotiating counts nothing")
	c := s.dial("")
	a.next()
	d := s.dial("")
	aborted := a.next()
	s.events(s.negotiate())
	id := s.firstPoll()
	s.expect("DELETE", id, "", http.StatusAccepted, "")
	c.sayGoodbye(nil)
	c.expectClosed(websocket.CloseNormalClosure)
	aborted.Abort()
	_, _, err := d.next()
	require.Error(t, err)
	for reason, count := range map[string]uint64{"normal_closure": 2, "aborted": 1} {
		await.Equal(t, count, func() uint64 { return s.Stats().Ended[reason] }, "the number of connections that ended with %s", reason)
	}
	stats := s.Stats()
	require.Equal(t, map[transports.Kind]int{transports.WebSockets: 0, transports.ServerSentEvents: 1, transports.LongPolling: 0}, stats.Active)
	require.Equal(t, map[transports.Kind]uint64{transports.WebSockets: 2, transports.ServerSentEvents: 1, transports.LongPolling: 1}, stats.Started)
	require.Len(t, stats.Ended, 2)
	stats.Active[transports.LongPolling] = 7 // a snapshot belongs to the caller
	require.Zero(t, s.Stats().Active[transports.LongPolling])
}

func TestTicks(t *testing.T) {
	t.Parallel()
	ticks := make(chan time.Time, 1)
	s := serve(t, tickHandler{newApp(t), ticks})
	s.dial("")
	first, second := await.Receive(t, ticks, "a tick"), await.Receive(t, ticks, "a tick")
	require.True(t, second.After(first))
}

// tickHandler tells of ticks.
type tickHandler struct {
	transports.Handler
	ticks chan<- time.Time
}

func (h tickHandler) Connect(c *transports.Connection) transports.Receiver {
	return tickReceiver{h.Handler.Connect(c), h.ticks}
}

type tickReceiver struct {
	transports.Receiver
	ticks chan<- time.Time
}

func (r tickReceiver) Tick(now time.Time) {
	select {
	case r.ticks <- now:
	default:
	}
}

func TestMinimumProtocolVersion(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opts    []transports.Option
		refuses bool // version 0
	}{
		"default": {nil, true},
		"1":       {[]transports.Option{transports.WithMinimumProtocolVersion(1)}, true},
		"0":       {[]transports.Option{transports.WithMinimumProtocolVersion(0)}, false},
	} {
		s := serve(t, newApp(t), tt.opts...)
		for _, query := range []string{"", "?negotiateVersion=0"} {
			if !tt.refuses {
				require.NotEmpty(t, s.negotiateAs(query).ConnectionID, name)
				continue
			}
			require.JSONEq(t, `{"error":"The client requested version '0', but the server does not support this version."}`, s.askNegotiate(query).body, name)
		}
		require.NotEmpty(t, s.negotiate(), name)
	}
}

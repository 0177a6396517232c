package hubs

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// shiftWall returns a time with another reading of the wall clock, as after an
// adjustment of it, and the same of the monotonic clock. Package time has no way to
// make one.
func shiftWall(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	shifted := at
	const secondsAt = 30 // where the seconds begin in the first word of a time with both readings
	*(*uint64)(unsafe.Pointer(&shifted)) += uint64(by/time.Second) << secondsAt
	require.Zero(t, shifted.Sub(at), "by the monotonic clock")
	require.Equal(t, by, shifted.Round(0).Sub(at.Round(0)), "by the wall clock")
	return shifted
}

// loneSession returns a session that only the test ticks, on a connection that
// exists, with or without its handshake.
func loneSession(t *testing.T, shaken bool) *session {
	t.Helper()
	ids := make(chan string, 1)
	h, err := New(nil, WithName("hub"), WithLogger(slog.New(slog.DiscardHandler)),
		WithOnConnected(func(c *Context) error { ids <- c.ConnectionID(); return nil }))
	require.NoError(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
		defer cancel()
		require.NoError(t, h.Shutdown(ctx))
	})
	socket, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	require.NoError(t, socket.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
	served := h.registry.find(await.Receive(t, ids, "the id of the connection"))
	require.NotNil(t, served)
	s := newSession(h, served.conn)
	if shaken {
		s.encoding = served.encoding
		s.phase = phaseConnected
		s.shaken.Store(true)
	}
	return s
}

// The wall clock is adjusted now and then. No timeout goes by it.
func TestTimeoutsGoByTheMonotonicClock(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		now := func(t *testing.T) time.Time { return shiftWall(t, time.Now(), by) }
		t.Run("handshake timeout "+by.String(), func(t *testing.T) {
			t.Parallel()
			s := loneSession(t, false)
			s.Tick(now(t))
			require.False(t, s.isEnding(), "the handshake has timed out at once")
			s.Tick(now(t).Add(DefaultHandshakeTimeout + time.Second))
			require.True(t, s.isEnding(), "the handshake has not timed out")
			await.Group(t, &s.ended, "the end of the session")
		})
		t.Run("client timeout "+by.String(), func(t *testing.T) {
			t.Parallel()
			s := loneSession(t, true)
			for i := range 2 {
				s.Tick(now(t).Add(time.Duration(i) * time.Second))
			}
			require.False(t, s.isEnding(), "the client has timed out at once")
			for i := range 2 {
				s.Tick(now(t).Add(DefaultClientTimeout + time.Duration(i+1)*time.Second))
			}
			require.True(t, s.isEnding(), "the client has not timed out")
			await.Group(t, &s.ended, "the end of the session")
		})
		t.Run("keep-alive "+by.String(), func(t *testing.T) {
			t.Parallel()
			s := loneSession(t, true)
			s.Tick(now(t))
			require.Zero(t, s.lastPing.Load(), "a ping was sent at once")
			s.Tick(now(t).Add(DefaultKeepAliveInterval + time.Second))
			require.NotZero(t, s.lastPing.Load(), "no ping was sent")
			s.end(nil, nil)
			await.Group(t, &s.ended, "the end of the session")
		})
	}
}

// What a ping was late by must not bring the next one to its client too early.
func TestLatePingIsNotFollowedTooSoon(t *testing.T) {
	t.Parallel()
	s := loneSession(t, true)
	tick := func(at time.Time) {
		s.received.Store(true) // the client pings too
		s.Tick(at)
	}
	first := s.opened.Add(DefaultKeepAliveInterval + time.Second)
	tick(first)
	sent := s.lastPing.Load()
	require.NotZero(t, sent, "no ping was sent")
	for _, late := range []time.Duration{0, time.Microsecond, 50 * time.Millisecond} {
		tick(first.Add(DefaultKeepAliveInterval + late))
		require.Equal(t, sent, s.lastPing.Load(), "a ping was sent %v after the interval", late)
	}
	tick(first.Add(DefaultKeepAliveInterval + time.Second))
	require.NotEqual(t, sent, s.lastPing.Load(), "no ping was sent by the next tick")
	s.end(nil, nil)
	await.Group(t, &s.ended, "the end of the session")
}

// What a client with stateful reconnect has sent last counts from its return.
func TestReturnCountsByTheMonotonicClock(t *testing.T) {
	t.Parallel()
	s := loneSession(t, true)
	s.opened = shiftWall(t, time.Now(), time.Hour)
	s.relay = newRelay(s.conn, DefaultStatefulReconnectBufferSize)
	s.Resumed(func() {})
	require.Less(t, s.lastReceived.Load(), int64(time.Minute))
	require.GreaterOrEqual(t, s.lastReceived.Load(), int64(0))
	s.end(nil, nil)
	await.Group(t, &s.ended, "the end of the session")
}

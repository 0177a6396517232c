package hubs_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// A caller that has gone is no more an error than others that have.
func TestSendToACallerThatHasGone(t *testing.T) {
	t.Parallel()
	errs := make(chan error, 1)
	s := serve(t, nil, hubs.WithOnDisconnected(func(c *hubs.Context, _ error) { errs <- c.Clients().Caller().Send(c, "bye") }))
	s.connect().drop()
	require.NoError(t, await.Receive(t, errs, "the result of the send"))
}

// jsonOnly is a value that MessagePack cannot encode.
type jsonOnly struct{ F func() }

func (jsonOnly) MarshalJSON() ([]byte, error) { return []byte("1"), nil }

// A message was encoded while it was being sent: if one protocol could not, Send
// failed, but clients of another had got it.
func TestSendThatFailsReachesNobody(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()))
	c := s.connect()
	other := s.dial(nil)
	other.send(`{"protocol":"messagepack","version":1}`)
	answer, err := other.read()
	require.NoError(t, err)
	require.Equal(t, "{}\x1e", string(answer))
	// It is known to the hub after the answer, and before its calls.
	call, err := protocol.NewMessagePack().Append(nil, &protocol.Invocation{InvocationID: "1", Target: "Nothing"})
	require.NoError(t, err)
	require.NoError(t, other.socket.WriteMessage(websocket.BinaryMessage, call))
	_, err = other.read()
	require.NoError(t, err)

	require.Error(t, s.Clients().All().Send(context.Background(), "m", jsonOnly{}))
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
}

// liveLog is a log handler that shows the log to the hub's clients.
type liveLog struct{ handle func(text string) }

func (l liveLog) Enabled(context.Context, slog.Level) bool { return true }
func (l liveLog) Handle(_ context.Context, r slog.Record) error {
	l.handle(r.Message)
	return nil
}
func (l liveLog) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l liveLog) WithGroup(string) slog.Handler      { return l }

// The hub logged with its registry locked, and a log handler that sends to clients
// or changes a group never came back.
func TestLogHandlerMayUseTheHub(t *testing.T) {
	t.Parallel()
	hub := make(chan *hubs.Hub, 1)
	logged := make(chan string, 100)
	log := slog.New(liveLog{func(text string) {
		h := <-hub
		hub <- h
		ctx := context.Background()
		// No asserts: handlers run in goroutines of the hub.
		_ = h.Groups().Add(ctx, "nobody", "g")
		_ = h.Clients().Group("g").Send(ctx, "log", text)
		_ = h.Clients().Client("nobody").Send(ctx, "log", text)
		if strings.Contains(text, "too slow") {
			_ = h.Clients().All().Send(ctx, "log", text)
		}
		if _, err := h.Clients().All().Count(ctx); err == nil && len(logged) < cap(logged) {
			logged <- text
		}
	}})
	s := serve(t, callHub{}, hubs.WithLogger(log), hubs.WithEndpoint(transports.WithOutboxLimit(64<<10)))
	hub <- s.Hub
	expectLogged := func(text string) {
		for await.Receive(t, logged, "the log %q", text) != text {
		}
	}
	s.connect() // and does not read
	expectLogged("client connected")
	await.Until(t, func() bool {
		require.NoError(t, s.Clients().All().Send(context.Background(), "m", strings.Repeat("x", 60<<10)))
		select {
		case text := <-logged:
			return text == "client is too slow and was disconnected"
		default:
			return false
		}
	}, "the slow client is disconnected")
	expectLogged("client disconnected")
	c := s.connect()
	require.Contains(t, c.call("missing"), "Method does not exist.")
	expectLogged("invocation refused")
	require.Contains(t, c.call("FailPlainly"), "An unexpected error")
	expectLogged("a hub method failed")
	require.Contains(t, c.call("Panic"), "An unexpected error")
	expectLogged("the application panicked")
}

package hubs_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
)

// A node logged inside the delivery of a message, and a log handler that sends never
// came back: the stream of the bus is locked then.
func TestLogHandlerMayUseTheHubWhileAMessageIsDelivered(t *testing.T) {
	bus := scaleout.NewMemory()
	hub := make(chan *hubs.Hub, 1)
	logged := make(chan string, 10)
	log := slog.New(liveLog{func(text string) {
		h := <-hub
		hub <- h
		if strings.Contains(text, "lacks the protocol") {
			_ = h.Clients().All().Send(context.Background(), "log", text)
			logged <- text
		}
	}})
	jsonOnly := serve(t, callHub{}, hubs.WithBus(bus))
	both := serve(t, callHub{}, hubs.WithBus(bus), hubs.WithLogger(log), hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()))
	hub <- both.Hub
	c := both.dial(nil)
	c.send(`{"protocol":"messagepack","version":1}`)
	_, err := c.read()
	require.NoError(t, err)
	call, _ := protocol.NewMessagePack().Append(nil, &protocol.Invocation{InvocationID: "1", Target: "Nothing"})
	require.NoError(t, c.write(websocket.BinaryMessage, string(call)))
	_, err = c.read()
	require.NoError(t, err)
	go func() { _ = jsonOnly.Clients().All().Send(context.Background(), "m") }()
	select {
	case <-logged:
	case <-time.After(await.Timeout): // the shutdown would not end either
		panic("timed out waiting for the log handler, which sends during a delivery")
	}
}

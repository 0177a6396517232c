package hubs_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// A client that had not yet shaken hands was told nothing when the hub shut down.
func TestShutdownCancelsHandshakes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := servePipes(t, nil)
		c := s.dial()
		synctest.Wait() // the hub waits for the handshake
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		c.expect(`{"error":"Handshake was canceled."}`)
		c.expectClosed(websocket.CloseNormalClosure)
		require.NoError(t, await.Receive(t, stopped, "the end of the shutdown"))
	})
}

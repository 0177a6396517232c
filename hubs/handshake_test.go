package hubs_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
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

// What a client had posted before it chose WebSockets was handled while the
// WebSocket's own messages were, by two goroutines at once.
func TestPostBeforeAWebSocketIsForgotten(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{})
	web := &http.Client{Transport: &http.Transport{}, Timeout: await.Timeout}
	defer web.CloseIdleConnections()
	post := func(path, body string) *http.Response {
		response, err := web.Post(s.http.URL+"/hub"+path, "", strings.NewReader(body))
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		return response
	}
	for range 5 {
		response := post("/negotiate?negotiateVersion=1", "")
		var grant struct{ ConnectionToken string }
		require.NoError(t, json.NewDecoder(response.Body).Decode(&grant))
		require.NoError(t, response.Body.Close())
		pings := strings.Repeat("{\"type\":6}\x1e", 5000)
		require.NoError(t, post("?id="+grant.ConnectionToken, "{\"protocol\":\"json\",\"version\":1}\x1e"+pings).Body.Close())
		socket, _, err := websocket.DefaultDialer.Dial(s.url+"?id="+grant.ConnectionToken, nil)
		require.NoError(t, err)
		c := &client{t: t, socket: socket}
		c.sendRaw("{\"protocol\":\"json\",\"version\":1}\x1e" + pings)
		c.expect(`{}`)
		require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
		c.drop()
	}
}

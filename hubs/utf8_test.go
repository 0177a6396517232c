package hubs_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

func TestInvalidUTF8NeverReachesAnotherClient(t *testing.T) {
	t.Parallel()
	h, err := hubs.New(nil, hubs.WithName("x"), hubs.HandleVoid1("Relay", func(c *hubs.Context, v json.RawMessage) error {
		return c.Clients().All().Send(c, "got", v)
	}))
	require.NoError(t, err)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	t.Cleanup(func() { require.NoError(t, h.Shutdown(context.Background())) })
	dial := func() *websocket.Conn {
		conn, _, err := websocket.DefaultDialer.Dial("ws"+srv.URL[len("http"):], nil)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte("{\"protocol\":\"json\",\"version\":1}\x1e")))
		_, answer, err := conn.ReadMessage()
		require.NoError(t, err)
		require.Equal(t, "{}\x1e", string(answer))
		return conn
	}
	witness, sender, other := dial(), dial(), dial()

	relay := func(conn *websocket.Conn, argument string) {
		frame := `{"type":1,"target":"Relay","arguments":[` + argument + "]}\x1e"
		require.NoError(t, conn.WriteMessage(websocket.BinaryMessage, []byte(frame)))
	}
	text := dial()
	require.NoError(t, text.WriteMessage(websocket.TextMessage, []byte("{\"type\":1,\"target\":\"Relay\",\"arguments\":[\"\xff\"]}\x1e")))
	_, _, err = text.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseInvalidFramePayloadData), "%v", err)

	fragments := dial()
	plain := func(first byte, payload string) []byte { // masked with zeros
		return append([]byte{first, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	}
	const begin, end = 0x01, 0x80
	_, err = fragments.NetConn().Write(slices.Concat(plain(begin, `{"type":1,"target":"Relay","arguments":["é`+"\xc3"), plain(end, "\"]}\x1e")))
	require.NoError(t, err)
	_, _, err = fragments.ReadMessage()
	require.True(t, websocket.IsCloseError(err, websocket.CloseInvalidFramePayloadData), "%v", err)

	relay(sender, "\"\xff\"")
	_, closing, err := sender.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(closing), `"type":7`)

	relay(other, `"é"`)
	_, got, err := witness.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, `{"type":1,"target":"got","arguments":["é"]}`+"\x1e", string(got), "the first message after the invalid one")
}

// Text that is none ends the connection, also one that may go on after a loss.
func TestInvalidTextEndsAResumableConnection(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("ada")
		c.sendRaw("\xff\x1e")
		c.expectClosed(websocket.CloseInvalidFramePayloadData)
		c.close()
		w.diary.expect(t, lostEntry)
		require.Zero(t, w.Stats().Lost)
	})
}

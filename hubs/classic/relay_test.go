package classic_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
)

// What a client has sent reaches old and new clients in their own encoding; what no
// client could read reaches nobody.
func TestRelay(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNodeOf(t, []hubs.Option{
			hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
			hubs.HandleVoid1("Relay", func(c *hubs.Context, v protocol.Raw) error { return c.Clients().All().Send(c, "say", v) }),
		})
		old := newClient(t, n, "user=ann&transport="+transport)
		old.connect()
		modern := hubtest.NewServer(t, n.hub).Connect(hubtest.WithProtocol(protocol.NewMessagePack()))
		n.chat.requireEvent(t, "connected "+modern.ID())

		if transport != "webSockets" {
			for _, invalid := range []string{`"` + "\xff" + `"`, `{"a":["` + "\xc3" + `"]}`} {
				status, _ := old.ask("/send", url.Values{"data": {`{"H":"chat","M":"Relay","A":[` + invalid + `],"I":0}`}})
				require.Equal(t, http.StatusBadRequest, status)
			}
		}
		require.JSONEq(t, `{"I":"1"}`, old.call(`{"H":"chat","M":"Relay","A":[{"a":[1,"é"]}],"I":1}`))
		modern.Expect("say", map[string]any{"a": []any{1, "é"}})
		old.requireMessages(`{"H":"Chat","M":"say","A":[{"a":[1,"é"]}]}`)
		require.NoError(t, modern.Invoke("Relay", map[string]any{"b": []byte{1, 2}}))
		modern.Expect("say", map[string]any{"b": []byte{1, 2}})
		old.requireMessages(`{"H":"Chat","M":"say","A":[{"b":"AQI="}]}`)
	})
}

func TestInvalidTextClosesTheSocket(t *testing.T) {
	t.Parallel()
	c := newClient(t, newNode(t, nil), "transport=webSockets")
	c.negotiate()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(c.url("/connect", nil), "http"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ws.Close()) })
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte("{\"H\":\"chat\",\"M\":\"Void\",\"A\":[\"\xff\"],\"I\":0}")))
	require.NoError(t, ws.SetReadDeadline(time.Now().Add(await.Timeout)))
	for err == nil { // the first response may come before
		_, _, err = ws.ReadMessage()
	}
	require.True(t, websocket.IsCloseError(err, websocket.CloseInvalidFramePayloadData), "%v", err)
}

// What a method tells a classic client beside its messages is checked, too.
func TestOnlyUTF8IsSent(t *testing.T) {
	t.Parallel()
	bad := map[string]any{"a": json.RawMessage("\"\xff\"")}
	failures := make(chan error, 3)
	n := newNodeOf(t, []hubs.Option{hubs.HandleVoid0("Tell", func(c *hubs.Context) error {
		failures <- classic.Progress(c, bad)
		failures <- classic.State(c).Set("a", bad)
		return classic.WithData(hubs.NewError("full"), bad)
	})})
	c := newClient(t, n, "user=ann&transport=longPolling")
	c.connect()
	require.NotContains(t, c.call(`{"H":"chat","M":"Tell","A":[],"I":1}`), "\xff")
	for range 2 {
		require.ErrorContains(t, await.Receive(t, failures, "an error"), "not valid UTF-8")
	}

	raw := newClient(t, newRawNode(t, classic.RawHandler{Connected: func(c *classic.RawConn) error {
		failures <- c.Send(bad)
		return nil
	}}), "transport=longPolling")
	raw.startRaw()
	require.ErrorContains(t, await.Receive(t, failures, "an error"), "not valid UTF-8")
}

// Arguments and the state have the values that they have for other clients.
func TestValuesOfClassicClients(t *testing.T) {
	t.Parallel()
	type stay struct {
		From time.Time
		Days int
		Any  map[string]any
	}
	got := make(chan []any, 1)
	n := newNodeOf(t, []hubs.Option{hubs.HandleVoid2("Stay", func(c *hubs.Context, s stay, more any) error {
		var state any
		_, err := classic.State(c).Get("n", &state)
		if err != nil {
			return err
		}
		var day time.Time
		_, err = classic.State(c).Get("day", &day)
		got <- []any{s.From.Format(time.RFC3339), s.Days, s.Any["id"], more, state, day.Year()}
		return err
	})})
	c := newClient(t, n, "user=ann&transport=longPolling")
	c.connect()
	require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Stay","I":1,"S":{"n":9007199254740993,"day":"2026-11-28"},
		"A":[{"From":"2026-11-28T10:00:00","Days":5.0,"Any":{"id":9007199254740993}},[1]]}`))
	const id = int64(9007199254740993)
	require.Equal(t, []any{"2026-11-28T10:00:00Z", 5, id, []any{int64(1)}, id, 2026}, await.Receive(t, got, "the call"))
}

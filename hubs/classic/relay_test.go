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

// What is fit for some clients only reaches nobody, and closes no connection: neither
// that of the sender nor those of the others.
func TestRelayOfWhatClientsCloseFor(t *testing.T) {
	t.Parallel()
	n := newNodeOf(t, []hubs.Option{
		hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
		hubs.HandleVoid1("Raw", func(c *hubs.Context, v protocol.Raw) error { return c.Clients().All().Send(c, "say", v) }),
		hubs.HandleVoid1("Message", func(c *hubs.Context, v json.RawMessage) error { return c.Clients().All().Send(c, "say", v) }),
		hubs.HandleVoid1("Messages", func(c *hubs.Context, v []json.RawMessage) error { return c.Clients().All().Send(c, "say", v) }),
		hubs.HandleVoid1("Any", func(c *hubs.Context, v any) error { return c.Clients().All().Send(c, "say", v) }),
	})
	old := newClient(t, n, "user=ann&transport=longPolling")
	old.connect()
	server := hubtest.NewServer(t, n.hub)
	asJSON, asMsgpack := server.Connect(), server.Connect(hubtest.WithProtocol(protocol.NewMessagePack()))
	n.chat.requireEvent(t, "connected "+asJSON.ID())
	n.chat.requireEvent(t, "connected "+asMsgpack.ID())
	const proto = `{"a":{"__proto__":{"b":1}}}`
	for _, method := range []string{"Raw", "Message", "Messages", "Any"} {
		values := []string{proto}
		for _, levels := range []int{65, 70, 1000, 5000} {
			values = append(values, strings.Repeat("[", levels)+strings.Repeat("]", levels), strings.Repeat(`{"a":`, levels)+"0"+strings.Repeat("}", levels))
		}
		for _, value := range values {
			if method == "Messages" {
				value = "[" + value + "]"
			}
			require.Contains(t, old.call(`{"H":"chat","M":"`+method+`","A":[`+value+`],"I":1}`), `"E":`, "%s(%.50s)", method, value)
		}
		argument := any(json.RawMessage(proto))
		if method == "Messages" {
			argument = []any{argument}
		}
		require.Error(t, asJSON.Invoke(method, argument), method)
	}
	require.NoError(t, asMsgpack.Invoke("Any", "still here"))
	for _, c := range []*hubtest.Client{asJSON, asMsgpack} {
		c.Expect("say", "still here")
		c.ExpectNothing()
	}
	old.requireMessages(`{"H":"Chat","M":"say","A":["still here"]}`)
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
func TestOnlyWhatClientsReadIsSent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, value, reason string }{
		{"UTF-8", "\"\xff\"", "not valid UTF-8"},
		{"depth", strings.Repeat("[", 64) + strings.Repeat("]", 64), "too deep"},
		{"great depth", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "too deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			requireNotSent(t, map[string]any{"a": json.RawMessage(tt.value)}, tt.reason)
		})
	}
}

func requireNotSent(t *testing.T, bad any, reason string) {
	t.Helper()
	failures := make(chan error, 3)
	n := newNodeOf(t, []hubs.Option{hubs.HandleVoid0("Tell", func(c *hubs.Context) error {
		failures <- classic.Progress(c, bad)
		failures <- classic.State(c).Set("a", bad)
		return classic.WithData(hubs.NewError("full"), bad)
	})})
	c := newClient(t, n, "user=ann&transport=longPolling")
	c.connect()
	answer := c.call(`{"H":"chat","M":"Tell","A":[],"I":1}`)
	require.NotContains(t, answer, "\xff")
	require.NotContains(t, answer, "[[")
	for range 2 {
		require.ErrorContains(t, await.Receive(t, failures, "an error"), reason)
	}

	raw := newClient(t, newRawNode(t, classic.RawHandler{Connected: func(c *classic.RawConn) error {
		failures <- c.Send(bad)
		return nil
	}}), "transport=longPolling")
	raw.startRaw()
	require.ErrorContains(t, await.Receive(t, failures, "an error"), reason)
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

package classic_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
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

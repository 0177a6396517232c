package classic_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// behind is a connection that sends something right behind its first write.
type behind struct {
	net.Conn
	data []byte
}

func (c *behind) Write(p []byte) (int, error) {
	data := c.data
	c.data = nil
	if _, err := c.Conn.Write(slices.Concat(p, data)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// TestFramesBehindTheRequest: a client need not wait for the response before it
// sends, wherever what it sends is cut.
func TestFramesBehindTheRequest(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	secure := httptest.NewTLSServer(n.server.Config.Handler)
	t.Cleanup(secure.Close)
	trust := secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trust.NextProtos = []string{"http/1.1"}

	const call = `{"H":"chat","M":"Add","A":[1,2],"I":1}`
	frame := []byte{0x81, 0x80 | byte(len(call)), 0, 0, 0, 0} // masked with zeros
	frame = append(frame, call...)
	for name, dial := range map[string]func(string, string) (net.Conn, error){
		"plain": func(network, _ string) (net.Conn, error) {
			return net.Dial(network, n.server.Listener.Addr().String())
		},
		"TLS": func(network, _ string) (net.Conn, error) {
			return tls.Dial(network, secure.Listener.Addr().String(), trust)
		},
	} {
		for _, cut := range []int{0, 1, 2, 5, 6, 7, len(frame) - 1, len(frame)} {
			t.Run(fmt.Sprintf("%s, cut at %d", name, cut), func(t *testing.T) {
				t.Parallel()
				c := newClient(t, n, "transport=webSockets")
				c.negotiate()
				dialer := websocket.Dialer{HandshakeTimeout: await.Timeout, NetDial: func(network, address string) (net.Conn, error) {
					conn, err := dial(network, address)
					return &behind{conn, frame[:cut]}, err
				}}
				ws, _, err := dialer.Dial("ws"+strings.TrimPrefix(c.url("/connect", url.Values{}), "http"), nil)
				require.NoError(t, err)
				defer ws.Close()
				_, err = ws.NetConn().Write(frame[cut:])
				require.NoError(t, err)
				require.NoError(t, ws.SetReadDeadline(time.Now().Add(await.Timeout)))
				for result := ""; result == ""; {
					_, data, err := ws.ReadMessage()
					require.NoError(t, err, "the result of the call")
					var r map[string]json.RawMessage
					require.NoError(t, json.Unmarshal(data, &r))
					if r["I"] != nil {
						result = string(data)
						require.JSONEq(t, `{"I":"1","R":3}`, result)
					}
				}
			})
		}
	}
}

// TestUpgradeWithABody: a body must not be taken for frames.
func TestUpgradeWithABody(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=webSockets")
	c.negotiate()
	r, err := http.NewRequest(http.MethodGet, c.url("/connect", nil), strings.NewReader("\x81\x80\x00\x00\x00\x00"))
	require.NoError(t, err)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}
	resp, err := bounded.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	n.chat.requireNoEvent(t)
}

package transports_test

import (
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

func TestSubProtocol(t *testing.T) {
	t.Parallel()
	echo := transports.ConnectionHandler(func(c *transports.RawConn) error {
		_, err := io.Copy(c, c)
		return err
	})
	chooseB := transports.WithSubProtocol(func(requested []string) string {
		if slices.Contains(requested, "b") {
			return "b"
		}
		return ""
	})
	for _, tt := range []struct {
		name      string
		opts      []transports.Option
		requested []string
		chosen    string
	}{
		{"none by default", nil, []string{"a", "b"}, ""},
		{"chosen", []transports.Option{chooseB}, []string{"a", "b"}, "b"},
		{"none fits", []transports.Option{chooseB}, []string{"a"}, ""},
		{"none requested", []transports.Option{chooseB}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			endpoint, err := transports.NewEndpoint(echo, tt.opts...)
			require.NoError(t, err)
			server := httptest.NewServer(endpoint)
			t.Cleanup(server.Close)
			dialer := websocket.Dialer{Subprotocols: tt.requested}
			socket, _, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
			require.NoError(t, err)
			require.Equal(t, tt.chosen, socket.Subprotocol())
			require.NoError(t, socket.Close())
			require.NoError(t, endpoint.Shutdown(t.Context()))
		})
	}
	_, err := transports.NewEndpoint(echo, transports.WithSubProtocol(nil))
	require.Error(t, err)
}

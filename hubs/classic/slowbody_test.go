package classic_test

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// A request must not stay for the sake of a body that never comes: it takes a goroutine
// and a connection of the server.
func TestBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	const limit = 200 * time.Millisecond
	n := newNodeOf(t, []hubs.Option{hubs.WithEndpoint(transports.WithSendTimeout(limit))}, classic.WithSendTimeout(limit))
	for name, test := range map[string]struct {
		method, op string
		query      url.Values
		status     int // 0: the write may be too late for a response
	}{
		"negotiate":           {"POST", "/negotiate", nil, 200},
		"negotiate by GET":    {"GET", "/negotiate", nil, 200},
		"ping":                {"POST", "/ping", nil, 200},
		"script":              {"GET", "/hubs", nil, 200},
		"unknown operation":   {"POST", "/nothing", nil, 400},
		"send":                {"POST", "/send", url.Values{"transport": {"longPolling"}}, 400},
		"send, no transport":  {"POST", "/send", nil, 400},
		"start, no token":     {"POST", "/start", url.Values{"transport": {"longPolling"}, "connectionToken": {"x"}}, 400},
		"abort":               {"POST", "/abort", url.Values{"transport": {"longPolling"}}, 200},
		"event stream":        {"GET", "/connect", url.Values{"transport": {"serverSentEvents"}}, 0},
		"event stream, POST":  {"POST", "/connect", url.Values{"transport": {"serverSentEvents"}}, 0},
		"forever frame":       {"GET", "/connect", url.Values{"transport": {"foreverFrame"}, "frameId": {"1"}}, 0},
		"long poll":           {"POST", "/connect", url.Values{"transport": {"longPolling"}}, 400},
		"long poll, by GET":   {"GET", "/connect", url.Values{"transport": {"longPolling"}}, 0},
		"reconnect, by POST":  {"POST", "/reconnect", url.Values{"transport": {"serverSentEvents"}, "messageId": {"!"}}, 400},
		"no method of HTTP's": {"PURGE", "/send", nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, n, "")
			c.negotiate()
			address, err := url.Parse(c.url(test.op, test.query))
			require.NoError(t, err)
			conn, err := net.Dial("tcp", address.Host)
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			require.NoError(t, conn.SetDeadline(time.Now().Add(await.Timeout)))
			_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 1000\r\n\r\nx", test.method, address.RequestURI(), address.Host)
			require.NoError(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: test.method})
			if test.status == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
				return
			}
			require.NoError(t, err)
			require.Equal(t, cmp.Or(test.status, http.StatusOK), resp.StatusCode)
			require.True(t, resp.Close, "what follows on this connection cannot be told from the body")
		})
	}
}

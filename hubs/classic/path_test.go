package classic_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// TestPathBehindAProxy: clients connect to the path that the negotiation tells, which has to be the proxy's.
func TestPathBehindAProxy(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil, classic.WithPath("/my%20app/signalr"))
		backend, err := url.Parse(n.server.URL)
		require.NoError(t, err)
		proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend) }}
		front := &node{chat: n.chat, endpoint: n.endpoint, server: httptest.NewServer(http.StripPrefix("/my app", proxy))}
		t.Cleanup(func() {
			front.server.CloseClientConnections()
			front.server.Close()
		})
		c := newClient(t, front, "transport="+transport)
		c.prefix = "/my%20app/signalr"
		status, body := c.ask("/negotiate", nil)
		require.Equal(t, http.StatusOK, status, body)
		var answer struct{ Url string }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Equal(t, "/my%20app/signalr", answer.Url)
		c.prefix = answer.Url
		c.connect()
		require.JSONEq(t, `{"R":6,"I":"0"}`, c.call(`{"H":"chat","M":"Add","A":[1,2,3],"I":0}`))
		_, script := getScript(t, front.server.URL+"/my%20app/signalr/hubs", "")
		require.Contains(t, script, `$.hubConnection("/my%20app/signalr", {`)
	})
}

func TestPathsThatAreNone(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(nil, hubs.WithName("Chat"))
	require.NoError(t, err)
	defer classic.ShutDown(t, hub)
	for _, path := range []string{
		"", "/", "signalr", "//evil.example/signalr", "/signalr/", "/signalr?a=b", "/signalr#a", "/my app", "/a%zz", "https://a.example/signalr", "/ä", "/a\"b",
	} {
		_, err := classic.New(hub, classic.WithPath(path))
		require.ErrorContains(t, err, "classic: the path must be one such as /app/signalr, not ", "%q", path)
	}
	for _, path := range []string{"/signalr", "/a/b/c.d", "/my%20app/signalr"} {
		_, err := classic.New(hub, classic.WithPath(path))
		require.NoError(t, err, "%q", path)
	}
}

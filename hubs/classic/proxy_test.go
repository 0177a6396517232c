package classic_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// URLHub has no name of its own but its type's.
type URLHub struct{}

func (*URLHub) EchoReturn(_ *hubs.Context, s string) string { return s }
func (*URLHub) Many(*hubs.Context, ...int)                  {}

// getScript gets the generated script.
func getScript(t *testing.T, address, etag string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(t, err)
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	resp, err := bounded.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(body)
}

func TestGeneratedProxy(t *testing.T) {
	t.Parallel()
	other, err := hubs.New(&URLHub{})
	require.NoError(t, err)
	t.Cleanup(func() { classic.ShutDown(t, other) })
	n := newNode(t, nil, classic.WithHubs(other))
	resp, body := getScript(t, n.server.URL+"/signalr/hubs", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "application/javascript; charset=UTF-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-cache", resp.Header.Get("Cache-Control"))
	for _, part := range []string{
		`add(proxies, this, "Chat", {` + "\n" + `            "add": "Add",`, // the name that was chosen, as it is
		`add(proxies, this, "uRLHub", {` + "\n" + `            "echoReturn": "EchoReturn",` + "\n" + `            "many": "Many"` + "\n        });",
		`$.hubConnection("/signalr", { useDefaultPath: false });`, "// Call the client hub method",
	} {
		require.Contains(t, body, part)
	}
	require.NotContains(t, body, "OnConnected")

	etag := resp.Header.Get("ETag")
	for given, status := range map[string]int{etag: 304, "W/" + etag: 304, `"x", ` + etag: 304, `"x"`: 200} {
		resp, again := getScript(t, n.server.URL+"/signalr/hubs", given)
		require.Equal(t, status, resp.StatusCode, given)
		require.Equal(t, etag, resp.Header.Get("ETag"))
		require.Equal(t, status == http.StatusNotModified, again == "")
	}
	elsewhere, body := getScript(t, n.server.URL+"/signalr/a%3Cscript%3E\"b/js/", "")
	require.Contains(t, body, `$.hubConnection("/signalr/a%3Cscript%3E%22b", {`)
	require.NotEqual(t, etag, elsewhere.Header.Get("ETag"))
}

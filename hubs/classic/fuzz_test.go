package classic_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// FuzzServeHTTP: whatever comes, the endpoint answers and does not panic. TOKEN,
// CURSOR and GROUPS stand for those of a connection.
func FuzzServeHTTP(f *testing.F) {
	const common = "connectionToken=TOKEN&clientProtocol=2.1&connectionData=%5B%7B%22name%22%3A%22chat%22%7D%5D&transport="
	f.Add("GET", "/signalr/negotiate", common, "")
	f.Add("GET", "/signalr/hubs", "", "")
	f.Add("POST", "/signalr/connect", common+"longPolling", "")
	f.Add("POST", "/signalr//poll", common+"longPolling", "messageId=CURSOR&groupsToken=GROUPS")
	f.Add("GET", "/signalr/reconnect", common+"serverSentEvents&messageId=CURSOR&groupsToken=GROUPS", "")
	f.Add("GET", "/signalr/connect", common+"foreverFrame&frameId=1", "")
	f.Add("GET", "/signalr/connect", common+"webSockets", "")
	f.Add("GET", "/signalr/start", common+"longPolling&callback=a.b", "")
	f.Add("POST", "/signalr/send", common+"longPolling", "data=%7B%22H%22%3A%22chat%22%2C%22M%22%3A%22Add%22%2C%22A%22%3A%5B1%5D%2C%22I%22%3A0%7D")
	f.Add("POST", "/signalr/abort", common+"x", "")
	f.Add("OPTIONS", "*", "&;=%", "%")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		hub, err := hubs.New(newChat(), hubs.WithName("Chat"), hubs.WithLogger(quiet()))
		require.NoError(t, err)
		e, err := classic.New(hub, classic.WithJSONP(), classic.WithKey(key),
			classic.WithShortTimes(time.Millisecond, time.Millisecond, 5*time.Millisecond, 2*time.Millisecond))
		require.NoError(t, err)
		defer classic.ShutDown(t, e, hub)
		token := part(t, e, "/negotiate", "", `"ConnectionToken":"`)
		cursor := part(t, e, "/connect", strings.ReplaceAll(common, "TOKEN", token)+"longPolling", `"C":"`)
		fill := strings.NewReplacer("TOKEN", token, "CURSOR", cursor, "GROUPS", token)
		for range 2 { // the second finds what the first has left
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(fill.Replace(body))).WithContext(ctx)
			r.Method, r.RequestURI, r.URL = method, path, &url.URL{Path: path, RawQuery: fill.Replace(query)}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			cancel()
			require.Contains(t, []int{200, 204, 400, 403, 405, 413, 500}, w.Code)
		}
	})
}

// part makes a request and returns what follows a mark in its answer, up to the
// next quote.
func part(t *testing.T, h http.Handler, path, query, mark string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path+"?"+query, nil))
	_, rest, found := strings.Cut(w.Body.String(), mark)
	require.True(t, found, w.Body.String())
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

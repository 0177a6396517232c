package classic_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/classic"
)

// compress is middleware that decides with the header whether it compresses the body.
func compress() func(http.Handler) http.Handler {
	return middleware.Compress(5, "application/json", "application/javascript", "text/html", "text/event-stream", "text/plain")
}

// TestConversationCompressed: clients decompress a response only if its header says that it is compressed.
func TestConversationCompressed(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNodeBehind(t, compress())
		c := newClient(t, n, "transport="+transport)
		c.connect()
		require.JSONEq(t, `{"I":"0"}`, c.call(`{"H":"chat","M":"Join","A":["red"],"I":0}`))
		for _, text := range []string{"one", strings.Repeat("long", 10_000)} {
			require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Say","A":["red","`+text+`"],"I":1}`))
			c.requireMessages(said(text))
		}
		c.close()
		c.drain()
		c.open("/reconnect")
		n.chat.requireEvent(t, "reconnected "+c.id)
		require.JSONEq(t, `{"R":6,"I":"0"}`, c.call(`{"H":"chat","M":"Add","A":[1,2,3],"I":0}`))
	})
}

func TestCompressedResponses(t *testing.T) {
	t.Parallel()
	n := newNodeBehind(t, compress(), classic.WithJSONP())
	for name, test := range map[string]struct {
		more        url.Values
		want        string // in the first part of the body
		contentType string
	}{
		"serverSentEvents": {nil, "data: initialized", "text/event-stream"},
		"longPolling":      {nil, `{"C":"`, "application/json; charset=UTF-8"},
		"JSONP":            {url.Values{"transport": {"longPolling"}, "callback": {"f"}}, `f({"C":"`, "application/javascript; charset=UTF-8"},
		"foreverFrame":     {url.Values{"frameId": {"7"}}, "getConnection('7')", "text/html; charset=UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, n, "transport="+name)
			c.negotiate()
			resp, err := bounded.Get(c.url("/connect", test.more))
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, test.contentType, resp.Header.Get("Content-Type"))
			newLines(resp.Body).until(t, test.want)
		})
	}
}

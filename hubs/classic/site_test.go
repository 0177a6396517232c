package classic_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// askAs sends a request with a token and returns its status.
func (c *client) askAs(method, op string, form url.Values, headers map[string]string) int {
	r := httptest.NewRequest(method, c.url(op, form), nil)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	c.node.endpoint.ServeHTTP(w, r)
	return w.Code
}

// A page of another site could have its visitor's browser call methods, on a connection
// of its own, with the visitor's cookies.
func TestRequestsOfPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	call := url.Values{"data": {`{"H":"chat","M":"Void","I":1}`}}
	for name, test := range map[string]struct {
		origin, site string
		allowed      bool
	}{
		"no page":        {"", "", true},
		"own page":       {"", "same-origin", true},
		"a listed page":  {"https://app.example", "cross-site", true},
		"another page":   {"https://evil.example", "cross-site", false},
		"an old browser": {"https://evil.example", "", false},
		"an image":       {"", "cross-site", false},
		"a sub-domain":   {"", "same-site", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNodeOf(t, []hubs.Option{hubs.WithAllowedOrigins("https://app.example")}, longAway)
			c := newClient(t, n, "user=ann&transport=longPolling")
			c.connect()
			headers := map[string]string{"Origin": test.origin, "Sec-Fetch-Site": test.site}
			for header, value := range headers {
				if value == "" {
					delete(headers, header)
				}
			}
			if test.allowed {
				require.Equal(t, http.StatusOK, c.askAs(http.MethodPost, "/send", call, headers))
				return
			}
			for _, op := range []string{"/connect", "/reconnect", "/poll", "/start", "/send", "/abort"} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					require.Equal(t, http.StatusForbidden, c.askAs(method, op, call, headers), "%s %s", method, op)
				}
			}
			for _, op := range []string{"/negotiate", "/ping", "/hubs"} {
				require.Equal(t, http.StatusOK, c.askAs(http.MethodGet, op, nil, headers), op)
			}
			require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Void","I":1}`), "the connection goes on")
		})
	}
}

// JSONP is for pages of other sites: their scripts have no Origin.
func TestJSONPOfPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithJSONP(), longAway)
	c := newClient(t, n, "user=ann&transport=longPolling")
	c.connect()
	call := url.Values{"data": {`{"H":"chat","M":"Void","I":1}`}}
	headers := map[string]string{"Sec-Fetch-Site": "cross-site"}
	require.Equal(t, http.StatusForbidden, c.askAs(http.MethodGet, "/send", call, headers))
	call.Set("callback", "f")
	require.Equal(t, http.StatusOK, c.askAs(http.MethodGet, "/send", call, headers))
}

// A link, an image or a form could call methods.
func TestMessagesComeByPost(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithJSONP(), longAway)
	c := newClient(t, n, "user=ann&transport=longPolling")
	c.connect()
	call := url.Values{"data": {`{"H":"chat","M":"Void","I":1}`}}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "SEND"} {
		require.Equal(t, http.StatusMethodNotAllowed, c.askAs(method, "/send", call, nil), method)
	}
}

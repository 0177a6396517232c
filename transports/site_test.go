package transports_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

// carriers are the requests that carry a connection, by what they are.
var carriers = map[string]func(r *http.Request){
	"poll":   func(*http.Request) {},
	"events": func(r *http.Request) { r.Header.Set("Accept", "text/event-stream") },
	"WebSocket": func(r *http.Request) {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	},
	"POST":   func(r *http.Request) { r.Method = http.MethodPost },
	"DELETE": func(r *http.Request) { r.Method = http.MethodDelete },
}

// A page of another site that knows a connection token, as it has negotiated itself,
// could have its visitor's browser make the first request of the transport: the calls on
// the connection then were the visitor's.
func TestRequestsOfPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		origin, site string
		listed       []string
		allowed      bool
	}{
		"no page":                               {"", "", nil, true},
		"typed by hand":                         {"", "none", nil, true},
		"own page":                              {"", "same-origin", nil, true},
		"own page, posting":                     {"http://example.com", "same-origin", nil, true},
		"own page, old browser":                 {"http://example.com", "", nil, true},
		"own page, proxy with another host":     {"https://public.example", "same-origin", nil, true},
		"another page":                          {"https://evil.example", "cross-site", nil, false},
		"another page, old browser":             {"https://evil.example", "", nil, false},
		"another page of the site":              {"https://other.example.com", "same-site", nil, false},
		"a sandboxed frame":                     {"null", "cross-site", nil, false},
		"a link, an image, a form, a frame":     {"", "cross-site", nil, false},
		"likewise of the same site":             {"", "same-site", nil, false},
		"a listed page":                         {"https://app.example", "cross-site", []string{"https://app.example"}, true},
		"a listed page of the site":             {"https://app.example", "same-site", []string{"https://app.example"}, true},
		"a link on a listed page":               {"", "cross-site", []string{"https://app.example"}, false},
		"a page that is not listed":             {"https://evil.example", "cross-site", []string{"https://app.example"}, false},
		"any page, where all are allowed":       {"https://evil.example", "cross-site", []string{"*"}, true},
		"a link on it, which is no such client": {"", "cross-site", []string{"*"}, false},
	} {
		for kind, prepare := range carriers {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				var opts []transports.Option
				if tt.listed != nil {
					opts = append(opts, transports.WithAllowedOrigins(tt.listed...))
				}
				e := endpoint(t, newApp(t), opts...)
				r := httptest.NewRequest(http.MethodGet, "http://example.com/chat?id=unknown", nil)
				prepare(r)
				if tt.origin != "" {
					r.Header.Set("Origin", tt.origin)
				}
				if tt.site != "" {
					r.Header.Set("Sec-Fetch-Site", tt.site)
				}
				w := httptest.NewRecorder()
				e.ServeHTTP(w, r)
				if tt.allowed {
					require.Equal(t, http.StatusNotFound, w.Code, "there is no such connection")
				} else {
					require.Equal(t, http.StatusForbidden, w.Code)
					require.Empty(t, w.Body.String())
				}
				require.Equal(t, tt.allowed, e.Policy().CheckSite(r) == nil)
			})
		}
	}
}

// Its response is of no use to the page without CORS, and official clients may redirect.
func TestNegotiationsOfPagesOfOtherSites(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t))
	r := s.request(http.MethodPost, "", "")
	r.URL.Path += "/negotiate"
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	response := s.exchange(r)
	require.Equal(t, http.StatusOK, response.status)
	require.Empty(t, response.header.Get("Access-Control-Allow-Origin"))
}

// Where it is known that browsers have used https, a page of http is another one.
func TestOwnOriginHasTheSchemeOfTheRequest(t *testing.T) {
	t.Parallel()
	policy := endpoint(t, newApp(t)).Policy()
	for origin, allowed := range map[string][2]bool{ // without and with TLS
		"http://example.com":             {true, false},
		"https://example.com":            {true, true},
		"ftp://example.com":              {false, false},
		"chrome-extension://example.com": {false, false},
		"https://example.com.evil":       {false, false},
		"https://example.com@evil.com":   {false, false},
		"https://evil.com\\@example.com": {false, false},
	} {
		for i, state := range []*tls.ConnectionState{nil, {}} {
			r := httptest.NewRequest(http.MethodGet, "/chat", nil)
			r.Host, r.TLS = "example.com", state
			r.Header.Set("Origin", origin)
			require.Equal(t, allowed[i], policy.CheckSite(r) == nil, "%s, TLS %v", origin, state != nil)
		}
	}
}

// Who negotiates a connection owns it, from then on.
func TestNegotiatedConnectionsHaveAnOwner(t *testing.T) {
	t.Parallel()
	user := transports.WithIdentity(func(r *http.Request) string { return r.Header.Get("User") })
	for name, tt := range map[string]struct {
		negotiator, user string
		allowed          bool
	}{
		"the owner":                   {"ann", "ann", true},
		"somebody else":               {"ann", "bob", false},
		"nobody":                      {"ann", "", false},
		"who is known only later":     {"", "ann", true},
		"nobody at either time":       {"", "", true},
		"an owner with a longer name": {"ann", "ann2", false},
	} {
		for kind, prepare := range carriers {
			if kind == "POST" || kind == "DELETE" {
				continue // these are never the first request
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				s := serve(t, newApp(t), user)
				negotiation := s.request(http.MethodPost, "", "")
				negotiation.URL.Path += "/negotiate"
				negotiation.URL.RawQuery = "negotiateVersion=1"
				negotiation.Header.Set("User", tt.negotiator)
				var g grant
				require.NoError(t, json.Unmarshal([]byte(s.exchange(negotiation).body), &g))
				id := g.ConnectionToken
				r := s.request(http.MethodGet, id, "")
				prepare(r)
				r.Header.Set("User", tt.user)
				resp, err := s.client.Do(r)
				require.NoError(t, err)
				defer resp.Body.Close()
				if !tt.allowed {
					require.Equal(t, http.StatusForbidden, resp.StatusCode)
					return
				}
				require.Contains(t, []int{http.StatusOK, http.StatusSwitchingProtocols}, resp.StatusCode)
				post := s.request(http.MethodPost, id, "x")
				post.Header.Set("User", "bob")
				require.Equal(t, http.StatusForbidden, s.exchange(post).status, "nor may others send")
			})
		}
	}
}

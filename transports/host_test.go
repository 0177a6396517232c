package transports_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

// TestAllowedHosts: a page of evil.example whose name leads to this server must not be
// taken for one of the server's.
func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	for host, allowed := range map[string]bool{
		"localhost": true, "localhost:8080": true, "LOCALHOST:1": true, "127.0.0.1": true, "127.0.0.1:8080": true, "[::1]": true, "[::1]:8080": true,
		"chat.example": true, "chat.example:443": true, "only.example:8443": true, "secure.example": true, "secure.example:443": true,
		"evil.example": false, "evil.example:8080": false, "localhost.evil.example": false, "evil.example:localhost": false, "localhost.": false,
		"127.0.0.1.evil.example:8080": false, "127.0.0.2": false, "[::2]:8080": false, "only.example": false, "only.example:443": false,
		"secure.example:444": false, "::1": false, "x@localhost": false,
	} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			logger, lines := newDebugLog()
			s := serve(t, newApp(t), transports.WithLogger(logger), transports.WithAllowedOrigins("https://app.example"),
				transports.WithAllowedHosts("localhost", "127.0.0.1", "[::1]", "Chat.example", "only.example:8443", "secure.example:443"))
			for name, prepare := range map[string]func(*http.Request){
				"negotiate": func(r *http.Request) {
					r.Method, r.URL.Path, r.URL.RawQuery = "POST", "/chat/negotiate", "negotiateVersion=1"
				},
				"preflight": func(r *http.Request) {
					r.Method = "OPTIONS"
					r.Header.Set("Origin", "https://app.example")
					r.Header.Set("Access-Control-Request-Method", "POST")
				},
				"poll": carriers["poll"], "events": carriers["events"], "WebSocket": carriers["WebSocket"], "POST": carriers["POST"], "DELETE": carriers["DELETE"],
			} {
				r := s.request(http.MethodGet, "unknown", "")
				prepare(r)
				r.Host = host
				if r.Header.Get("Origin") == "" {
					r.Header.Set("Origin", "http://"+host)
				}
				a := s.exchange(r)
				require.NoError(t, a.err)
				require.Equal(t, !allowed, a.status == http.StatusMisdirectedRequest, "%s: %d", name, a.status)
				if !allowed {
					require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
					require.Contains(t, refusals(lines)[0], "host is not allowed")
				}
			}
		})
	}
}

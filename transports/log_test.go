package transports_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// TestRefusalsAreLogged: who runs the server learns why a client was refused, and
// no token is in what is logged.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		opt    transports.Option
		header http.Header
		logged string
	}{
		"authorization": {
			transports.WithAuthorization(func(*http.Request) error { return errors.New("the role is missing") }),
			http.Header{}, "the role is missing",
		},
		"origin": {
			transports.WithAllowedOrigins("https://app.example"),
			http.Header{
				"Origin": {"https://other.example"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
				"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
			}, "https://other.example",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines strings.Builder
			e := endpoint(t, newApp(t), tt.opt, transports.WithLogger(slog.New(slog.NewTextHandler(&lines,
				&slog.HandlerOptions{Level: slog.LevelDebug}))))
			r := httptest.NewRequest(http.MethodGet, "http://here.example/chat?access_token=hidden", nil)
			r.Header = tt.header
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			require.Equal(t, http.StatusForbidden, w.Code)
			require.Contains(t, lines.String(), "level=DEBUG")
			require.Contains(t, lines.String(), "path=/chat")
			require.Contains(t, lines.String(), tt.logged)
			require.NotContains(t, lines.String(), "hidden")
		})
	}
}

// TestUnfitMiddlewareIsLogged: behind middleware that hides what the
// http.ResponseWriter can do, clients see no more than a connection that fails.
func TestUnfitMiddlewareIsLogged(t *testing.T) {
	t.Parallel()
	for kind, header := range map[transports.Kind]http.Header{
		transports.WebSockets: {
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		},
		transports.ServerSentEvents: {"Accept": {"text/event-stream"}},
	} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			logger, lines := newLog()
			s := serve(t, transports.ConnectionHandler(func(*transports.RawConn) error { return nil }), transports.WithLogger(logger))
			s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(bare{w}, r) })
			r := s.request(http.MethodGet, s.negotiate(), "")
			r.Header = header
			s.exchange(r)
			line := await.Receive(t, lines, "a line of the log")
			require.Contains(t, line, "level=WARN")
			require.Contains(t, line, kind.String())
			require.Contains(t, line, "Unwrap")
		})
	}
}

package transports_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

// Who serves an endpoint's clients by another protocol demands what it demands.
func TestPolicyIsTheEndpoints(t *testing.T) {
	t.Parallel()
	refusal := errors.New("not you")
	expiry := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	e, err := transports.NewEndpoint(transports.ConnectionHandler(func(*transports.RawConn) error { return nil }),
		transports.WithAuthorization(func(*http.Request) error { return refusal }),
		transports.WithIdentity(func(*http.Request) string { return "ann" }),
		transports.WithExpiration(func(*http.Request) time.Time { return expiry }),
		transports.WithAllowedOrigins("https://app.example"))
	require.NoError(t, err)
	p := e.Policy()
	r := httptest.NewRequest(http.MethodGet, "http://here.example/x", nil)
	require.Equal(t, refusal, p.Authorize(r))
	require.Equal(t, "ann", p.Identity(r))
	require.Equal(t, expiry, p.Expires(r))
	for origin, allowed := range map[string]bool{"": true, "http://here.example": true, "https://app.example": true, "https://other.example": false} {
		r.Header.Set("Origin", origin)
		require.Equal(t, allowed, p.AllowsOrigin(r), origin)
	}
	r.Header.Set("Origin", "https://app.example")
	w := httptest.NewRecorder()
	p.Serve(w, r, func(http.ResponseWriter, *http.Request) {})
	require.Equal(t, "https://app.example", w.Header().Get("Access-Control-Allow-Origin"))
}

// TestPolicyLogs: to the logger that it is given, and warns once for each transport.
func TestPolicyLogs(t *testing.T) {
	t.Parallel()
	theirs, none := newDebugLog()
	ours, lines := newDebugLog()
	p := endpoint(t, newApp(t), transports.WithLogger(theirs), transports.WithAllowedHosts("here.example")).Policy().LoggingTo(ours)
	r := httptest.NewRequest(http.MethodGet, "http://here.example/x?access_token=hidden", nil)
	require.NoError(t, p.CanStream(httptest.NewRecorder(), r, "events"))
	require.Empty(t, refusals(lines))
	for _, tt := range []struct{ transport, level string }{{"events", "WARN"}, {"events", "DEBUG"}, {"frames", "WARN"}, {"frames", "DEBUG"}} {
		require.ErrorIs(t, p.CanStream(bare{httptest.NewRecorder()}, r, tt.transport), http.ErrNotSupported)
		logged := refusals(lines)
		require.Len(t, logged, 1)
		for _, text := range []string{"level=" + tt.level, "status=501", "transport=" + tt.transport, "Unwrap"} {
			require.Contains(t, logged[0], text)
		}
		require.NotContains(t, logged[0], "hidden")
	}
	r.Header.Set("Origin", "https://other.example")
	require.Error(t, p.CheckSite(r))
	require.Len(t, refusals(lines), 1)
	r.Host = "other.example"
	p.Serve(httptest.NewRecorder(), r, func(http.ResponseWriter, *http.Request) {})
	require.Len(t, refusals(lines), 1)
	require.Empty(t, refusals(none))
}

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

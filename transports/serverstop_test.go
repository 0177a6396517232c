package transports_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// logText is what was logged.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestServerThatShutsDownUnderItsClients: who calls only http.Server.Shutdown learns it.
func TestServerThatShutsDownUnderItsClients(t *testing.T) {
	t.Parallel()
	const warning = "the http.Server is shutting down with clients connected"
	for _, test := range []struct {
		name      string
		negotiate bool
		elsewhere int
		first     bool // the endpoint is shut down first
		warns     bool
	}{
		{name: "a client is connected", negotiate: true, warns: true},
		{name: "a client of another endpoint is", elsewhere: 1, warns: true},
		{name: "nobody is"},
		{name: "the endpoint is shut down first", negotiate: true, first: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			log := &logText{}
			e, err := transports.NewEndpoint(transports.ConnectionHandler(func(*transports.RawConn) error { return nil }),
				transports.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			require.NoError(t, err)
			e.Policy().Count(func() int { return test.elsewhere })
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			server := &http.Server{Handler: e}
			served := make(chan error, 1)
			go func() { served <- server.Serve(listener) }()
			method := http.MethodGet // which is refused
			if test.negotiate {
				method = http.MethodPost
			}
			for range 2 {
				r, err := http.NewRequestWithContext(t.Context(), method, "http://"+listener.Addr().String()+"/negotiate?negotiateVersion=1", nil)
				require.NoError(t, err)
				resp, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
			}
			http.DefaultClient.CloseIdleConnections()
			ctx, cancel := context.WithTimeout(t.Context(), await.Timeout)
			defer cancel()
			if test.first {
				require.NoError(t, e.Shutdown(ctx))
			}
			require.NoError(t, server.Shutdown(ctx))
			require.ErrorIs(t, await.Receive(t, served, "the end of the server"), http.ErrServerClosed)
			if test.warns {
				await.Until(t, func() bool { return strings.Contains(log.String(), warning) }, "the warning is logged")
			}
			require.NoError(t, e.Shutdown(ctx))
			if !test.warns {
				require.NotContains(t, log.String(), warning)
			}
			require.LessOrEqual(t, strings.Count(log.String(), warning), 1)
		})
	}
}

// TestConnectionsEndWhereNobodyIsServed: kept connections to a program that goes would
// bring the client's next attempt back to it, behind a load balancer that does not look at
// requests.
func TestConnectionsEndWhereNobodyIsServed(t *testing.T) {
	t.Parallel()
	e, err := transports.NewEndpoint(transports.ConnectionHandler(func(*transports.RawConn) error { return nil }))
	require.NoError(t, err)
	require.NoError(t, e.Shutdown(t.Context()))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/negotiate?negotiateVersion=1", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "close", w.Header().Get("Connection"))
}

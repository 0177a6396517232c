package transports

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/negotiate"
)

// TestPollAfterDisconnectTimeout: once the sweep has decided that a connection has been
// without a poll for too long, no poll takes it. Otherwise the connection would end
// right after the client got a response.
func TestPollAfterDisconnectTimeout(t *testing.T) {
	t.Parallel()
	e, err := NewEndpoint(ConnectionHandler(func(c *RawConn) error {
		_, err := io.Copy(io.Discard, c)
		return err
	}))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, e.Shutdown(ctx))
	})
	for i := range 100 { // the sweep leaves the rest of its work to another goroutine
		c, err := e.add(negotiate.Grant{ConnectionToken: fmt.Sprint(i)}, "")
		require.NoError(t, err)
		bind := func() (*poll, bound) {
			r := httptest.NewRequest("GET", "/", nil)
			p := &poll{response: newResponse(httptest.NewRecorder()), superseded: make(chan struct{}), done: make(chan struct{})}
			return p, c.bindPoll(p, r)
		}
		p, outcome := bind()
		require.Equal(t, boundOK, outcome)
		c.unbindPoll(p)
		c.sweep(time.Now().Add(2*DefaultDisconnectTimeout), DefaultDisconnectTimeout, ErrInactive)
		_, outcome = bind()
		require.Equal(t, boundDisposed, outcome)
	}
}

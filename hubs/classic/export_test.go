package classic

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// ShutDown shuts down what a test serves, one after the other.
func ShutDown(t testing.TB, served ...interface{ Shutdown(context.Context) error }) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	for _, s := range served {
		require.NoError(t, s.Shutdown(ctx), "shutdown of a %T", s)
	}
}

// WithShortTimes makes an endpoint whose timings are those of a test.
func WithShortTimes(beat, keepAlive, disconnect, connection time.Duration) Option {
	return func(o *options) error {
		o.unbounded = true
		o.beat, o.keepAlive, o.keepAliveSet = beat, keepAlive, true
		o.disconnectTimeout, o.connectionTimeout, o.threshold, o.closeTimeout = disconnect, connection, 0, time.Second
		return nil
	}
}

// Settle waits until a connection has handled everything that was delivered to it.
func Settle(e *Endpoint, id string) {
	if c := e.lookup(id); c != nil {
		c.turn.take()
		c.turn.give()
	}
}

// HasEnded reports whether the endpoint knows that a connection has ended for good.
func HasEnded(e *Endpoint, id string) bool { return e.hasEnded(id) }

// WithLogAllowance sets how many bytes of the logs may be read for a connection in an hour.
func WithLogAllowance(bytes int) Option {
	return func(o *options) error {
		o.logAllowance, o.logRecovery = bytes, time.Hour
		return nil
	}
}

// LogBytes returns how many bytes of the logs were read for a connection.
func LogBytes(e *Endpoint, id string) int {
	e.reads.mu.Lock()
	defer e.reads.mu.Unlock()
	if a, ok := e.reads.byID[id]; ok {
		return e.reads.allowance - a.rest
	}
	return 0
}

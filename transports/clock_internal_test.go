package transports

import (
	"context"
	"io"
	"net/http/httptest"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/negotiate"
)

// setWallClock returns a moment as time.Now returns it after the wall clock was set by
// some seconds. The monotonic clock knows nothing of that. It changes the seconds in the
// representation, which is checked.
func setWallClock(t *testing.T, now time.Time, seconds int64) time.Time {
	t.Helper()
	set := now
	*(*uint64)(unsafe.Pointer(&set)) += uint64(seconds) << 30
	require.Equal(t, now.Unix()+seconds, set.Unix(), "the wall clock")
	require.Zero(t, set.Sub(now), "the monotonic clock")
	return set
}

// TestWallClockIsSet: timeouts measure time that has passed; only the expiry of
// authentication is a moment of the wall clock.
func TestWallClockIsSet(t *testing.T) {
	t.Parallel()
	token := func(c *Connection) { c.expires = expiry(time.Now().Add(45 * time.Minute)) }
	writing := func(c *Connection) { c.writing() }
	idle := func(c *Connection) { c.unbindPoll(c.transport.(*poll)) }
	const hour = 3600
	for name, tt := range map[string]struct {
		begin  func(*Connection)
		passed time.Duration
		set    int64 // seconds
		ends   error
	}{
		"write":                        {writing, 0, 0, nil},
		"write, set forward":           {writing, 0, hour, nil},
		"write, set back":              {writing, 0, -hour, nil},
		"long write":                   {writing, 2 * DefaultSendTimeout, 0, ErrWriteTimeout},
		"long write, set forward":      {writing, 2 * DefaultSendTimeout, hour, ErrWriteTimeout},
		"long write, set back":         {writing, 2 * DefaultSendTimeout, -hour, ErrWriteTimeout},
		"no poll":                      {idle, 0, 0, nil},
		"no poll, set forward":         {idle, 0, hour, nil},
		"no poll, set back":            {idle, 0, -hour, nil},
		"no poll for long":             {idle, 2 * DefaultDisconnectTimeout, 0, ErrInactive},
		"no poll for long, set back":   {idle, 2 * DefaultDisconnectTimeout, -hour, ErrInactive},
		"token, set forward":           {token, 0, hour, ErrExpired},
		"token, set back":              {token, time.Hour, -hour, nil},
		"token that expires meanwhile": {token, time.Hour, 0, ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			e, err := NewEndpoint(ConnectionHandler(func(c *RawConn) error {
				_, err := io.Copy(io.Discard, c)
				ended <- context.Cause(c.Context())
				return err
			}), WithSweepInterval(time.Hour))
			require.NoError(t, err)
			c, err := e.add(negotiate.Grant{ConnectionToken: "token"}, "")
			require.NoError(t, err)
			p := &poll{response: newResponse(httptest.NewRecorder()), superseded: make(chan struct{}), done: make(chan struct{})}
			require.Equal(t, boundOK, c.bindPoll(p, httptest.NewRequest("GET", "/", nil)))
			tt.begin(c)
			c.sweep(setWallClock(t, time.Now().Add(tt.passed), tt.set), DefaultDisconnectTimeout, ErrInactive)
			if tt.ends == nil {
				c.Abort()
				tt.ends = ErrAborted
			}
			t.Cleanup(c.remove)
			require.ErrorIs(t, await.Receive(t, ended, "the end of the connection"), tt.ends)
		})
	}
}

package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// ending is a way in which a connection ends.
type ending struct {
	name string
	opts []hubs.Option
	do   func(t *testing.T, s *server, l *line, id string)
	// want is what OnDisconnected is told, by transport, and reason what Stats
	// counts it as.
	want   map[transports.Kind]error
	reason map[transports.Kind]string
}

// all returns the same for every transport.
func all[T any](v T) map[transports.Kind]T {
	m := make(map[transports.Kind]T)
	for _, kind := range allTransports {
		m[kind] = v
	}
	return m
}

// but returns m with another value for one transport.
func but[T any](m map[transports.Kind]T, kind transports.Kind, v T) map[transports.Kind]T {
	m = maps.Clone(m)
	m[kind] = v
	return m
}

// errMalformed stands for any *protocol.Error.
var errMalformed = errors.New("a *protocol.Error")

func endings() []ending {
	const lp = transports.LongPolling
	return []ending{
		{"closed by a message", nil,
			func(_ *testing.T, _ *server, l *line, _ string) { l.send(`{"type":7}`) },
			all[error](nil), all("normal_closure")},
		{"closed with its transport", nil,
			func(t *testing.T, _ *server, l *line, _ string) { l.close() },
			but(all[error](nil), transports.ServerSentEvents, hubs.ErrConnectionLost),
			but(all("normal_closure"), transports.ServerSentEvents, "connection_lost")},
		{"lost", []hubs.Option{hubs.WithEndpoint(transports.WithDisconnectTimeout(time.Millisecond))},
			func(_ *testing.T, _ *server, l *line, _ string) { l.drop() },
			but(all(hubs.ErrConnectionLost), lp, hubs.ErrClientTimeout), but(all("connection_lost"), lp, "timeout")},
		{"silent", []hubs.Option{hubs.WithClientTimeout(time.Millisecond)},
			func(_ *testing.T, _ *server, l *line, _ string) {
				if l.kind == lp {
					l.drop() // else its polls show that it lives
				}
			},
			all(hubs.ErrClientTimeout), all("timeout")},
		{"aborted by a method", nil,
			func(_ *testing.T, _ *server, l *line, _ string) { l.send(`{"type":1,"target":"abort","arguments":[]}`) },
			all(hubs.ErrAborted), all("aborted")},
		{"aborted from outside", nil,
			func(t *testing.T, s *server, _ *line, id string) {
				require.NoError(t, s.Clients().Client(id).Abort(t.Context(), nil), nil)
			},
			all(hubs.ErrAborted), all("aborted")},
		{"expired", []hubs.Option{hubs.WithExpiration(func(*http.Request) time.Time { return time.Now().Add(time.Second) })},
			func(*testing.T, *server, *line, string) {},
			all(hubs.ErrExpired), all("expired")},
		{"shut down", nil,
			func(t *testing.T, s *server, _ *line, _ string) { shutDown(t, s.Hub) },
			all(hubs.ErrShutdown), all("app_shutdown")},
		{"too slow", []hubs.Option{hubs.WithEndpoint(transports.WithOutboxLimit(256 << 10))},
			func(t *testing.T, s *server, _ *line, _ string) {
				text := strings.Repeat("x", 60<<10)
				await.Until(t, func() bool {
					require.NoError(t, s.Clients().All().Send(t.Context(), "m", text))
					return s.Stats().Ended["slow_client"] > 0
				}, "the client that does not read is ended")
			},
			all(hubs.ErrSlowClient), all("slow_client")},
		{"malformed", nil,
			func(_ *testing.T, _ *server, l *line, _ string) { l.send(`nonsense`) },
			all(errMalformed), all("failed")},
	}
}

// OnDisconnected, its filters and the contexts of calls are told the same about the
// end of a connection, and Stats counts that.
func TestCausesByTransport(t *testing.T) {
	t.Parallel()
	for _, tt := range endings() {
		for _, kind := range allTransports {
			t.Run(fmt.Sprintf("%s, %s", tt.name, kind), func(t *testing.T) {
				t.Parallel()
				ids, calls, causes := make(chan string, 1), make(chan error, 1), make(chan error, 2)
				waiting := make(chan struct{})
				opts := append([]hubs.Option{
					hubs.WithMaximumParallelInvocations(2),
					hubs.WithEndpoint(transports.WithDisconnectTimeout(2 * time.Second)),
					hubs.WithOnConnected(func(c *hubs.Context) error { ids <- c.ConnectionID(); return nil }),
					hubs.WithOnDisconnected(func(_ *hubs.Context, cause error) { causes <- cause }),
					hubs.WithFilters(hubs.Filter{Disconnected: func(_ *hubs.Context, cause error, next func()) {
						next()
						causes <- cause
					}}),
					hubs.HandleVoid0("abort", func(c *hubs.Context) error { c.Abort(nil); return nil }),
					hubs.HandleVoid0("wait", func(c *hubs.Context) error {
						close(waiting)
						<-c.Done()
						calls <- context.Cause(c)
						return nil
					}),
				}, tt.opts...)
				s := serve(t, nil, opts...)
				l := s.dialLine(kind)
				id := await.Receive(t, ids, "the id of the client")
				l.send(`{"type":1,"target":"wait","arguments":[]}`)
				await.Done(t, waiting, "the start of the call")
				tt.do(t, s, l, id)
				check := func(want, got error) {
					t.Helper()
					switch {
					case errors.Is(want, errMalformed):
						require.ErrorAs(t, got, new(*protocol.Error))
					case want == nil:
						require.NoError(t, got)
					default:
						require.ErrorIs(t, got, want)
					}
				}
				want := tt.want[kind]
				check(want, await.Receive(t, causes, "the cause told to OnDisconnected"))
				check(want, await.Receive(t, causes, "the cause told to the filter"))
				if want == nil {
					want = context.Canceled
				}
				check(want, await.Receive(t, calls, "the cause of the end of the call's context"))
				reason := tt.reason[kind]
				await.Equal(t, 1, func() uint64 { return s.Stats().Ended[reason] }, "the number of connections that ended by %s", reason)
				require.Len(t, s.Stats().Ended, 1)
			})
		}
	}
}

// A client whose WebSocket takes no more, and is not read either, is too slow, too.
func TestWriteTimeoutIsASlowClient(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		causes := make(chan error, 1)
		s := servePipes(t, nil, hubs.WithOnDisconnected(func(_ *hubs.Context, cause error) { causes <- cause }))
		s.connect()
		require.NoError(t, s.Clients().All().Send(t.Context(), "m"))
		err := await.Receive(t, causes, "the cause of the end")
		require.ErrorIs(t, err, hubs.ErrSlowClient)
		require.ErrorIs(t, err, transports.ErrWriteTimeout)
		await.Equal(t, 1, func() uint64 { return s.Stats().Ended["write_timeout"] }, "the number of write timeouts")
	})
}

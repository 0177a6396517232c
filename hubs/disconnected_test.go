package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// farewell says what can be done in OnDisconnected.
func farewell(c *hubs.Context) error {
	if c.Err() != nil || c.ConnectionID() == "" {
		return fmt.Errorf("the context is done: %w", context.Cause(c))
	}
	select {
	case <-c.Done():
		return errors.New("the context is done, and has no error")
	default:
	}
	derived, cancel := context.WithCancel(c)
	defer cancel()
	n, err := c.Clients().Others().Count(c)
	if err == nil && n != 1 {
		err = fmt.Errorf("%d others are there", n)
	}
	return errors.Join(err,
		derived.Err(),
		c.Groups().Add(c, c.ConnectionID(), "g"),
		c.Clients().Caller().Send(c, "nobody reads this"),
		c.Clients().User("somebody").Send(c, "nobody reads this either"),
		c.Clients().Others().Send(c, "left"))
}

// OnDisconnected, and the filters around it, have a context that is not done,
// however the connection has ended.
func TestOnDisconnectedHasALiveContext(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*testing.T, *server, *line, string){
		"the client says good-bye":  func(_ *testing.T, _ *server, l *line, _ string) { l.send(`{"type":7}`) },
		"the client vanishes":       func(_ *testing.T, _ *server, l *line, _ string) { l.drop() },
		"the client sends nonsense": func(_ *testing.T, _ *server, l *line, _ string) { l.send(`nonsense`) },
		"a method aborts": func(_ *testing.T, _ *server, l *line, _ string) {
			l.send(`{"type":1,"target":"abort","arguments":[]}`)
		},
		"the application aborts": func(t *testing.T, s *server, _ *line, id string) {
			require.NoError(t, s.Clients().Client(id).Abort(t.Context(), nil), nil)
		},
	}
	for end, do := range ends {
		for _, kind := range allTransports {
			t.Run(fmt.Sprintf("%s, %s", end, kind), func(t *testing.T) {
				t.Parallel()
				ids, ended, contexts := make(chan string, 2), make(chan error, 2), make(chan context.Context, 2)
				s := serve(t, nil,
					hubs.WithEndpoint(transports.WithDisconnectTimeout(1)), // polls that do not come again are noticed
					hubs.WithOnConnected(func(c *hubs.Context) error { ids <- c.ConnectionID(); return nil }),
					hubs.WithOnDisconnected(func(c *hubs.Context, _ error) { ended <- farewell(c) }),
					hubs.WithFilters(hubs.Filter{Disconnected: func(c *hubs.Context, _ error, next func()) {
						next()
						ended <- c.Err()
						contexts <- c
					}}),
					hubs.HandleVoid0("abort", func(c *hubs.Context) error { c.Abort(nil); return nil }))
				other := s.connect()
				await.Receive(t, ids, "the id of the other client")
				l := s.dialLine(kind)
				do(t, s, l, await.Receive(t, ids, "the id of the client"))
				other.expect(`{"type":1,"target":"left","arguments":[]}`)
				require.NoError(t, await.Receive(t, ended, "the end of OnDisconnected"))
				require.NoError(t, await.Receive(t, ended, "the end of the filter"))
				await.Done(t, await.Receive(t, contexts, "the context").Done(), "the end of the context behind OnDisconnected")
			})
		}
	}
}

// On a node that shuts down, OnDisconnected still reaches the clients of others.
func TestOnDisconnectedReachesOthersDuringAShutdown(t *testing.T) {
	t.Parallel()
	for _, kind := range allTransports {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			bus := scaleout.NewMemory()
			ended := make(chan error, 1)
			stays := serve(t, nil, hubs.WithBus(bus), hubs.WithName("hub")).connect()
			s := serve(t, nil, hubs.WithBus(bus), hubs.WithName("hub"),
				hubs.WithOnDisconnected(func(c *hubs.Context, _ error) { ended <- farewell(c) }))
			l := s.dialLine(kind)
			shutDown(t, s.Hub)
			require.NoError(t, await.Receive(t, ended, "the end of OnDisconnected"))
			stays.expect(`{"type":1,"target":"left","arguments":[]}`)
			l.expect(`{"type":7,"allowReconnect":true}`)
			l.expectEnd()
		})
	}
}

// An OnDisconnected that waits is let go when Shutdown may wait no longer.
func TestShutdownThatGivesUpEndsTheContextOfOnDisconnected(t *testing.T) {
	t.Parallel()
	waiting, ended := make(chan struct{}), make(chan error, 1)
	s := serve(t, nil, hubs.WithOnDisconnected(func(c *hubs.Context, _ error) {
		close(waiting)
		<-c.Done()
		ended <- errors.Join(c.Err(), context.Cause(c))
	}))
	s.connect().close()
	await.Done(t, waiting, "the call of OnDisconnected")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.Canceled)
	err := await.Receive(t, ended, "the end of OnDisconnected")
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, transports.ErrShutdown)
}

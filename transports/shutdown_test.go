package transports_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// soon returns a context that bounds what a test waits for.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), await.Timeout)
	t.Cleanup(cancel)
	return ctx
}

// shutDown starts a shutdown that the test can call off.
func (s *server) shutDown() (result <-chan error, callOff context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	s.t.Cleanup(cancel)
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	return done, cancel
}

func TestShutdown(t *testing.T) {
	overEach(t, func(t *testing.T, kind transports.Kind) {
		a := newApp(t)
		a.onClose = func(p *peer) { _ = p.SendLast([]byte("bye")) }
		// The real interval, so that the poller has time to hear the good-bye.
		s := serve(t, a, transports.WithSweepInterval(time.Second))
		l := s.connect(kind)
		p := a.next()
		done, _ := s.shutDown()
		p.expectClosed(transports.ErrShutdown)
		s.expectFrom(l, "bye")
		l.expectEnd(false)
		require.NoError(t, await.Receive(t, done, "the result of Shutdown"))
		require.Zero(t, s.Records())
		require.Equal(t, map[string]uint64{"app_shutdown": 1}, s.Stats().Ended)
	})
}

func TestShutdownEndsAWaitingPoll(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.onClose = func(p *peer) { _ = p.SendLast([]byte("bye")) }
	s := serve(t, a, transports.WithSweepInterval(time.Second))
	id := s.firstPoll()
	poll := s.poll(id, nil)
	done, _ := s.shutDown()
	poll.expect(http.StatusOK, "bye")
	s.expect("GET", id, "", http.StatusNoContent, "")
	require.NoError(t, await.Receive(t, done, "the result of Shutdown"))
}

func TestShutdownDoesNotWaitForThoseWhoHaveLeft(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.onClose = func(p *peer) { _ = p.SendLast([]byte("bye")) }
	s := serve(t, a, transports.WithCloseTimeout(10*time.Millisecond))
	s.negotiate() // never comes back
	s.firstPoll() // never polls again
	s.dial("")    // never reads
	done, _ := s.shutDown()
	require.NoError(t, await.Receive(t, done, "the result of Shutdown"))
	require.Equal(t, map[string]uint64{"app_shutdown": 2}, s.Stats().Ended)
}

func TestAfterShutdownNobodyIsServed(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t))
	id := s.negotiate()
	require.NoError(t, s.Shutdown(soon(t)))
	require.Equal(t, http.StatusServiceUnavailable, s.askNegotiate("?negotiateVersion=1").status)
	_, resp, err := s.tryDial("", nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	s.expect("GET", id, "", http.StatusNotFound, textUnknownID)
	require.NoError(t, s.Shutdown(soon(t)), "once more is harmless")
}

func TestShutdownOfAnUnusedEndpoint(t *testing.T) {
	t.Parallel()
	require.NoError(t, endpoint(t, newApp(t)).Shutdown(soon(t)))
}

func TestShutdownGivesUp(t *testing.T) {
	overEach(t, func(t *testing.T, kind transports.Kind) {
		a := newApp(t)
		leaving := newGate()
		defer leaving.open() // also if the test fails before
		a.onClose = func(*peer) { leaving.pass() }
		s := serve(t, a)
		s.connect(kind)
		done, callOff := s.shutDown()
		await.Done(t, leaving.reached, "the application to be closing the connection")
		callOff()
		require.ErrorIs(t, await.Receive(t, done, "the result of Shutdown"), context.Canceled)
		leaving.open() // and then it ends after all
	})
}

// TestShutdownAbortsStuckClients: when there is no more time, what a client has
// not read does not matter.
func TestShutdownAbortsStuckClients(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	s.dialStuck("")
	p := a.next()
	stall(p)
	empty := s.Empty()
	done, callOff := s.shutDown()
	p.expectClosed(transports.ErrShutdown)
	none(t, done, "the client has time")
	callOff()
	require.ErrorIs(t, await.Receive(t, done, "the result of Shutdown"), context.Canceled)
	await.Done(t, empty, "all connections to end")
}

func TestShutdownByManyAtOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t), transports.WithCloseTimeout(10*time.Millisecond))
	for _, kind := range allKinds {
		s.connect(kind)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
			defer cancel()
			if err := s.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	await.Group(t, &all, "all calls of Shutdown")
	require.Zero(t, s.Records())
}

// TestShutdownWhileClientsCome: each either gets a connection, which then ends,
// or is refused.
func TestShutdownWhileClientsCome(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.arrived = make(chan *peer, 100_000)
	s := serve(t, a)
	var all sync.WaitGroup
	first := make(chan struct{}, 100_000)
	for i := range 12 {
		all.Go(func() {
			for {
				switch i % 3 {
				case 0:
					c, _, err := s.tryDial("", nil)
					if err != nil {
						return
					}
					c.drop()
				default:
					answer := s.tryNegotiate("?negotiateVersion=1")
					if answer.err != nil {
						t.Error(answer.err)
						return
					}
					if answer.status != http.StatusOK {
						return
					}
					var g grant
					if err := json.Unmarshal([]byte(answer.body), &g); err != nil {
						t.Error(err)
						return
					}
					r, err := s.tryRequest("GET", g.ConnectionID, "")
					if err != nil {
						t.Error(err)
						return
					}
					if i%3 == 1 {
						r.Header.Set("Accept", "text/event-stream")
					}
					s.exchange(r)
				}
				first <- struct{}{}
			}
		})
	}
	await.Done(t, first, "the first request to be served")
	done, _ := s.shutDown()
	require.NoError(t, await.Receive(t, done, "the result of Shutdown"))
	await.Group(t, &all, "all clients to be refused")
	require.Zero(t, s.Records())
}

// TestShutdownOfTheServer: an http.Server waits for event streams and polls, so
// it has to shut the endpoint down.
func TestShutdownOfTheServer(t *testing.T) {
	t.Parallel()
	e := endpoint(t, newApp(t), transports.WithCloseTimeout(10*time.Millisecond))
	server := &http.Server{Handler: e}
	server.RegisterOnShutdown(func() { _ = e.Shutdown(context.Background()) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s := newSite(t, "http://"+listener.Addr().String()+"/chat", http.DefaultTransport.(*http.Transport))
	for _, kind := range allKinds {
		s.connect(kind)
	}
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	require.NoError(t, server.Shutdown(ctx))
	require.ErrorIs(t, await.Receive(t, served, "the result of Serve"), http.ErrServerClosed)
	verifyGone(t, e, nil)
}

package transports

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/negotiate"
)

// resumer is an application that only lets its connections be resumed.
type resumer struct{ c *Connection }

func (r resumer) Receive([]byte) {}
func (r resumer) Tick(time.Time) {}
func (r resumer) Detached()      {}
func (r resumer) Resumed(func()) {}

func (r resumer) Close(error) {
	r.c.out.kill() // there is no socket to write to
	r.c.Finish(nil)
}

type resumers struct{}

func (resumers) Connect(c *Connection) Receiver {
	c.AllowResume(true)
	return resumer{c}
}

// succession is a connection and the WebSockets that are to carry it, one after the
// other.
type succession struct {
	t *testing.T
	c *Connection
}

// successor is a WebSocket whose request has come.
type successor struct {
	*webSocket
	request *http.Request
	leave   func() // by the client, which waits no longer
	outcome chan bound
}

// newSuccessor returns a WebSocket whose request is still to come.
func (s *succession) newSuccessor() *successor {
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	t := &webSocket{c: s.c, shared: &s.c.endpoint.webSockets, detached: make(chan struct{})}
	t.closed.Add(1)
	return &successor{
		webSocket: t,
		request:   httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil),
		leave:     cancel,
		outcome:   make(chan bound, 1),
	}
}

// comes lets the request come, and returns when it waits or has its outcome.
func (s *succession) comes(next *successor) {
	go func() { next.outcome <- s.c.rebind(next.webSocket, next.request) }()
	synctest.Wait()
}

// next is a new request that has come.
func (s *succession) next() *successor {
	next := s.newSuccessor()
	s.comes(next)
	return next
}

// expect compares the outcome of a request, which must be there already.
func (s *succession) expect(want bound, of *successor) {
	s.t.Helper()
	synctest.Wait()
	select {
	case got := <-of.outcome:
		require.Equal(s.t, want, got)
	default:
		require.FailNow(s.t, "the request still waits")
	}
}

func (s *succession) expectWaiting(next *successor) {
	s.t.Helper()
	require.Empty(s.t, next.outcome, "the request does not wait")
}

// A WebSocket waits for the one before, which cannot let go of the connection while the
// application takes what it has received. Here the test lets go of it.
func TestSuccessionOfWebSockets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		run  func(s *succession, first, second *successor) // the second one waits for the first
	}{
		{"the one before lets go", func(s *succession, first, second *successor) {
			require.True(s.t, s.c.detach(first.webSocket, ErrAborted))
			s.expect(boundOK, second)
		}},
		{"a newer one comes", func(s *succession, first, second *successor) {
			third := s.next()
			s.expect(boundSuperseded, second)
			s.expectWaiting(third)
			require.True(s.t, s.c.detach(first.webSocket, ErrAborted))
			s.expect(boundOK, third)
		}},
		{"two newer ones come", func(s *succession, first, second *successor) {
			third := s.next()
			fourth := s.next()
			s.expect(boundSuperseded, second)
			s.expect(boundSuperseded, third)
			require.True(s.t, s.c.detach(first.webSocket, ErrAborted))
			s.expect(boundOK, fourth)
		}},
		{"a newer one comes when the one before has let go, and the other has not noticed", func(s *succession, first, second *successor) {
			s.c.mu.Lock() // without which the second one can do nothing
			s.c.transport = nil
			s.c.webSocket.Store(nil)
			close(first.detached)
			s.c.waitToRebind()
			s.c.mu.Unlock()
			s.expect(boundSuperseded, second)
			third := s.next()
			s.expect(boundOK, third)
		}},
		{"a newer one comes when the other has the place", func(s *succession, first, second *successor) {
			require.True(s.t, s.c.detach(first.webSocket, ErrAborted))
			s.expect(boundOK, second)
			third := s.next()
			s.expectWaiting(third)
			require.False(s.t, second.start(nil), "it goes on although another one waits")
			require.True(s.t, s.c.detach(second.webSocket, ErrAborted))
			s.expect(boundOK, third)
		}},
		{"its client goes away, and a newer one comes", func(s *succession, first, second *successor) {
			second.leave()
			s.expect(boundCancelled, second)
			third := s.next()
			require.True(s.t, s.c.detach(first.webSocket, ErrAborted))
			s.expect(boundOK, third)
		}},
		{"a newer one comes, and its client goes away", func(s *succession, first, second *successor) {
			third := s.next()
			third.leave()
			s.expect(boundSuperseded, second)
			s.expect(boundCancelled, third)
			require.True(s.t, s.c.detach(first.webSocket, ErrAborted))
			fourth := s.next()
			s.expect(boundOK, fourth)
		}},
		{"the connection breaks", func(s *succession, _, second *successor) {
			s.c.Abort()
			s.expect(boundDisposed, second)
		}},
		{"the connection breaks when a newer one has come", func(s *succession, _, second *successor) {
			third := s.next()
			s.c.Abort()
			s.expect(boundSuperseded, second)
			s.expect(boundDisposed, third)
		}},
		{"the application is about to end it", func(s *succession, _, second *successor) {
			s.c.Ending(nil)
			s.expect(boundDisposed, second)
		}},
		{"the application finishes", func(s *succession, _, second *successor) {
			s.c.receiver.Close(nil)
			s.expect(boundDisposed, second)
		}},
		{"the application does not allow it any more", func(s *succession, _, second *successor) {
			s.c.AllowResume(false)
			s.expect(boundDisposed, second)
		}},
		{"the endpoint shuts down", func(s *succession, _, second *successor) {
			ctx, cancel := context.WithCancel(s.t.Context())
			cancel()
			require.ErrorIs(s.t, s.c.endpoint.Shutdown(ctx), context.Canceled)
			s.expect(boundDisposed, second)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, first := newSuccession(t)
				second := s.next()
				s.expectWaiting(second)
				require.False(t, first.start(nil), "the one before is not broken")
				tt.run(s, first, second)
			})
		})
	}
}

// What the application says last must still leave by the WebSocket that there is.
func TestEndingWebSocketIsNotReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, first := newSuccession(t)
		s.c.Ending(nil)
		s.expect(boundDisposed, s.next())
		require.True(t, first.start(nil), "the WebSocket is broken")
	})
}

// newSuccession returns a connection, and its first WebSocket.
func newSuccession(t *testing.T) (*succession, *successor) {
	e, err := NewEndpoint(resumers{})
	require.NoError(t, err)
	c, err := e.add(negotiate.NewGrant(negotiate.MaxVersion, 0), "")
	require.NoError(t, err)
	t.Cleanup(func() { // which ends the sweep
		c.Abort()
		synctest.Wait()
		c.remove()
	})
	s := &succession{t, c}
	first := s.newSuccessor()
	require.Equal(t, boundOK, c.bind(WebSockets, first.webSocket, first.request))
	c.open()
	return s, first
}

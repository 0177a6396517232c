package hubs_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// pipeServer is a hub whose clients come by pipes, which hold no bytes back for
// either side. It is for bubbles of testing/synctest: when synctest.Wait returns,
// the hub can do no more until the test reads, sends or releases something.
type pipeServer struct {
	*server
	accepted  chan net.Conn
	closed    chan struct{}
	closeOnce sync.Once
	taken     atomic.Int64 // bytes that the server has read from its clients
}

// heldUp is for how long at most a call that has begun holds up what its client
// sends after it. In a bubble that is no time.
const heldUp = 10 * time.Millisecond

// inBubble runs a test in a bubble, beside other tests.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// servePipes starts a hub, which is shut down at the end of the test.
func servePipes(t *testing.T, impl any, opts ...hubs.Option) *pipeServer {
	t.Helper()
	hub, err := hubs.New(impl, append([]hubs.Option{hubs.WithLogger(slog.New(slog.DiscardHandler))}, opts...)...)
	require.NoError(t, err)
	s := &pipeServer{
		server:   &server{Hub: hub, t: t},
		accepted: make(chan net.Conn),
		closed:   make(chan struct{}),
	}
	served := make(chan error, 1)
	h := &http.Server{Handler: hub}
	go func() { served <- h.Serve(s) }()
	t.Cleanup(func() {
		shutDown(t, hub)
		require.NoError(t, h.Close())
		require.ErrorIs(t, await.Receive(t, served, "the end of the HTTP server"), http.ErrServerClosed)
	})
	return s
}

// Accept is called by the HTTP server, like Close and Addr.
func (s *pipeServer) Accept() (net.Conn, error) {
	select {
	case c := <-s.accepted:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

func (s *pipeServer) Close() error {
	s.closeOnce.Do(func() { close(s.closed) })
	return nil
}

func (s *pipeServer) Addr() net.Addr { return &net.TCPAddr{} }

// countedConn is the server's end of a pipe.
type countedConn struct {
	net.Conn
	server *pipeServer
}

func (c countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.server.taken.Add(int64(n))
	return n, err
}

// Write drops the pongs that the server sends to clients which it holds back, for which
// kernels have room, and only finds out whether the client has gone.
func (c countedConn) Write(p []byte) (int, error) {
	if string(p) != "\x8a\x00" {
		return c.Conn.Write(p)
	}
	if err := c.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		n, err = len(p), nil
	}
	return n, errors.Join(err, c.SetWriteDeadline(time.Time{}))
}

// dial opens a WebSocket without a handshake.
func (s *pipeServer) dial() *client {
	s.t.Helper()
	connect := func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case s.accepted <- countedConn{far, s}:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	dialer := websocket.Dialer{NetDialContext: connect, HandshakeTimeout: await.Timeout}
	socket, _, err := dialer.Dial("ws://hub.example/", nil)
	require.NoError(s.t, err)
	c := &client{t: s.t, socket: socket}
	s.t.Cleanup(c.drop)
	return c
}

// connect opens a WebSocket and shakes hands.
func (s *pipeServer) connect() *client {
	s.t.Helper()
	c := s.dial()
	c.send(`{"protocol":"json","version":1}`)
	c.expect(`{}`)
	return c
}

// pour sends as much as the server takes, each text as one WebSocket message, and
// returns when the server takes no more.
func (c *client) pour(messages ...string) {
	go func() {
		for _, m := range messages {
			if c.socket.WriteMessage(websocket.TextMessage, []byte(m)) != nil {
				return // the test is over
			}
		}
	}()
	synctest.Wait()
}

package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// oneConn is a listener with one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
	close  func()
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	l.close()
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// The server must not wait for ever for the rest of a request, whoever handles that.
func TestBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		closed := make(chan struct{})
		listener := &oneConn{make(chan net.Conn, 1), closed, sync.OnceFunc(func() { close(closed) })}
		listener.conn <- far
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() {
			served <- serve(ctx, listener, newHandler(http.NotFoundHandler(), http.NotFoundHandler(), fstest.MapFS{}), slog.New(slog.DiscardHandler))
		}()
		begin := time.Now()
		_, err := io.WriteString(near, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
		require.NoError(t, err)
		require.NoError(t, near.SetReadDeadline(begin.Add(2*readTimeout)))
		resp, err := http.ReadResponse(bufio.NewReader(near), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
		require.LessOrEqual(t, time.Since(begin), readTimeout)
		require.NoError(t, near.Close())
		stop()
		require.NoError(t, <-served)
	})
}

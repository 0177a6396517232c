package hubtest

import (
	"context"
	"net"
	"sync"
)

// listener is a net.Listener without a network.
type listener struct {
	accept    chan net.Conn
	closed    chan struct{}
	closeOnce sync.Once

	mu    sync.Mutex
	conns []*conn // the server's ends
}

func newListener() *listener {
	return &listener{accept: make(chan net.Conn), closed: make(chan struct{})}
}

// dial opens a connection and returns both ends of it.
func (l *listener) dial(ctx context.Context) (net.Conn, *conn, error) {
	client, server := net.Pipe()
	far := &conn{Conn: server, closed: make(chan struct{})}
	select {
	case l.accept <- far:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns = append(l.conns, far)
		return client, far, nil
	case <-l.closed:
		return nil, nil, net.ErrClosed
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }

// idle returns a channel that is closed when the server has closed all
// connections opened so far.
func (l *listener) idle() <-chan struct{} {
	l.mu.Lock()
	conns := l.conns
	l.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		for _, c := range conns {
			<-c.closed
		}
	}()
	return idle
}

// conn is the server's end of a connection.
type conn struct {
	net.Conn
	closed    chan struct{}
	closeOnce sync.Once
}

func (c *conn) Close() error {
	defer c.closeOnce.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// RemoteAddr returns an address, for handlers that look at it; a pipe has none.
// It is the one that requests of httptest have.
func (c *conn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234} }

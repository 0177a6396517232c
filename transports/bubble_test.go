package transports_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-signalr/signalr/transports"
)

// pipes is a network in memory, for bubbles of testing/synctest: only what the test
// lets pass takes time.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
	close    func()
}

func newPipes() *pipes {
	p := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	return p
}

// serveBubble is serveBy for bubbles. The client speaks the protocols of the server.
func serveBubble(t testing.TB, handler transports.Handler, set func(*http.Server), opts ...transports.Option) *server {
	t.Helper()
	p := newPipes()
	s := serveBy(t, handler, func(s *httptest.Server) {
		_ = s.Listener.Close() // the one of the system
		s.Listener = p
		set(s.Config)
		s.Start()
	}, opts...)
	transport := s.client.Transport.(*http.Transport)
	transport.DialContext, transport.Protocols = p.dial, s.http.Config.Protocols
	s.dialer.NetDialContext = p.dial
	return s
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.accepted <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept is called by the HTTP server, like Close and Addr.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.close()
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

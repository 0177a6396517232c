package transports_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// app is an application whose connections the test drives.
type app struct {
	t       testing.TB
	arrived chan *peer
	onClose func(*peer) // what the application does before it finishes
	onTaken func()      // what it does in Receive after it has taken the bytes
	discard bool        // what clients send

	mu    sync.Mutex
	peers []*peer
}

func newApp(t testing.TB) *app { return &app{t: t, arrived: make(chan *peer, 64)} }

// Connect is called by the endpoint.
func (a *app) Connect(c *transports.Connection) transports.Receiver {
	p := &peer{
		Connection: c,
		app:        a,
		receiving:  make(chan struct{}, 1024),
		received:   make(chan string),
		closed:     make(chan error, 1),
		over:       make(chan struct{}),
	}
	a.mu.Lock()
	a.peers = append(a.peers, p)
	a.mu.Unlock()
	a.arrived <- p
	return p
}

// next returns the application's end of the connection that was opened next.
func (a *app) next() *peer {
	a.t.Helper()
	return await.Receive(a.t, a.arrived, "a connection to reach the application")
}

// verify checks what every connection promises to the application.
func (a *app) verify() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.peers {
		require.EqualValues(a.t, 1, p.closes.Load(), "Close is called once for each connection")
		require.False(a.t, p.overlap.Load(), "Receive is called one at a time")
	}
}

// peer is the application's end of one connection. It takes bytes only as fast
// as the test reads them.
type peer struct {
	*transports.Connection
	app       *app
	receiving chan struct{} // a token for each Receive that has begun
	received  chan string
	closed    chan error
	over      chan struct{} // closed with the connection: nobody reads received any more
	closes    atomic.Int32
	active    atomic.Bool
	overlap   atomic.Bool
}

// Receive is called by the transport.
func (p *peer) Receive(data []byte) {
	if !p.active.CompareAndSwap(false, true) {
		p.overlap.Store(true)
	}
	defer p.active.Store(false)
	if p.app.discard {
		return
	}
	p.receiving <- struct{}{}
	select {
	case p.received <- string(data):
		if p.app.onTaken != nil {
			p.app.onTaken()
		}
	case <-p.over:
	}
}

// Tick is called by the sweep.
func (p *peer) Tick(time.Time) {}

// Close is called by the transport.
func (p *peer) Close(cause error) {
	if p.closes.Add(1) > 1 {
		return
	}
	close(p.over)
	p.closed <- cause
	if p.app.onClose != nil {
		p.app.onClose(p)
	}
	p.Finish(nil)
}

// expect reads what the client has sent.
func (p *peer) expect(want string) {
	p.app.t.Helper()
	var got string
	for len(got) < len(want) {
		got += await.Receive(p.app.t, p.received, "the rest of %.100q after %.100q", want, got)
	}
	require.Equal(p.app.t, want, got)
}

// expectClosed waits for the end of the connection and compares the cause; nil is
// a connection that the client ended properly.
func (p *peer) expectClosed(cause error) {
	p.app.t.Helper()
	got := await.Receive(p.app.t, p.closed, "the connection to be closed")
	if cause == nil {
		require.NoError(p.app.t, got)
		return
	}
	require.ErrorIs(p.app.t, got, cause)
}

// expectLost waits for the end of the connection by a failure of the network.
func (p *peer) expectLost() {
	p.app.t.Helper()
	err := await.Receive(p.app.t, p.closed, "the connection to be closed")
	require.Error(p.app.t, err)
	for _, own := range []error{transports.ErrAborted, transports.ErrInactive, transports.ErrShutdown, transports.ErrSlowClient, transports.ErrWriteTimeout} {
		require.NotErrorIs(p.app.t, err, own)
	}
}

// send queues messages for the client.
func (p *peer) send(messages ...string) {
	p.app.t.Helper()
	for m := range slices.Values(messages) {
		require.NoError(p.app.t, p.Send([]byte(m)))
	}
}

// none checks that nothing has come out of a channel so far.
func none[T any](t testing.TB, ch <-chan T, why string) {
	t.Helper()
	select {
	case v := <-ch:
		require.FailNow(t, why, "%v", v)
	default:
	}
}

package classic_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// TestFailuresOfMethodsAreLogged: as warnings, but for those that clients can bring about as often as they like.
func TestFailuresOfMethodsAreLogged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do    func(n *node, c *client)
		level string
	}{
		"a client leaves": {func(n *node, c *client) {
			c.goCall(`{"H":"chat","M":"WaitAndFail","I":1}`)
			n.chat.requireEvent(c.t, "waiting")
			c.ask("/abort", url.Values{})
		}, "level=DEBUG"},
		"a method refuses": {func(_ *node, c *client) { c.call(`{"H":"chat","M":"Fail","I":1}`) }, "level=DEBUG"},
		"a method fails":   {func(_ *node, c *client) { c.call(`{"H":"chat","M":"Secret","I":1}`) }, "level=WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				log := &debugLog{}
				n := newNodeOf(t, []hubs.Option{hubs.WithLogger(log.logger())})
				c := newClient(t, n, "transport="+transport)
				c.connect()
				tt.do(n, c)
				await.Until(t, func() bool { return len(log.with("a hub method failed")) > 0 }, "the failure is logged")
				line := log.with("a hub method failed")[0]
				require.Contains(t, line, tt.level)
				require.Contains(t, line, "connection="+c.id)
			})
		})
	}
}

// TestPanicsAreLoggedOnce, as what they are.
func TestPanicsAreLoggedOnce(t *testing.T) {
	t.Parallel()
	log := &debugLog{}
	n := newNodeOf(t, []hubs.Option{hubs.WithLogger(log.logger())})
	c := newClient(t, n, "transport=webSockets")
	c.connect()
	c.call(`{"H":"chat","M":"Panic","I":1}`)
	require.Len(t, log.with("the application panicked"), 1)
	require.Empty(t, log.with("a hub method failed"))
}

// TestClientsCannotRepeatWarnings: each is one for all requests that run into the same fault.
func TestClientsCannotRepeatWarnings(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		op, transport, message string
		header                 http.Header
	}{
		"middleware": {"/connect", "webSockets", "request refused", upgrade()},
		"bus":        {"/start", "longPolling", "other nodes cannot be told that a client has started", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &debugLog{}
			bus := &failingBus{Bus: scaleout.NewMemory()}
			n := newNodeOf(t, []hubs.Option{hubs.WithBus(bus)}, classic.WithKey(key), classic.WithLogger(log.logger()))
			for range 3 {
				c := newClient(t, n, "transport="+tt.transport)
				c.negotiate()
				if tt.op == "/start" {
					c.ask("/connect", url.Values{})
				}
				r := httptest.NewRequest(http.MethodGet, c.url(tt.op, nil), nil)
				r.Header = tt.header
				bus.fails.Store(true)
				n.endpoint.ServeHTTP(httptest.NewRecorder(), r)
				bus.fails.Store(false)
			}
			lines := log.with(tt.message)
			require.Len(t, lines, 3)
			for i, level := range []string{"level=WARN", "level=DEBUG", "level=DEBUG"} {
				require.Contains(t, lines[i], level)
			}
		})
	}
}

// TestRequestsThatAreGivenUpAreNoFaults: the nodes are told of a start whose client does not wait for the response.
func TestRequestsThatAreGivenUpAreNoFaults(t *testing.T) {
	t.Parallel()
	log := &debugLog{}
	n := newNodeOf(t, nil, classic.WithKey(key), classic.WithLogger(log.logger()))
	c := newClient(t, n, "transport=longPolling")
	c.negotiate()
	c.ask("/connect", url.Values{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n.endpoint.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, c.url("/start", nil), nil).WithContext(ctx))
	n.chat.requireEvent(t, "connected "+c.id)
	log.requireNoWarning(t)
}

// failingBus is a bus whose nodes fail while a test wants it.
type failingBus struct {
	scaleout.Bus
	fails atomic.Bool
	stuck atomic.Bool   // what nodes read
	reads chan struct{} // reads that are stuck
}

func (b *failingBus) Join(hub string, receiver scaleout.Receiver) (scaleout.Node, error) {
	n, err := b.Bus.Join(hub, receiver)
	return failingNode{n, b}, err
}

type failingNode struct {
	scaleout.Node
	bus *failingBus
}

func (n failingNode) Publish(ctx context.Context, e *scaleout.Envelope) error {
	if n.bus.fails.Load() {
		return scaleout.ErrDown
	}
	return n.Node.Publish(ctx, e)
}

func (n failingNode) Reader(stream int, after scaleout.Position) scaleout.Reader {
	if n.bus.stuck.Load() {
		return stuckReader{n.bus}
	}
	return n.Node.Reader(stream, after)
}

// stuckReader waits for a broker that does not answer.
type stuckReader struct{ bus *failingBus }

func (r stuckReader) Next(ctx context.Context, _ int) ([]*scaleout.Envelope, bool, error) {
	r.bus.reads <- struct{}{}
	<-ctx.Done()
	return nil, false, ctx.Err()
}

// TestClientsThatLeaveWhileTheLogIsReadAreNoFaults: nobody waits for what could not be read.
func TestClientsThatLeaveWhileTheLogIsReadAreNoFaults(t *testing.T) {
	t.Parallel()
	log := &debugLog{}
	bus := &failingBus{Bus: scaleout.NewMemory(), reads: make(chan struct{}, 64)}
	n := newNodeOf(t, []hubs.Option{hubs.WithBus(bus)}, classic.WithKey(key), classic.WithLogger(log.logger()))
	c := newClient(t, n, "transport=longPolling")
	c.connect()
	before := c.resume().Get("messageId")
	require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "hi"))
	c.requireMessages(said("hi"))
	c.leave()
	bus.stuck.Store(true)
	c.cursor = before // it was lost on the way
	c.open("/poll")
	await.Done(t, bus.reads, "the log is read")
	bus.stuck.Store(false)
	c.leave()
	classic.Settle(n.endpoint, c.id)
	log.requireNoWarning(t)
}

func (l *debugLog) requireNoWarning(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NotContains(t, strings.Join(l.lines, ""), "level=WARN")
}

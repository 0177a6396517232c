package classic_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

const (
	shuttingDown = "The server is shutting down."
	refusedCall  = `{"I":"2","H":true,"E":"` + shuttingDown + `"}`
)

// goShutDown shuts an endpoint down beside the test. The result waits for the end.
func goShutDown(t *testing.T, e *classic.Endpoint) (wait func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	t.Cleanup(cancel)
	end := await.Go(t, func() (any, error) { return nil, e.Shutdown(ctx) }, "the shutdown")
	return func() { end() }
}

// goCall calls a method beside the test. The result waits for the answer.
func (c *client) goCall(invocation string) (wait func() string) {
	c.t.Helper()
	if c.query.Get("transport") == "webSockets" {
		c.send(invocation)
		return func() string { c.t.Helper(); return c.result() }
	}
	answer := await.Go(c.t, func() (answer, error) {
		a := c.tryAsk("/send", url.Values{"data": {invocation}})
		return a, a.err
	}, "the answer to the call")
	return func() string {
		c.t.Helper()
		a := answer()
		require.Equal(c.t, http.StatusOK, a.status, a.body)
		return a.body
	}
}

// requireGone waits until a shutdown has ended the stream. A client that polls is told.
func (c *client) requireGone() {
	c.t.Helper()
	told := false
	for _, r := range await.All(c.t, c.input, "the end of the stream") {
		told = told || r["T"] != nil
	}
	require.Equal(c.t, c.query.Get("transport") == "longPolling", told, "told to connect anew")
}

// TestShutdownDeliversTheResultsOfRunningCalls, and what they have sent. Those that come later are refused. A client
// without a call goes at once.
func TestShutdownDeliversTheResultsOfRunningCalls(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		a, b := newFarm(t)
		idle, c := newClient(t, a, "transport="+transport), newClient(t, a, "transport="+transport)
		idle.connect()
		idle.requireStream()
		c.connect()
		result := c.goCall(`{"H":"chat","M":"HoldAndEcho","I":1}`)
		a.chat.requireEvent(t, "holding")
		wait := goShutDown(t, a.endpoint)
		idle.requireGone()

		require.JSONEq(t, refusedCall, c.call(`{"H":"chat","M":"Block","I":2}`))
		other := newClient(t, a, "transport=serverSentEvents")
		other.negotiate()
		status, _ := other.ask("/connect", nil)
		require.Equal(t, http.StatusServiceUnavailable, status)

		close(a.chat.block)
		require.JSONEq(t, `{"R":"done","I":"1"}`, result())
		c.requireMessages(`{"H":"Chat","M":"echo","A":["late"]}`)
		c.requireGone()
		wait()
		a.chat.requireNoEvent(t)
		c.node = b
		c.open("/reconnect")
		b.chat.requireEvent(t, "reconnected "+c.id)
	})
}

// TestShutdownBringsWhatWasSentBefore to clients without a call too.
func TestShutdownBringsWhatWasSentBefore(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		for range 20 {
			n := newNode(t, nil)
			c := newClient(t, n, "transport="+transport)
			c.connect()
			c.requireStream()
			require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "bye"))
			classic.ShutDown(t, n.endpoint)
			c.requireMessages(said("bye"))
			n.stop()
		}
	})
}

// TestShutdownEndsCallsAfterTheGrace: their contexts tell them.
func TestShutdownEndsCallsAfterTheGrace(t *testing.T) {
	t.Parallel()
	for name, grace := range map[string]time.Duration{"some": 100 * time.Millisecond, "none": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				n := newNodeOf(t, []hubs.Option{hubs.WithShutdownGrace(grace)})
				c := newClient(t, n, "transport="+transport)
				c.connect()
				c.goCall(`{"H":"chat","M":"Cause","I":1}`)
				n.chat.requireEvent(t, "waiting")
				began := time.Now()
				wait := goShutDown(t, n.endpoint)
				n.chat.requireEvent(t, "ended by "+hubs.ErrShutdown.Error())
				require.GreaterOrEqual(t, time.Since(began), grace)
				c.requireEnd()
				wait()
				n.chat.requireNoEvent(t)
			})
		})
	}
}

// TestShutdownEndsWithItsContext, whatever the calls do.
func TestShutdownEndsWithItsContext(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNodeOf(t, []hubs.Option{hubs.WithShutdownGrace(time.Hour)})
		c := newClient(t, n, "transport="+transport)
		c.connect()
		c.goCall(`{"H":"chat","M":"Hold","I":1}`)
		n.chat.requireEvent(t, "holding")
		c.goCall(`{"H":"chat","M":"Cause","I":2}`)
		n.chat.requireEvent(t, "waiting")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, n.endpoint.Shutdown(ctx), context.Canceled)
		n.chat.requireEvent(t, "ended by "+hubs.ErrShutdown.Error())
		c.requireEnd()
		close(n.chat.block)
	})
}

// TestShutdownDuringOnConnected lets it return. Clients that have not started are refused.
func TestShutdownDuringOnConnected(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNodeOf(t, []hubs.Option{hubs.WithShutdownGrace(await.Timeout)})
		c := newClient(t, n, "test=hold&transport="+transport)
		c.begin()
		c.requireStream()
		started := await.Go(t, func() (answer, error) { a := c.tryAsk("/start", nil); return a, a.err }, "the answer to the start")
		n.chat.requireEvent(t, "connected "+c.id)
		wait := goShutDown(t, n.endpoint)
		await.Equal(t, http.StatusServiceUnavailable, func() int {
			return newClient(t, n, "transport=serverSentEvents").knock()
		}, "the status for a new client during the shutdown")
		close(n.chat.block)
		require.Equal(t, http.StatusOK, started().status)
		c.requireGone()
		wait()
		n.chat.requireNoEvent(t)
	})
}

// knock asks for a stream of a connection that is not there, and returns the status.
func (c *client) knock() int {
	c.t.Helper()
	c.negotiate()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("/connect", nil), nil)
	require.NoError(c.t, err)
	resp, err := c.streams.Do(r)
	require.NoError(c.t, err)
	defer resp.Body.Close()
	return resp.StatusCode
}

// newHurriedFarm starts a farm whose first node has a short grace, which still lets its calls return in the test.
func newHurriedFarm(t *testing.T) (hurried, other *node) {
	t.Helper()
	bus := scaleout.NewMemory()
	opts := []hubs.Option{hubs.WithBus(bus), hubs.WithShutdownGrace(2 * time.Second)}
	return newNodeOf(t, opts, classic.WithKey(key)), newNode(t, bus, classic.WithKey(key))
}

// TestShutdownOfANodeThatServesClientsOfAnother: their calls have the grace too, and no
// others start there.
func TestShutdownOfANodeThatServesClientsOfAnother(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"serverSentEvents", "foreverFrame", "longPolling"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			b, a := newHurriedFarm(t)
			c := newClient(t, a, "transport="+transport)
			c.connect()
			there := c.other(b)
			result := there.goCall(`{"H":"chat","M":"HoldAndEcho","I":1}`)
			b.chat.requireEvent(t, "holding")
			there.goCall(`{"H":"chat","M":"Cause","I":3}`)
			b.chat.requireEvent(t, "waiting")
			wait := goShutDown(t, b.endpoint)
			await.Equal(t, http.StatusServiceUnavailable, func() int { return newClient(t, b, "transport=serverSentEvents").knock() },
				"the status for a new client during the shutdown")
			require.JSONEq(t, refusedCall, there.call(`{"H":"chat","M":"Block","I":2}`))
			b.chat.requireNoEvent(t)
			status, body := there.ask("/start", nil)
			require.Equal(t, http.StatusServiceUnavailable, status, body)
			close(b.chat.block)
			require.JSONEq(t, `{"R":"done","I":"1"}`, result())
			c.requireMessages(`{"H":"Chat","M":"echo","A":["late"]}`)
			b.chat.requireEvent(t, "ended by "+hubs.ErrShutdown.Error())
			wait()
			a.chat.requireNoEvent(t)
			b.chat.requireNoEvent(t)
			require.JSONEq(t, refusedCall, there.call(`{"H":"chat","M":"Block","I":2}`), "after the shutdown")
		})
	}
}

// TestShutdownLetsCallsOfClientsThatHaveLeftReturn: a client that has gone on to another node still waits for them here.
func TestShutdownLetsCallsOfClientsThatHaveLeftReturn(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"serverSentEvents", "foreverFrame", "longPolling"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			a, b := newHurriedFarm(t)
			c := newClient(t, a, "transport="+transport)
			c.connect()
			result := c.goCall(`{"H":"chat","M":"Block","I":1}`)
			a.chat.requireEvent(t, "blocked")
			c.goCall(`{"H":"chat","M":"Cause","I":2}`)
			a.chat.requireEvent(t, "waiting")
			wait := goShutDown(t, a.endpoint)
			c.close()
			c.drain()
			there := c.other(b)
			there.cursor, there.groups = c.cursor, c.groups
			there.open("/reconnect")
			b.chat.requireEvent(t, "reconnected "+c.id)
			await.Equal(t, 0, func() int { return a.endpoint.Stats().Connections }, "the number of connections of the node that was left")
			close(a.chat.block)
			require.JSONEq(t, `{"R":1,"I":"1"}`, result())
			a.chat.requireEvent(t, "ended by "+hubs.ErrShutdown.Error())
			wait()
			a.chat.requireNoEvent(t)
		})
	}
}

// TestShutdownOfRawConnections: what is being received has the grace, and nothing else is taken.
func TestShutdownOfRawConnections(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		received, release := make(chan string, 2), make(chan struct{})
		n := newRawNode(t, classic.RawHandler{Received: func(c *classic.RawConn, data string) error {
			received <- data
			<-release
			return c.Send(data)
		}})
		c := newClient(t, n, "connectionData=&transport="+transport)
		c.startRaw()
		if transport == "webSockets" {
			c.send("one")
		} else {
			await.Go(t, func() (answer, error) { return c.tryAsk("/send", url.Values{"data": {"one"}}), nil }, "the answer to the message")
		}
		require.Equal(t, "one", await.Receive(t, received, "the first message"))
		wait := goShutDown(t, n.endpoint)
		await.Equal(t, http.StatusServiceUnavailable, func() int { return newClient(t, n, "connectionData=&transport=serverSentEvents").knock() },
			"the status for a new client during the shutdown")
		if transport == "webSockets" {
			c.send("two")
		} else {
			status, body := c.ask("/send", url.Values{"data": {"two"}})
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Equal(t, shuttingDown, body)
		}
		close(release)
		c.requireMessages(`"one"`)
		c.requireGone()
		wait()
		require.Empty(t, received)
	})
}

package classic_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// newRawNode starts an endpoint of raw connections.
func newRawNode(t *testing.T, handler classic.RawHandler, opts ...classic.Option) *node {
	t.Helper()
	endpoint, err := classic.NewConnections(handler, append(opts, classic.WithPolicy(transports.WithIdentity(user)), classic.WithLogger(quiet()))...)
	require.NoError(t, err)
	n := &node{chat: newChat(), endpoint: endpoint}
	n.serve(t)
	return n
}

// startRaw starts a raw connection.
func (c *client) startRaw() {
	c.t.Helper()
	c.begin()
	c.start()
}

// sendRaw sends a text, whatever the transport.
func (c *client) sendRaw(text string) {
	c.t.Helper()
	if c.query.Get("transport") == "webSockets" {
		c.send(text)
		return
	}
	status, body := c.ask("/send", url.Values{"data": {text}})
	require.Equal(c.t, http.StatusOK, status)
	require.Empty(c.t, body)
}

func echo() classic.RawHandler {
	return classic.RawHandler{Received: func(c *classic.RawConn, data string) error { return c.Send(data) }}
}

func TestRawConnections(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		events := make(chan string, 16)
		n := newRawNode(t, classic.RawHandler{
			Connected: func(c *classic.RawConn) error {
				events <- "connected " + c.UserID()
				return errors.Join(c.Send("first"), c.Send(map[string]int{"second": 2}))
			},
			Received:     func(c *classic.RawConn, data string) error { return c.Send(data) },
			Reconnected:  func(*classic.RawConn) error { events <- "reconnected"; return nil },
			Disconnected: func(_ *classic.RawConn, cause error) { events <- fmt.Sprint("disconnected ", cause) },
		})
		n.chat.events = events
		c := newClient(t, n, "user=ann&transport="+transport)
		c.startRaw()
		n.chat.requireEvent(t, "connected ann")
		c.requireMessages(`"first"`, `{"second":2}`)
		for _, text := range []string{"hello", "", `{"a":1}`, "ü"} {
			c.sendRaw(text)
		}
		c.requireMessages(`"hello"`, `""`, `"{\"a\":1}"`, `"ü"`)
		c.close()
		c.drain()
		c.open("/reconnect")
		n.chat.requireEvent(t, "reconnected")
		c.sendRaw("again")
		c.requireMessages(`"again"`)
		status, _ := c.ask("/abort", nil)
		require.Equal(t, http.StatusOK, status)
		n.chat.requireEvent(t, "disconnected <nil>")
	})
}

// TestNothingIsLostOfARawConnection that comes back to the process where it was.
func TestNothingIsLostOfARawConnection(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newRawNode(t, echo())
		c := newClient(t, n, "transport="+transport)
		c.startRaw()
		sender := c.other(n)
		sender.query = url.Values{"transport": {"serverSentEvents"}, "clientProtocol": {"2.1"}}
		next := 0
		for range 5 {
			for i := range 20 {
				sender.sendRaw(fmt.Sprint(next + i))
				if i == 10 {
					c.close()
					c.drain()
				}
			}
			c.open("/reconnect")
			for range 20 {
				require.Equal(t, fmt.Sprintf("%q", fmt.Sprint(next)), c.nextMessage())
				next++
			}
		}
	})
}

func TestRawConnectionsThatAreRefused(t *testing.T) {
	t.Parallel()
	n := newRawNode(t, classic.RawHandler{
		Connected: func(*classic.RawConn) error { return errors.New("no") },
		Received:  func(*classic.RawConn, string) error { panic("oh") },
	})
	c := newClient(t, n, "transport=longPolling")
	c.negotiate()
	status, _ := c.ask("/send", url.Values{"data": {"x"}})
	require.Equal(t, http.StatusBadRequest, status, "not connected")
	status, _ = c.ask("/start", nil)
	require.Equal(t, http.StatusBadRequest, status, "not connected")
	c.open("/connect")
	c.requireInit()
	status, _ = c.ask("/send", url.Values{"data": {"x"}})
	require.Equal(t, http.StatusInternalServerError, status)
	status, _ = c.ask("/start", nil)
	require.Equal(t, http.StatusInternalServerError, status)
}

// TestWhatWaitsForARawConnectionIsLimited: what was not sent is never dropped.
func TestWhatWaitsForARawConnectionIsLimited(t *testing.T) {
	t.Parallel()
	conns := make(chan *classic.RawConn, 1)
	n := newRawNode(t, classic.RawHandler{Connected: func(c *classic.RawConn) error { conns <- c; return nil }})
	c := newClient(t, n, "transport=serverSentEvents")
	c.startRaw()
	conn := await.Receive(t, conns, "the connection")
	c.close()
	await.Equal(t, 0, func() int { return n.endpoint.Stats().Streams["serverSentEvents"] }, "the number of streams of a client that has closed")
	sent := 0
	for ; sent < 2000; sent++ {
		if err := conn.Send(strings.Repeat("x", 1000)); err != nil {
			require.ErrorIs(t, err, transports.ErrSlowClient)
			break
		}
	}
	require.Less(t, sent, 300)
	c.drain()
	c.open("/reconnect")
	for range sent {
		require.Len(t, c.nextMessage(), 1002)
	}
	require.NoError(t, conn.Send("on"))
	c.requireMessages(`"on"`)
	require.Error(t, conn.Send(make(chan int)))
	conn.Abort()
	require.NotEmpty(t, c.next()["E"])
	await.Until(t, func() bool { return errors.Is(conn.Send("gone"), transports.ErrClosed) }, "a send fails because the connection was aborted")
}

// TestShutdownThatGivesUpEndsTheContextOfDisconnected: until then it is not done.
func TestShutdownThatGivesUpEndsTheContextOfDisconnected(t *testing.T) {
	t.Parallel()
	before, after := make(chan error, 1), make(chan error, 1)
	n := newRawNode(t, classic.RawHandler{Disconnected: func(c *classic.RawConn, _ error) {
		before <- c.Context().Err()
		<-c.Context().Done()
		after <- c.Context().Err()
	}})
	c := newClient(t, n, "transport=webSockets")
	c.startRaw()
	status, _ := c.ask("/abort", nil)
	require.Equal(t, http.StatusOK, status)
	require.NoError(t, await.Receive(t, before, "the call of Disconnected"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, n.endpoint.Shutdown(ctx), context.Canceled)
	require.ErrorIs(t, await.Receive(t, after, "the end of Disconnected's context"), context.Canceled)
}

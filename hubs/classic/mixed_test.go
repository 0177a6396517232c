package classic_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/interop/await"
)

// TestOneSendReachesOldAndNewClients, on two nodes, in both directions.
func TestOneSendReachesOldAndNewClients(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		a, b := newFarm(t)
		old := newClient(t, a, "user=ann&transport="+transport)
		old.connect()
		modern := hubtest.NewServer(t, b.hub).Connect()
		b.chat.requireEvent(t, "connected "+modern.ID())

		require.JSONEq(t, `{"I":"1"}`, old.call(`{"H":"chat","M":"Shout","A":["from old"],"I":1}`))
		old.requireMessages(said("from old"))
		modern.Expect("say", "from old")
		require.NoError(t, modern.Invoke("Shout", "from new"))
		old.requireMessages(said("from new"))
		modern.Expect("say", "from new")

		require.NoError(t, modern.Invoke("Join", "red"))
		require.JSONEq(t, `{"I":"2"}`, old.call(`{"H":"chat","M":"Join","A":["red"],"I":2}`))
		require.NoError(t, modern.Invoke("Say", "red", "group"))
		old.requireMessages(said("group"))
		modern.Expect("say", "group")

		var failed *hubtest.Error
		require.ErrorAs(t, modern.Invoke("FailWithData"), &failed)
		require.Contains(t, failed.Text, "no seats", "data do not hide the text")
		require.ErrorAs(t, modern.Invoke("Work"), &failed, "progress is for old clients")
	})
}

// TestSeveralHubsOnOneConnection have their own groups, and keep them.
func TestSeveralHubsOnOneConnection(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		second := newChat()
		other, err := hubs.New(second, hubs.WithName("Other"), hubs.WithLogger(quiet()))
		require.NoError(t, err)
		t.Cleanup(func() { classic.ShutDown(t, other) })
		n := newNode(t, nil, classic.WithHubs(other))
		c := newClient(t, n, url.Values{"transport": {transport}, "connectionData": {`[{"name":"other"},{"name":"chat"}]`}}.Encode())
		c.connect()
		second.requireEvent(t, "connected "+c.id)
		c.call(`{"H":"chat","M":"Join","A":["red"],"I":1}`)
		c.call(`{"H":"OTHER","M":"Join","A":["blue"],"I":2}`)
		c.close()
		c.drain()
		c.open("/reconnect")
		n.chat.requireEvent(t, "reconnected "+c.id)
		second.requireEvent(t, "reconnected "+c.id)
		require.NoError(t, other.Clients().Group("red").Send(t.Context(), "say", "no"))
		require.NoError(t, n.hub.Clients().Group("blue").Send(t.Context(), "say", "no"))
		require.NoError(t, other.Clients().Group("blue").Send(t.Context(), "say", "yes"))
		c.requireMessages(`{"H":"Other","M":"say","A":["yes"]}`)
		require.NoError(t, n.hub.Clients().Group("red").Send(t.Context(), "say", "yes"))
		c.requireMessages(said("yes"))
		status, _ := c.ask("/abort", nil)
		require.Equal(t, http.StatusOK, status)
		n.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
		second.requireEvent(t, "disconnected "+c.id+" <nil>")
	})
}

// TestStreamsEndWithTheAuthentication: the client comes back with a new one.
func TestStreamsEndWithTheAuthentication(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		var allowed atomic.Bool
		allowed.Store(true)
		expires := hubs.WithExpiration(func(*http.Request) time.Time {
			if allowed.Load() {
				return time.Time{}
			}
			return time.Now()
		})
		n := newNodeOf(t, []hubs.Option{expires}, short())
		c := newClient(t, n, "transport="+transport)
		c.connect()
		c.close()
		c.drain()
		allowed.Store(false)
		c.open("/reconnect")
		if transport == "longPolling" {
			await.Until(t, func() bool { return n.endpoint.Stats().Opened[transport] > 5 }, "more than 5 polls were opened")
		} else {
			c.requireEnd()
		}
	})
}

// TestExpiredClientsThatDoNotComeBack: that is what OnDisconnected is told.
func TestExpiredClientsThatDoNotComeBack(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			expires := hubs.WithExpiration(func(*http.Request) time.Time { return time.Now() })
			n := newNodeOf(t, []hubs.Option{expires}, short())
			c := newClient(t, n, "transport="+transport)
			c.begin()
			c.start()
			n.chat.requireEvent(t, "connected "+c.id)
			c.requireEnd()
			n.chat.requireEvent(t, "disconnected "+c.id+" "+hubs.ErrExpired.Error())
			await.Equal(t, 1, func() uint64 { return n.endpoint.Stats().Ended["expired"] }, "the number of connections that have expired")
		})
	}
}

// TestCallsAreToldWhyTheyEnd: the client has stopped, or the application has ended it.
func TestCallsAreToldWhyTheyEnd(t *testing.T) {
	t.Parallel()
	for _, how := range ends {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil)
			c := newClient(t, n, "user=ann&transport=webSockets")
			c.connect()
			c.send(`{"H":"chat","M":"Cause","A":[],"I":1}`)
			n.chat.requireEvent(t, "waiting")
			how.end(t, c, n)
			cause := context.Canceled
			if how.told {
				cause = hubs.ErrAborted
			}
			n.chat.requireEvent(t, "ended by "+cause.Error())
			n.chat.requireEvent(t, "disconnected "+c.id+" "+how.cause())
		})
	}
}

// TestIdleClientsCostOneGoroutine, that of their request or of their socket's
// reader.
func TestIdleClientsCostOneGoroutine(t *testing.T) {
	for transport, most := range map[string]int{"webSockets": 1, "serverSentEvents": 2, "longPolling": 2} { // net/http watches requests by one
		const clients = 50
		n := newNode(t, nil)
		conns := make([]net.Conn, clients)
		before := runtime.NumGoroutine()
		for i := range conns {
			c := newClient(t, n, "transport="+transport)
			c.negotiate()
			if transport == "longPolling" {
				_, body := c.ask("/connect", url.Values{})
				c.take(make(chan map[string]json.RawMessage, 1), []byte(body))
			}
			c.http.CloseIdleConnections()
			conns[i] = dialStream(t, c, transport)
		}
		await.Until(t, func() bool { return runtime.NumGoroutine() <= before+most*clients+5 },
			"%s: at most %d goroutines serve each of %d clients", transport, most, clients)
		for _, conn := range conns {
			require.NoError(t, conn.Close())
		}
		n.stop()
	}
}

// dialStream makes a receive request over a connection of its own, and waits for
// the first bytes of its answer.
func dialStream(t *testing.T, c *client, transport string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", c.node.server.Listener.Addr().String())
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(await.Timeout)))
	op, header, more := "/connect", "", url.Values{}
	switch transport {
	case "webSockets":
		header = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
	case "longPolling":
		op, more = "/poll", c.resume()
	}
	target := strings.TrimPrefix(c.url(op, more), c.node.server.URL)
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", target, header)
	require.NoError(t, err)
	newLines(conn).until(t, "\r\n\r\n")
	require.NoError(t, conn.SetDeadline(time.Time{}))
	return conn
}

// TestClientsThatDoNotReadDelayNobody, and cost no more than what waits for them
// in memory: the rest they would read from the log.
func TestClientsThatDoNotReadDelayNobody(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil, classic.WithSendTimeout(500*time.Millisecond))
			stuck := newClient(t, n, "transport="+transport)
			stuck.negotiate()
			conn := dialStream(t, stuck, transport)
			defer conn.Close()
			good := newClient(t, n, "transport="+transport)
			good.connect()
			text := strings.Repeat("x", 64<<10)
			for i := range 200 { // 12 MB, more than sockets take
				require.NoError(t, n.hub.Clients().Client(stuck.id).Send(t.Context(), "say", text))
				require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", i))
				good.requireMessages(fmt.Sprintf(`{"H":"Chat","M":"say","A":[%d]}`, i))
			}
			await.Equal(t, 1, func() int { return n.endpoint.Stats().Streams[transport] }, "the number of streams, without the one that does not read")
			require.NoError(t, conn.SetReadDeadline(time.Now().Add(await.Timeout)))
			_, err := io.Copy(io.Discard, conn) // it has been broken, in one way or the other
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "waiting for the end of the connection that did not read")
		})
	}
}

package classic_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// expiring are options of a hub that ends each stream soon, and refuses all requests when refused is set.
func expiring(refused *atomic.Bool) []hubs.Option {
	return []hubs.Option{
		hubs.WithExpiration(func(*http.Request) time.Time { return time.Now().Add(300 * time.Millisecond) }),
		hubs.WithAuthorization(func(*http.Request) error {
			if refused.Load() {
				return transports.ErrUnauthenticated
			}
			return nil
		}),
	}
}

// TestReasons: the running call, OnDisconnected and the statistics tell why a connection has ended.
func TestReasons(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		expires    bool
		end        func(n *node, c *client)
		call, told string
	}{
		"stopped": {false, func(_ *node, c *client) { c.ask("/abort", url.Values{}) }, context.Canceled.Error(), "<nil>"},
		"aborted": {false, func(n *node, c *client) { require.NoError(c.t, n.hub.Clients().Client(c.id).Abort(c.t.Context(), nil)) },
			hubs.ErrAborted.Error(), hubs.ErrAborted.Error()},
		"timeout": {false, func(_ *node, c *client) { c.close() }, hubs.ErrClientTimeout.Error(), hubs.ErrClientTimeout.Error()},
		"expired": {true, func(*node, *client) {}, hubs.ErrExpired.Error(), hubs.ErrExpired.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				var refused atomic.Bool
				var opts []hubs.Option
				if tt.expires {
					opts = expiring(&refused)
				}
				n := newNodeOf(t, opts, classic.WithShortTimes(5*time.Millisecond, 10*time.Millisecond, 2*time.Second, await.Timeout))
				c := newClient(t, n, "transport="+transport)
				c.begin()
				c.start()
				n.chat.requireEvent(t, "connected "+c.id)
				c.goCall(`{"H":"chat","M":"Cause","I":1}`)
				n.chat.requireEvent(t, "waiting")
				refused.Store(tt.expires)
				tt.end(n, c)
				n.chat.requireEvent(t, "ended by "+tt.call)
				n.chat.requireEvent(t, "disconnected "+c.id+" "+tt.told)
				await.Equal(t, 1, func() uint64 { return n.endpoint.Stats().Ended[name] }, "the number of connections that have ended so")
			})
		})
	}
}

// TestClientsThatDoNotReadTimeOut: their stream is ended, and they do not come back.
func TestClientsThatDoNotReadTimeOut(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"webSockets", "serverSentEvents", "foreverFrame"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil, short(), classic.WithSendTimeout(100*time.Millisecond))
			c := newClient(t, n, "transport="+transport)
			c.negotiate()
			conn := dialStream(t, c, transport)
			defer conn.Close()
			require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
			c.start()
			n.chat.requireEvent(t, "connected "+c.id)
			text := strings.Repeat("x", 1<<20)
			for range 12 { // more than sockets take
				require.NoError(t, n.hub.Clients().Client(c.id).Send(t.Context(), "say", text))
			}
			n.chat.requireEvent(t, "disconnected "+c.id+" "+hubs.ErrClientTimeout.Error())
			await.Equal(t, 1, func() uint64 { return n.endpoint.Stats().Ended["timeout"] }, "the number of connections that have timed out")
		})
	}
}

package hubs_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// holds are the ways in which a hub holds a client back: what the client sends first, and
// then again and again.
var holds = []struct {
	name  string
	first []string
	more  string
}{
	{"a stream that is not read",
		[]string{`{"type":1,"target":"hold","arguments":[],"streamIds":["u"]}`},
		`{"type":2,"invocationId":"u","item":"` + strings.Repeat("x", 1000) + `"}`},
	{"a call that runs for long", []string{holdCall}, echoCall},
	{"as many calls as may run at once", []string{holdCall, holdCall}, echoCall},
	{"OnConnected", nil, echoCall},
}

var (
	holdCall = `{"type":1,"target":"wait","arguments":[]}`
	echoCall = `{"type":1,"target":"echo","arguments":["` + strings.Repeat("x", 1000) + `"]}`
)

// holdBack returns a hub's options for one of the holds. entered hears of the code that
// holds the client back, and left of the end of its context.
func holdBack(hold string, opts ...hubs.Option) (options []hubs.Option, entered, left chan struct{}) {
	entered, left = make(chan struct{}, 10), make(chan struct{}, 10)
	wait := func(c *hubs.Context) error {
		entered <- struct{}{}
		<-c.Done()
		left <- struct{}{}
		return nil
	}
	options = append(opts, hubs.WithLogger(slog.New(slog.DiscardHandler)),
		hubs.WithInputBufferSize(4<<10), hubs.WithKeepAliveInterval(time.Hour), hubs.WithClientTimeout(time.Hour),
		hubs.HandleVoid0("wait", wait),
		hubs.HandleVoid1("hold", func(c *hubs.Context, _ <-chan string) error { return wait(c) }),
		hubs.Handle1("echo", func(_ *hubs.Context, s string) (string, error) { return s, nil }))
	switch hold {
	case "OnConnected":
		options = append(options, hubs.WithOnConnected(wait))
	case "as many calls as may run at once":
		options = append(options, hubs.WithMaximumParallelInvocations(2))
	}
	return options, entered, left
}

// Nobody read from a socket while its client was held back, and what the client had
// begun ran on until two pings later: the second could not be written any more.
func TestCallsLearnThatTheirClientHasGoneWhileItIsHeldBack(t *testing.T) {
	t.Parallel()
	type held struct {
		name  string
		calls int
		leave func() error
		left  <-chan struct{}
	}
	var all []held // who leave together, since it takes some time until that is noticed
	for _, hold := range holds {
		for _, secure := range []bool{false, true} {
			for ending, leave := range map[string]func(*net.TCPConn) error{
				"closes": (*net.TCPConn).Close,
				"resets": func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
			} {
				// Behind 40 KiB the server's kernel knows of the end; behind what fills the
				// buffers on the way only that of the client does.
				for _, size := range []int{40 << 10, 64 << 20} {
					name := fmt.Sprintf("%s, TLS %v, %s behind %d KiB", hold.name, secure, ending, size>>10)
					opts, entered, left := holdBack(hold.name)
					c := connectBySocket(t, secure, opts)
					if hold.first != nil {
						require.NoError(t, c.WriteMessage(websocket.TextMessage, asMessage(hold.first...)))
					}
					calls := max(len(hold.first), 1)
					for range calls {
						await.Done(t, entered, "what holds the client back to begin: %s", name)
					}
					fill(t, c, asMessage(hold.more), size)
					socket := tcpOf(t, c)
					all = append(all, held{name, calls, func() error { return leave(socket) }, left})
				}
			}
		}
	}
	for _, h := range all {
		require.NoError(t, h.leave(), h.name)
	}
	for _, h := range all {
		for range h.calls {
			await.Done(t, h.left, "the end of the context: %s", h.name)
		}
	}
}

// fill sends a message again and again, until there are so many bytes or nobody takes any.
func fill(t *testing.T, c *websocket.Conn, message []byte, size int) {
	t.Helper()
	for sent := 0; sent < size; sent += len(message) {
		require.NoError(t, c.SetWriteDeadline(time.Now().Add(100*time.Millisecond)))
		if err := c.WriteMessage(websocket.TextMessage, message); err != nil {
			var netError net.Error
			require.ErrorAs(t, err, &netError)
			require.True(t, netError.Timeout(), "%v", err)
			return
		}
	}
}

// asMessage joins records to one WebSocket message.
func asMessage(records ...string) []byte { return []byte(strings.Join(records, "\x1e") + "\x1e") }

// tcpOf returns the socket beneath a WebSocket.
func tcpOf(t *testing.T, c *websocket.Conn) *net.TCPConn {
	t.Helper()
	conn := c.NetConn()
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	require.True(t, ok, "%T", conn)
	return tcp
}

// connectBySocket starts a hub and connects to it, perhaps by TLS.
func connectBySocket(t *testing.T, secure bool, opts []hubs.Option) *websocket.Conn {
	t.Helper()
	hub, err := hubs.New(nil, opts...)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(hub)
	dialer := websocket.Dialer{HandshakeTimeout: await.Timeout}
	if secure {
		s.StartTLS()
		dialer.TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		shutDown(t, hub)
		s.Close()
	})
	c, _, err := dialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.WriteMessage(websocket.TextMessage, asMessage(`{"protocol":"json","version":1}`)))
	_, response, err := c.ReadMessage()
	require.NoError(t, err)
	require.Equal(t, "{}\x1e", string(response))
	return c
}

// By the other transports the request that the client receives by tells it.
func TestCallsLearnThatTheReceivingRequestHasGone(t *testing.T) {
	t.Parallel()
	for _, kind := range []transports.Kind{transports.ServerSentEvents, transports.LongPolling} {
		for _, hold := range holds[:3] {
			t.Run(fmt.Sprintf("%v, %s", kind, hold.name), func(t *testing.T) {
				t.Parallel()
				opts, entered, left := holdBack(hold.name)
				l := serve(t, nil, append(opts, hubs.WithEndpoint(transports.WithDisconnectTimeout(time.Second)))...).dialLine(kind)
				l.send(hold.first...)
				for range hold.first {
					await.Done(t, entered, "what holds the client back to begin")
				}
				posted := make(chan error, 1)
				go func() { posted <- l.trySendRaw(strings.Repeat(string(asMessage(hold.more)), 200)) }()
				l.drop()
				for range hold.first {
					await.Done(t, left, "the end of the context")
				}
				await.Done(t, posted, "the response to the POST that was held back")
			})
		}
	}
}

// A connection that may be resumed waited for its reader to find out that the WebSocket
// was lost, and had no end when that was held back for ever.
func TestConnectionThatIsHeldBackAndNotResumedEnds(t *testing.T) {
	for _, hold := range holds[:3] {
		t.Run(hold.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				opts, entered, left := holdBack(hold.name)
				c := newWorld(t, opts).arrive("")
				c.send(hold.first...)
				for range hold.first {
					await.Done(t, entered, "what holds the client back to begin")
				}
				c.pour(strings.Repeat(string(asMessage(hold.more)), 1000))
				c.drop()
				for range hold.first {
					await.Done(t, left, "the end of the context")
				}
			})
		})
	}
}

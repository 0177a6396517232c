package transports_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

func TestWebSocketIDs(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a, transports.WithMinimumProtocolVersion(0))
	v1 := s.negotiateAs("?negotiateVersion=1")
	v0 := s.negotiateAs("")
	for _, tt := range []struct {
		name, id string
		public   string // "": any
	}{
		{"version 1", v1.ConnectionToken, v1.ConnectionID},
		{"version 0", v0.ConnectionID, v0.ConnectionID},
		{"without negotiate", "", ""},
	} {
		c := s.dial(tt.id)
		p := a.next()
		require.Equal(t, transports.WebSockets, p.Transport(), tt.name)
		require.Len(t, p.ID(), 22, tt.name)
		if tt.public != "" {
			require.Equal(t, tt.public, p.ID(), tt.name)
		}
		c.send("up")
		p.expect("up")
		p.send("down")
		c.expect("down")
	}
}

func TestWebSocketWithoutNegotiateCanBeSpokenToByItsIDOnly(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	s.dial("")
	p := a.next()
	// Version 0 rules: the token is the public id.
	s.expect("GET", p.ID(), "", http.StatusBadRequest, textOther)
}

func TestWebSocketRequestIsKeptForTheApplication(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.negotiate()
	_, _, err := s.tryDial(id+"&room=kitchen", http.Header{"X-User": {"ann"}})
	require.NoError(t, err)
	r := a.next().Request()
	require.Equal(t, "/chat", r.URL.Path)
	require.Equal(t, "kitchen", r.URL.Query().Get("room"))
	require.Equal(t, "ann", r.Header.Get("X-User"))
	require.NoError(t, r.Context().Err(), "the context outlives the request")
}

func TestWebSocketTakesNoExtensionAndNoSubprotocol(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t))
	s.dialer.EnableCompression = true
	s.dialer.Subprotocols = []string{"json"}
	_, resp, err := s.tryDial("", nil)
	require.NoError(t, err)
	require.Empty(t, resp.Header.Values("Sec-WebSocket-Extensions"))
	require.Empty(t, resp.Header.Values("Sec-WebSocket-Protocol"))
}

func TestWebSocketFrameTypes(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	c := s.dial("")
	p := a.next()
	p.send("text")
	c.expect("text")
	p.SetBinary(true)
	p.send("\x00\xff")
	kind, message, err := c.next()
	require.NoError(t, err)
	require.Equal(t, websocket.BinaryMessage, kind)
	require.Equal(t, "\x00\xff", message)
	p.SetBinary(false)
	p.send("text again")
	c.expect("text again")
	// What comes in is one stream of bytes.
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte("a\xff")))
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("b")))
	p.expect("a\xffb")
}

func TestWebSocketReadsFragmentsAndLongMessages(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	c := s.dial("")
	p := a.next()
	w, err := c.NextWriter(websocket.TextMessage)
	require.NoError(t, err)
	part := strings.Repeat("0123456789", 10_000)
	for range 3 {
		_, err = io.WriteString(w, part) // larger than the buffer: a frame of its own
		require.NoError(t, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- w.Close() }()
	p.expect(part + part + part)
	require.NoError(t, await.Receive(t, closed, "the end of the fragmented message to be sent"))
}

// TestWebSocketBatches: what queues up while the writer is busy leaves in few
// frames, each of whole messages, in order.
func TestWebSocketBatches(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	l := &heldListener{}
	s := serveBy(t, a, l.start)
	c := s.dial("")
	p := a.next()
	hold := newGate()
	defer hold.open() // also if the test fails before
	l.hold.Store(hold)
	p.send("first")
	await.Done(t, hold.reached, "the first write to be held")
	var want strings.Builder
	for i := range 3000 {
		m := fmt.Sprintf("<%0100d>", i)
		want.WriteString(m)
		p.send(m)
	}
	long := "<" + strings.Repeat("-", 200_000) + ">" // never split
	want.WriteString(long)
	p.send(long)
	l.hold.Store(nil)
	hold.open()

	c.expect("first")
	var got strings.Builder
	frames := 0
	for got.Len() < want.Len() {
		_, message, err := c.next()
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(message, "<") && strings.HasSuffix(message, ">"), "a frame of whole messages")
		got.WriteString(message)
		frames++
	}
	require.Equal(t, want.String(), got.String())
	require.LessOrEqual(t, frames, 6, "306 000 bytes in frames of 64 KiB, and the long message")
}

// heldListener accepts connections on which writes wait for a gate.
type heldListener struct {
	net.Listener
	hold atomic.Pointer[gate]
}

func (l *heldListener) start(s *httptest.Server) {
	l.Listener = s.Listener
	s.Listener = l
	s.Start()
}

func (l *heldListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return heldConn{conn, l}, err
}

type heldConn struct {
	net.Conn
	listener *heldListener
}

func (c heldConn) Write(p []byte) (int, error) {
	c.listener.hold.Load().pass()
	return c.Conn.Write(p)
}

func TestWebSocketCloseByTheServer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		code int
	}{
		{"finished", nil, websocket.CloseNormalClosure},
		{"failed", errors.New("the secret reason"), websocket.CloseInternalServerErr},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			c := s.dial("")
			p := a.next()
			p.send("one")
			require.NoError(t, p.SendLast([]byte("two")))
			require.ErrorIs(t, p.Send([]byte("three")), transports.ErrClosed)
			p.Finish(tt.err)
			p.Finish(nil) // the first word counts
			var got string
			for got != "onetwo" {
				_, message, err := c.next()
				require.NoError(t, err, got)
				got += message
			}
			c.expectClosed(tt.code)
			p.expectClosed(nil)
			await.Done(t, s.Empty(), "all connections to end")
			require.Equal(t, map[string]uint64{"normal_closure": 1}, s.Stats().Ended)
		})
	}
}

func TestWebSocketCloseByTheClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		payload []byte
	}{
		{"without status, as browsers do", nil},
		{"normal", websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")},
		{"going away", websocket.FormatCloseMessage(websocket.CloseGoingAway, "tab closed")},
		{"of its own", websocket.FormatCloseMessage(4000, "because")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			a.onClose = func(p *peer) { _ = p.SendLast([]byte("bye")) }
			s := serve(t, a)
			c := s.dial("")
			p := a.next()
			c.sayGoodbye(tt.payload)
			p.expectClosed(nil)
			c.expect("bye") // still reaches it
			c.expectClosed(websocket.CloseNormalClosure)
			await.Done(t, s.Empty(), "all connections to end")
			require.Equal(t, map[string]uint64{"normal_closure": 1}, s.Stats().Ended)
		})
	}
}

func TestWebSocketClientNeverAnswersTheClose(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a, transports.WithCloseTimeout(500*time.Millisecond))
	c := s.dial("")
	c.SetCloseHandler(func(int, string) error { return nil })
	p := a.next()
	p.Finish(nil)
	c.expectClosed(websocket.CloseNormalClosure)
	p.expectClosed(nil)
	require.NoError(t, c.NetConn().SetReadDeadline(time.Now().Add(await.Timeout)))
	_, err := c.NetConn().Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the server gives up")
	await.Done(t, s.Empty(), "all connections to end")
	require.Equal(t, map[string]uint64{"normal_closure": 1}, s.Stats().Ended)
}

// TestWebSocketCloseIsNotHeldUpByWhatTheClientStillSends: bytes that cross the
// closing frame do not prolong the wait.
func TestWebSocketCloseIsNotHeldUpByWhatTheClientStillSends(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.discard = true
	s := serve(t, a, transports.WithCloseTimeout(50*time.Millisecond))
	c := s.dial("")
	p := a.next()
	p.Finish(nil)
	go func() {
		for c.WriteMessage(websocket.TextMessage, []byte("still here")) == nil {
		}
	}()
	p.expectClosed(nil)
	await.Done(t, s.Empty(), "all connections to end")
}

func TestWebSocketLost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		lose func(*socket)
	}{
		{"without a closing frame", (*socket).drop},
		{"unmasked frame", func(c *socket) { _, _ = c.NetConn().Write([]byte{0x81, 1, 'x'}) }},
		{"reserved opcode", func(c *socket) { _, _ = c.NetConn().Write([]byte{0x83, 0x80, 0, 0, 0, 0}) }},
		{"compressed though that was not agreed", func(c *socket) { _, _ = c.NetConn().Write([]byte{0xc1, 0x80, 0, 0, 0, 0}) }},
		{"half a frame", func(c *socket) {
			_, _ = c.NetConn().Write([]byte{0x81, 0x85, 0, 0, 0, 0, 'a', 'b'})
			c.drop()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			a.discard = true
			s := serve(t, a)
			c := s.dial("")
			p := a.next()
			tt.lose(c)
			p.expectLost()
			await.Done(t, s.Empty(), "all connections to end")
			require.ErrorIs(t, p.Send(nil), transports.ErrClosed)
			require.Equal(t, map[string]uint64{"connection_lost": 1}, s.Stats().Ended)
		})
	}
}

func TestWebSocketPing(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	c := s.dial("")
	p := a.next()
	pongs := make(chan string, 1)
	c.SetPongHandler(func(data string) error {
		pongs <- data
		return nil
	})
	deadline := time.Now().Add(await.Timeout)
	require.NoError(t, c.WriteControl(websocket.PongMessage, []byte("unasked"), deadline))
	require.NoError(t, c.WriteControl(websocket.PingMessage, []byte("still there?"), deadline))
	c.send("up") // is read after the ping
	p.expect("up")
	p.send("down")
	c.expect("down") // is read after the pong
	require.Equal(t, "still there?", await.Receive(t, pongs, "the pong"))
}

// A ping that a slow client has sent is answered behind the message that it is slow
// to read, and so is the end: the library gave up after a second, and then wrote no
// control frame any more.
func TestWebSocketPingOfASlowClientIsAnswered(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){
		"TCP": (*httptest.Server).Start,
		"TLS": (*httptest.Server).StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serveBy(t, a, start, transports.WithSendTimeout(await.Timeout))
			c := s.dial("")
			p := a.next()
			pongs := make(chan string, 1)
			c.SetPongHandler(func(data string) error {
				pongs <- data
				return nil
			})
			long := strings.Repeat("x", 16<<20)
			p.send(long)
			require.NoError(t, c.WriteControl(websocket.PingMessage, []byte("still there?"), time.Now().Add(await.Timeout)))
			time.Sleep(1200 * time.Millisecond) // the library's limit is 1 s of real time: the socket buffers are the system's
			c.expect(long)
			p.send("down")
			c.expect("down")
			p.Finish(nil)
			c.expectClosed(websocket.CloseNormalClosure)
			require.Equal(t, "still there?", await.Receive(t, pongs, "the pong"))
			p.expectClosed(nil)
		})
	}
}

func TestWebSocketOrigins(t *testing.T) {
	t.Parallel()
	allow := func(origins ...string) []transports.Option {
		return []transports.Option{transports.WithAllowedOrigins(origins...)}
	}
	const own = "own" // stands for the server's address
	for _, tt := range []struct {
		name    string
		opts    []transports.Option
		origin  string
		allowed bool
	}{
		{"default, no page", nil, "", true},
		{"default, own page", nil, own, true},
		{"default, other page", nil, "https://evil.example", false},
		{"default, sandboxed page", nil, "null", false},
		{"default, garbage", nil, "::not an origin::", false},
		{"default, own host as a part", nil, own + ".evil.example", false},
		{"list, no page", allow("https://app.example"), "", true},
		{"list, own page", allow("https://app.example"), own, true},
		{"list, page of it", allow("https://app.example", "https://b.example/"), "https://b.example", true},
		{"list, in capitals", allow("HTTPS://App.Example"), "https://app.EXAMPLE", true},
		{"list, other scheme", allow("https://app.example"), "http://app.example", false},
		{"list, other port", allow("https://app.example"), "https://app.example:8443", false},
		{"list, other page", allow("https://app.example"), "https://app.example.evil.example", false},
		{"all", allow("https://app.example", "*"), "https://evil.example", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, newApp(t), tt.opts...)
			header := http.Header{}
			if tt.origin != "" {
				header.Set("Origin", strings.Replace(tt.origin, own, s.http.URL, 1))
			}
			_, resp, err := s.tryDial("", header)
			if tt.allowed {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, websocket.ErrBadHandshake)
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
			require.Zero(t, s.Records(), "a refusal makes no connection")
		})
	}
}

// wrapped is a ResponseWriter as middleware makes them: what else it can do has
// to be asked for by Unwrap.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// bare hides all that a ResponseWriter can do besides.
type bare struct{ w http.ResponseWriter }

func (b bare) Header() http.Header         { return b.w.Header() }
func (b bare) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b bare) WriteHeader(status int)      { b.w.WriteHeader(status) }

func TestWebSocketThatCannotBe(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(bare{w}, r) })
	_, resp, err := s.tryDial("", nil)
	require.ErrorIs(t, err, websocket.ErrBadHandshake)
	require.Equal(t, http.StatusNotImplemented, resp.StatusCode)
	require.Zero(t, s.Records())
	none(t, a.arrived, "the application never hears of it")
}

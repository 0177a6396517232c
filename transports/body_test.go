package transports_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// rawClient is a client that need not keep to HTTP.
type rawClient struct {
	t       testing.TB
	conn    net.Conn
	began   time.Time
	answers chan rawAnswer
}

type rawAnswer struct {
	status int
	closes bool // the connection
	after  time.Duration
	err    error
}

// begin sends the beginning of a request over a connection of its own.
func (s *server) begin(method, path, rest string) *rawClient {
	s.t.Helper()
	conn, err := s.dialer.NetDialContext(s.t.Context(), "tcp", "")
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	c := &rawClient{s.t, conn, time.Now(), make(chan rawAnswer, 1)}
	c.write(fmt.Sprintf("%s /chat%s HTTP/1.1\r\nHost: here\r\n%s", method, path, rest))
	go func() {
		reader := bufio.NewReader(conn)
		resp, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			c.answers <- rawAnswer{err: err}
			return
		}
		a := rawAnswer{status: resp.StatusCode, after: time.Since(c.began)}
		_, a.err = io.Copy(io.Discard, resp.Body)
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second)) // net/http takes half a second to close
		_, err = reader.ReadByte()
		a.closes = errors.Is(err, io.EOF)
		c.answers <- a
	}()
	return c
}

func (c *rawClient) write(data string) {
	c.t.Helper()
	_, err := io.WriteString(c.conn, data)
	require.NoError(c.t, err)
}

func (c *rawClient) answer() rawAnswer {
	c.t.Helper()
	a := await.Receive(c.t, c.answers, "the response")
	require.NoError(c.t, a.err)
	return a
}

// A request must not stay for the sake of a body that never comes: it takes a goroutine
// and a connection of the server.
func TestBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	noID := func(*server) string { return "" }
	negotiated := func(s *server) string { return s.negotiate() }
	polling := func(s *server) string { return s.firstPoll() }
	unauthorized := transports.WithAuthorization(func(*http.Request) error { return transports.ErrUnauthenticated })
	friends := transports.WithAllowedOrigins("https://app.example")
	for name, tt := range map[string]struct {
		opt          transports.Option
		id           func(*server) string
		method, path string
		header       string
		status       int
	}{
		"negotiate":               {nil, noID, "POST", "/negotiate?negotiateVersion=1", "", 200},
		"negotiate, old version":  {nil, noID, "POST", "/negotiate", "", 200},
		"negotiate, method":       {nil, noID, "PUT", "/negotiate", "", 405},
		"negotiate, not allowed":  {unauthorized, noID, "POST", "/negotiate", "", 401},
		"preflight":               {friends, noID, "OPTIONS", "/negotiate", "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n", 204},
		"POST, not allowed":       {unauthorized, noID, "POST", "", "", 401},
		"POST, of another site":   {nil, noID, "POST", "", "Origin: https://evil.example\r\n", 403},
		"POST, no id":             {nil, noID, "POST", "", "", 400},
		"POST, unknown id":        {nil, noID, "POST", "?id=x", "", 404},
		"POST, no transport yet":  {nil, negotiated, "POST", "", "", 400},
		"POST":                    {nil, polling, "POST", "", "", 408},
		"DELETE":                  {nil, polling, "DELETE", "", "", 202},
		"DELETE, unknown id":      {nil, noID, "DELETE", "?id=x", "", 404},
		"PATCH":                   {nil, noID, "PATCH", "", "", 405},
		"first poll":              {nil, negotiated, "GET", "", "", 408},
		"poll":                    {nil, polling, "GET", "", "", 408},
		"poll, unknown id":        {nil, noID, "GET", "?id=x", "", 404},
		"event stream":            {nil, negotiated, "GET", "", "Accept: text/event-stream\r\n", 408},
		"event stream, in use":    {nil, polling, "GET", "", "Accept: text/event-stream\r\n", 408},
		"WebSocket, with a body":  {nil, negotiated, "GET", "", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 400},
		"WebSocket, unknown id":   {nil, noID, "GET", "?id=x", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 404},
		"WebSocket, a broken key": {nil, noID, "GET", "?id=x", "Connection: Upgrade\r\nUpgrade: websocket\r\n", 404},
	} {
		for framing, begun := range map[string]string{
			"known length": "Content-Length: 1000\r\n\r\nab", "chunked": "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
		} {
			t.Run(name+", "+framing, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var opts []transports.Option
					if tt.opt != nil {
						opts = append(opts, tt.opt)
					}
					s := serveBubble(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
						_, err := io.Copy(io.Discard, c)
						return err
					}), func(*http.Server) {}, append(opts, transports.WithDisconnectTimeout(time.Minute))...)
					path := tt.path
					if id := tt.id(s); id != "" {
						path = "?id=" + id
					}
					c := s.begin(tt.method, path, tt.header+begun)
					for range 3 { // it trickles
						time.Sleep(limit / 4)
						if framing == "chunked" {
							c.write("1\r\nc\r\n")
						} else {
							c.write("c")
						}
					}
					a := c.answer()
					require.Equal(t, tt.status, a.status)
					require.LessOrEqual(t, a.after, limit+limit/10)
					require.True(t, a.closes, "what follows on this connection cannot be told from the body")
				})
			})
		}
	}
}

// A client that trickles holds up its own sends only, and not for long, however many of
// them there are.
func TestPostsBehindOneThatTrickles(t *testing.T) {
	t.Parallel()
	const limit = 10 * time.Second
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		s := serveBubble(t, a, func(*http.Server) {}, transports.WithDisconnectTimeout(time.Minute))
		id := s.firstPoll()
		p := a.next()
		clients := []*rawClient{s.begin("POST", "?id="+id, "Content-Length: 1000\r\n\r\na")}
		p.expect("a")
		for range 20 {
			clients = append(clients, s.begin("POST", "?id="+id, "Content-Length: 1000\r\n\r\n"))
		}
		time.Sleep(limit / 2)
		clients[0].write("b")
		p.expect("b")
		for _, c := range clients {
			a := c.answer()
			require.Equal(t, http.StatusRequestTimeout, a.status)
			require.LessOrEqual(t, a.after, 3*limit+limit/10)
			require.True(t, a.closes)
		}
		post := s.start("POST", id, "after", nil)
		p.expect("after")
		post.expect(http.StatusOK, "")
		p.send("unharmed")
		s.expect("GET", id, "", http.StatusOK, "unharmed")
	})
}

// TestPostOverASlowNetwork: what a client sends may take long, if it keeps coming.
func TestPostOverASlowNetwork(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first, later int // bytes in the first second, and in each of the others
		seconds      int
		status       int
	}{
		"steady":                         {5 << 10, 5 << 10, 40, 200},
		"too slow in the long run":       {3 << 10, 3 << 10, 60, 408},
		"fast, which buys no time later": {1 << 20, 1, 14, 408},
		"a pause":                        {5 << 10, 0, 8, 200},
		"a pause that is too long":       {5 << 10, 0, 12, 408},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serveBubble(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
					_, err := io.Copy(io.Discard, c)
					return err
				}), func(*http.Server) {}, transports.WithDisconnectTimeout(time.Hour))
				total := tt.first + tt.seconds*tt.later + 1
				c := s.begin("POST", "?id="+s.firstPoll(), fmt.Sprintf("Content-Length: %d\r\n\r\n", total))
				n := tt.first
				for range tt.seconds + 1 {
					c.tryWrite(strings.Repeat("x", n))
					time.Sleep(time.Second)
					n = tt.later
				}
				c.tryWrite("x")
				require.Equal(t, tt.status, c.answer().status)
			})
		})
	}
}

// tryWrite writes what the server may not take any more.
func (c *rawClient) tryWrite(data string) { _, _ = io.WriteString(c.conn, data) }

// TestPostWaitsForTheApplication: no time of the application's counts against a client,
// nor against its POSTs that wait for another.
func TestPostWaitsForTheApplication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t)
		s := serveBubble(t, a, func(*http.Server) {}, transports.WithSendTimeout(time.Second), transports.WithDisconnectTimeout(time.Minute))
		id := s.firstPoll()
		p := a.next()
		one := s.start("POST", id, "one", nil)
		synctest.Wait()
		two := s.start("POST", id, "two", nil)
		synctest.Wait()
		time.Sleep(4500 * time.Millisecond)
		p.expect("one")
		one.expect(http.StatusOK, "")
		p.expect("two")
		two.expect(http.StatusOK, "")
	})
}

// TestTimeoutsOfTheServer: those of the http.Server end no transport.
func TestTimeoutsOfTheServer(t *testing.T) {
	t.Parallel()
	var http1, http2 http.Protocols
	http1.SetHTTP1(true)
	http2.SetUnencryptedHTTP2(true)
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": &http1, "HTTP/2": &http2} {
		for _, kind := range allKinds {
			if kind == transports.WebSockets && protocols.UnencryptedHTTP2() {
				continue // the client of the tests cannot
			}
			t.Run(fmt.Sprint(kind, ", ", name), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					a := newApp(t)
					s := serveBubble(t, a, func(s *http.Server) {
						s.Protocols = protocols
						s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout = time.Second, time.Second, time.Second
					})
					l := s.connect(kind)
					p := a.next()
					var poll *pending
					if kind == transports.LongPolling {
						poll = s.poll(l.(pollLink).id, nil)
					}
					time.Sleep(20 * time.Second)
					p.send("down")
					if poll != nil {
						poll.expect(http.StatusOK, "down")
					} else {
						require.Equal(t, "down", l.read())
					}
				})
			})
		}
	}
}

package transports_test

import (
	"bufio"
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

func TestPost(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *site, string){
		"ServerSentEvents": func(_ *testing.T, s *site, id string) { s.events(id) },
		"LongPolling":      func(_ *testing.T, s *site, id string) { s.expect("GET", id, "", http.StatusOK, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			id := s.negotiate()
			open(t, s.site, id)
			p := a.next()
			for _, body := range []string{"one", "\x00\xff", strings.Repeat("long", 10_000)} {
				post := s.start("POST", id, body, nil)
				p.expect(body)
				post.expect(http.StatusOK, "")
			}
		})
	}
}

// Nobody can tell who is going to make the first request of the transport, whose calls
// these would be.
func TestPostBeforeTheFirstGet(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T, *server, string){
		"WebSockets":       func(_ *testing.T, s *server, id string) { s.dial(id).send("12345") },
		"ServerSentEvents": func(_ *testing.T, s *server, id string) { s.events(id) },
		"LongPolling":      func(_ *testing.T, s *server, id string) { s.expect("GET", id, "", http.StatusOK, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			id := s.negotiate()
			s.expect("POST", id, "too early", http.StatusBadRequest, "")
			s.expect("POST", id, "", http.StatusBadRequest, "")
			open(t, s, id)
			p := a.next()
			if name == "WebSockets" {
				p.expect("12345")
				return
			}
			post := s.start("POST", id, "12345", nil)
			p.expect("12345")
			post.expect(http.StatusOK, "")
		})
	}
}

func TestPostsAreSerialised(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	first := strings.Repeat("a", 20_000)
	one := s.start("POST", id, first, nil)
	await.Done(t, p.receiving, "the application to be given the POST")
	two := s.start("POST", id, strings.Repeat("b", 20_000), nil)
	await.Done(t, two.waits, "the second POST to wait")
	p.expect(first)
	one.expect(http.StatusOK, "")
	p.expect(strings.Repeat("b", 20_000))
	two.expect(http.StatusOK, "")
}

func TestPostAbandonedWhileItWaitsForAnother(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	one := s.start("POST", id, "one", nil)
	await.Done(t, p.receiving, "the application to be given the POST")
	two := s.start("POST", id, "", nil)
	await.Done(t, two.waits, "the second POST to wait")
	two.cancel()
	await.Done(t, two.served, "the second POST to be served")
	three := s.start("POST", id, "three", nil)
	p.expect("one")
	one.expect(http.StatusOK, "")
	p.expect("three")
	three.expect(http.StatusOK, "")
}

// TestPostLatencyHoldsTheClientBack: the answer comes when the application has
// taken the bytes.
func TestPostLatencyHoldsTheClientBack(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	post := s.start("POST", id, "slowly", nil)
	await.Done(t, p.receiving, "the application to be given the POST")
	none(t, post.answer, "the application is not ready")
	p.expect("slowly")
	post.expect(http.StatusOK, "")
}

// TestPostWhileItsConnectionEnds: a POST of which the application was given nothing is
// not acknowledged.
func TestPostWhileItsConnectionEnds(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"short", strings.Repeat("long", 10_000)} {
		t.Run(body[:4], func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			id := s.firstPoll()
			p := a.next()
			writing := s.start("POST", id, body, nil)
			await.Done(t, p.receiving, "the application to be given the POST")
			waiting := s.start("POST", id, body, nil)
			await.Done(t, waiting.waits, "the second POST to wait")
			s.expect("DELETE", id, "", http.StatusAccepted, "")
			requireOutcome(t, outcome{status: 200, contentType: "text/plain"}, await.Receive(t, writing.answer, "the response to the first POST"))
			requireOutcome(t, outcome{status: 404, contentType: "text/plain"}, await.Receive(t, waiting.answer, "the response to the second POST"))
		})
	}
}

// TestPostTakenBeforeItsConnectionEnds: the response is 200 once the application has
// taken any of the bytes, since they may already have had an effect.
func TestPostTakenBeforeItsConnectionEnds(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T, s *server) (id string, end func(*testing.T)){
		"ServerSentEvents": func(_ *testing.T, s *server) (string, func(*testing.T)) {
			id := s.negotiate()
			st := s.events(id)
			return id, func(*testing.T) { st.drop() }
		},
		"LongPolling": func(_ *testing.T, s *server) (string, func(*testing.T)) {
			id := s.firstPoll()
			return id, func(*testing.T) { s.expect("DELETE", id, "", http.StatusAccepted, "") }
		},
	} {
		for _, body := range []string{"short", strings.Repeat("long", 10_000)} {
			t.Run(name+"/"+body[:4], func(t *testing.T) {
				t.Parallel()
				a := newApp(t)
				taken := newGate()
				a.onTaken = taken.pass
				s := serve(t, a)
				t.Cleanup(taken.open)
				id, end := open(t, s)
				p := a.next()
				post := s.start("POST", id, body, nil)
				require.NotEmpty(t, await.Receive(t, p.received, "the bytes of the POST"))
				await.Done(t, taken.reached, "the application to take the bytes")
				end(t)
				await.Done(t, s.Empty(), "all connections to end")
				taken.open()
				requireOutcome(t, outcome{status: 200, contentType: "text/plain"}, await.Receive(t, post.answer, "the response to the POST"))
			})
		}
	}
}

// TestSlowPost: a client that trickles holds up its own sends only, and not for
// ever.
func TestSlowPost(t *testing.T) {
	t.Parallel()
	for name, head := range map[string]string{
		"known length": "Content-Length: 1000\r\n\r\nab",
		"chunked":      "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a, transports.WithSendTimeout(time.Second))
			id, other := s.firstPoll(), s.firstPoll()
			slow, fast := a.next(), a.next()
			conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(await.Timeout)))
			_, err = fmt.Fprintf(conn, "POST /chat?id=%s HTTP/1.1\r\nHost: x\r\n%s", id, head)
			require.NoError(t, err)
			slow.expect("ab")

			post := s.start("POST", other, "x", nil)
			fast.expect("x")
			post.expect(http.StatusOK, "")

			own := s.start("POST", id, "after", nil)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, http.StatusRequestTimeout, resp.StatusCode)
			require.True(t, resp.Close, "what follows on this connection cannot be told from the body")
			slow.expect("after")
			own.expect(http.StatusOK, "")
			slow.send("unharmed")
			s.expect("GET", id, "", http.StatusOK, "unharmed")
		})
	}
}

func TestPostCutOff(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "POST /chat?id=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab", id)
	require.NoError(t, err)
	p.expect("ab")
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	require.NoError(t, conn.SetDeadline(time.Now().Add(await.Timeout)))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	require.NoError(t, conn.Close())
	post := s.start("POST", id, "next", nil)
	p.expect("next")
	post.expect(http.StatusOK, "")
}

// TestPostHeldBackForLong: only the client's slowness counts against the limit on
// reading a POST, not the application's.
func TestPostHeldBackForLong(t *testing.T) {
	t.Parallel()
	var http1, http2 http.Protocols
	http1.SetHTTP1(true)
	http2.SetUnencryptedHTTP2(true)
	for name, protocols := range map[string]*http.Protocols{"HTTP/1.1": &http1, "HTTP/2": &http2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testPostHeldBackForLong(t, protocols) })
		})
	}
}

func testPostHeldBackForLong(t *testing.T, protocols *http.Protocols) {
	a := newApp(t)
	const limit = time.Second
	s := serveBubble(t, a, func(s *http.Server) { s.Protocols = protocols }, transports.WithSendTimeout(limit))
	// The later requests travel on the same network connection.
	s.client.Transport.(*http.Transport).MaxConnsPerHost = 1
	id := s.firstPoll()
	p := a.next()
	for _, body := range []string{strings.Repeat("x", 2<<20), "short"} { // the first is more than is on its way at once
		post := s.start("POST", id, body, nil)
		synctest.Wait()
		time.Sleep(limit * 5 / 4)
		p.expect(body)
		require.Equal(t, protocols.HTTP1(), post.expect(http.StatusOK, "").proto == 1)
	}
	p.send("down")
	s.expect("GET", id, "", http.StatusOK, "down")
}

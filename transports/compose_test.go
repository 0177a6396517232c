package transports_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// requireEcho has an echo endpoint answer over a transport, short and long texts.
func requireEcho(s *site, kind transports.Kind) {
	s.t.Helper()
	l := s.connect(kind)
	for _, text := range []string{"one", "two\nlines", strings.Repeat("0123456789", 6_000)} {
		l.send(text)
		s.expectFrom(l, text)
	}
	l.leave()
}

// host serves a handler and returns the site at a path of it.
func host(t *testing.T, handler http.Handler, path string) *site {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return newSite(t, server.URL+path, server.Client().Transport.(*http.Transport))
}

func TestEndpointIsAnHTTPHandlerLikeOthers(t *testing.T) {
	t.Parallel()
	for name, mount := range map[string]func(*testing.T, http.Handler) *site{
		"alone": func(t *testing.T, e http.Handler) *site { return host(t, e, "") },
		"at a path of a mux": func(t *testing.T, e http.Handler) *site {
			mux := http.NewServeMux()
			mux.Handle("/chat", e)
			mux.Handle("/chat/", e)
			return host(t, mux, "/chat")
		},
		"at a deeper path": func(t *testing.T, e http.Handler) *site {
			mux := http.NewServeMux()
			mux.Handle("/api/v1/chat/", e)
			mux.Handle("/api/v1/chat", e)
			return host(t, mux, "/api/v1/chat")
		},
		"at a pattern": func(t *testing.T, e http.Handler) *site {
			mux := http.NewServeMux()
			mux.Handle("/rooms/{room}/chat/{rest...}", e)
			mux.Handle("/rooms/{room}/chat", e)
			return host(t, mux, "/rooms/kitchen/chat")
		},
		"in a mux below a stripped prefix": func(t *testing.T, e http.Handler) *site {
			inner, outer := http.NewServeMux(), http.NewServeMux()
			inner.Handle("/chat", e)
			inner.Handle("/chat/", e)
			outer.Handle("/api/", http.StripPrefix("/api", inner))
			return host(t, outer, "/api/chat")
		},
		"with its whole path stripped": func(t *testing.T, e http.Handler) *site {
			return host(t, http.StripPrefix("/chat", e), "/chat")
		},
		"behind a handler that passes requests on": func(t *testing.T, e http.Handler) *site {
			return host(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Seen", "yes")
				e.ServeHTTP(w, r)
			}), "/chat")
		},
		"behind middleware that wraps the response": func(t *testing.T, e http.Handler) *site {
			return host(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				e.ServeHTTP(wrapped{wrapped{w}}, r)
			}), "/chat")
		},
		"behind middleware that compresses": func(t *testing.T, e http.Handler) *site {
			return host(t, middleware.Compress(5, "application/octet-stream", "text/event-stream")(e), "/chat")
		},
		"over TLS": func(t *testing.T, e http.Handler) *site {
			server := httptest.NewTLSServer(e)
			t.Cleanup(server.Close)
			return newSite(t, server.URL+"/chat", server.Client().Transport.(*http.Transport))
		},
		"behind a reverse proxy": func(t *testing.T, e http.Handler) *site {
			return host(t, reverseProxy(t, e), "/proxied/chat")
		},
		"behind a chain of reverse proxies": func(t *testing.T, e http.Handler) *site {
			front := http.StripPrefix("/outer", reverseProxy(t, reverseProxy(t, e)))
			return host(t, front, "/outer/proxied/proxied/chat")
		},
	} {
		t.Run(name, func(t *testing.T) {
			overEach(t, func(t *testing.T, kind transports.Kind) {
				e := endpoint(t, echo)
				t.Cleanup(func() { verifyGone(t, e, nil) })
				requireEcho(mount(t, e), kind)
			})
		})
	}
}

// reverseProxy returns a proxy that serves a backend below a prefix.
func reverseProxy(t *testing.T, handler http.Handler) http.Handler {
	backend := httptest.NewServer(handler)
	t.Cleanup(backend.Close)
	target, err := url.Parse(backend.URL)
	require.NoError(t, err)
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	return http.StripPrefix("/proxied", &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
	})
}

// startHTTP2 makes a test server speak HTTP/2.
func startHTTP2(s *httptest.Server) {
	s.EnableHTTP2 = true
	s.StartTLS()
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	for _, kind := range []transports.Kind{transports.ServerSentEvents, transports.LongPolling} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			s := serveBy(t, echo, startHTTP2)
			require.Equal(t, 2, s.do("POST", "", "").proto)
			requireEcho(s.site, kind)
		})
	}
	t.Run("WebSockets beside it", func(t *testing.T) {
		t.Parallel()
		s := serveBy(t, echo, startHTTP2)
		requireEcho(s.site, transports.WebSockets)
	})
	t.Run("extended CONNECT", func(t *testing.T) {
		t.Parallel()
		s := serveBy(t, echo, startHTTP2)
		s.expect("CONNECT", "", "", http.StatusMethodNotAllowed, "")
	})
	t.Run("waiting polls and streams on one connection", func(t *testing.T) {
		t.Parallel()
		a := newApp(t)
		s := serveBy(t, a, startHTTP2)
		st := s.events(s.negotiate())
		streamed := a.next()
		id := s.firstPoll()
		polled := a.next()
		poll := s.poll(id, nil)
		next := s.poll(id, nil)
		poll.expect(http.StatusOK, "")
		streamed.send("x")
		st.expect("data: x\r\n\r\n")
		polled.send("y")
		next.expect(http.StatusOK, "y")
		aborted := s.poll(id, nil)
		aborted.cancel()
		await.Done(t, aborted.served, "the aborted poll to be served")
		polled.send("kept")
		s.expect("GET", id, "", http.StatusOK, "kept")
		s.expect("DELETE", id, "", http.StatusAccepted, "")
		polled.expectClosed(nil)
		st.drop()
		streamed.expectLost()
	})
	t.Run("stuck stream", func(t *testing.T) {
		t.Parallel()
		a := newApp(t)
		s := serveBy(t, a, startHTTP2)
		s.events(s.negotiate())
		p := a.next()
		stall(p) // more than the flow control lets through
		p.Abort()
		p.expectClosed(transports.ErrAborted)
		await.Done(t, s.Empty(), "all connections to end")
	})
}

// TestStuckClientOverTLS: the good-bye of TLS needs the client too, and does not
// hold up the end.
func TestStuckClientOverTLS(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serveBy(t, a, (*httptest.Server).StartTLS)
	s.dialStuck("")
	p := a.next()
	stall(p)
	p.Abort()
	p.expectClosed(transports.ErrAborted)
	await.Done(t, s.Empty(), "all connections to end")
}

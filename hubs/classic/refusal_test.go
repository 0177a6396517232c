package classic_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// debugLog keeps what is logged.
type debugLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *debugLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

func (l *debugLog) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// with returns the lines with a message.
func (l *debugLog) with(message string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, `msg="`+message+`"`) {
			found = append(found, line)
		}
	}
	return found
}

func guard(r *http.Request) error {
	switch r.URL.Query().Get("guard") {
	case "who":
		return transports.ErrUnauthenticated
	case "role":
		return errors.New("the role is missing")
	}
	return nil
}

// upgrade are the headers of a request for a WebSocket.
func upgrade() http.Header {
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
	}
}

// TestRefusalsAreLogged: each once, at the level Debug, with its reason and without what is secret.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	send := func(data string) func(*http.Request) {
		return func(r *http.Request) {
			r.Method = http.MethodPost
			r.Body = io.NopCloser(strings.NewReader(url.Values{"data": {data}}.Encode()))
		}
	}
	headers := func(change func(http.Header)) func(*http.Request) {
		return func(r *http.Request) {
			r.Header = upgrade()
			change(r.Header)
		}
	}
	for name, test := range map[string]struct {
		opts   []classic.Option
		before func(t *testing.T, c *client) // on a connection that is negotiated
		op     string                        // "/connect" if it is empty
		query  url.Values
		change func(*http.Request)
		status int
		reason string
	}{
		"JSONP": {query: url.Values{"callback": {"f"}}, status: 403, reason: "JSONP is not enabled"},
		"callback": {
			opts: []classic.Option{classic.WithJSONP()}, query: url.Values{"callback": {"f("}}, status: 400, reason: "callback is no name",
		},
		"connection data":        {query: url.Values{"connectionData": {"{"}}, status: 400, reason: "connection data is malformed. unexpected end of JSON"},
		"long connection data":   {query: url.Values{"connectionData": {strings.Repeat(" ", 20_000)}}, status: 400, reason: "more than 16384 bytes"},
		"hub twice":              {query: url.Values{"connectionData": {`[{"name":"chat"},{"name":"Chat"}]`}}, status: 400, reason: "Duplicate Hub"},
		"unknown hub":            {query: url.Values{"connectionData": {`[{"name":"nohub"}]`}}, status: 400, reason: "'nohub' Hub could not be resolved"},
		"nobody":                 {query: url.Values{"guard": {"who"}}, status: 401, reason: transports.ErrUnauthenticated.Error()},
		"not allowed":            {query: url.Values{"guard": {"role"}}, status: 403, reason: "the role is missing"},
		"not allowed to send":    {op: "/send", query: url.Values{"guard": {"role"}}, status: 403, reason: "the role is missing"},
		"not allowed, negotiate": {op: "/negotiate", query: url.Values{"guard": {"role"}}, status: 403, reason: "the role is missing"},
		"user id":                {op: "/negotiate", query: url.Values{"user": {strings.Repeat("u", 5000)}}, status: 400, reason: "user id is too long"},
		"transport":              {query: url.Values{"transport": {"pigeon"}}, status: 400, reason: "Unknown transport"},
		"operation":              {op: "/nothing", query: url.Values{"transport": {""}}, status: 400, reason: "Unknown transport"},
		"no token":               {query: url.Values{"connectionToken": {""}}, status: 400, reason: "Missing connection token"},
		"token":                  {query: url.Values{"connectionToken": {"garbage"}}, status: 400, reason: "not a token of this key"},
		"another user":           {query: url.Values{"user": {"eve"}}, status: 403, reason: "Unrecognized user identity"},
		"token of the past": {
			opts: []classic.Option{classic.WithTokenLifetime(time.Nanosecond)}, before: func(t *testing.T, c *client) {
				await.Equal(t, http.StatusForbidden, func() int { return c.tryAsk("/send", nil).status }, "the status for a token that expires")
			}, status: 403, reason: "token has expired",
		},
		"cursor":   {op: "/reconnect", query: url.Values{"messageId": {"d-1"}}, status: 400, reason: "message id is malformed. classic: not a cursor"},
		"frame id": {query: url.Values{"transport": {"foreverFrame"}}, status: 400, reason: "frame id is malformed"},
		"poll too long": {op: "/poll", change: func(r *http.Request) {
			r.Method, r.Body = http.MethodPost, io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20)))
		}, status: 413, reason: "too long"},
		"body that breaks": {op: "/poll", change: func(r *http.Request) {
			r.Method, r.Body = http.MethodPost, io.NopCloser(iotest.ErrReader(errors.New("torn")))
		}, status: 400, reason: "torn"},
		"ended": {
			op: "/send", before: func(_ *testing.T, c *client) { c.ask("/abort", nil) }, change: send(`{}`), status: 400, reason: "connection has ended",
		},
		"ended, start": {op: "/start", before: func(_ *testing.T, c *client) { c.ask("/abort", nil) }, status: 400, reason: "connection has ended"},
		"ended, the first to receive": {
			before: func(_ *testing.T, c *client) { c.ask("/abort", nil) }, status: 200, reason: "the client has stopped",
		},
		"ended, the second": {
			before: func(_ *testing.T, c *client) { c.ask("/abort", nil); c.ask("/poll", nil) }, status: 400, reason: "connection has ended",
		},
		"no connection":        {op: "/send", change: send(`{}`), status: 400, reason: "no such connection"},
		"no connection, start": {op: "/start", status: 400, reason: "no such connection"},
		"other hubs": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/poll",
			query: url.Values{"connectionData": {`[{"name":"other"}]`}}, status: 400, reason: "hubs of a connection cannot change",
		},
		"other hubs, start": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/start",
			query: url.Values{"connectionData": {`[{"name":"other"}]`}}, status: 400, reason: "hubs of a connection cannot change",
		},
		"OnConnected": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/start", query: url.Values{"test": {"refuse"}},
			status: 500, reason: "not you",
		},
		"OnConnected, elsewhere": {
			opts: []classic.Option{classic.WithKey(key)}, op: "/start", query: url.Values{"test": {"refuse"}}, status: 500, reason: "not you",
		},
		"message": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/send", change: send(`{"H":`),
			status: 400, reason: "message is malformed. unexpected end of JSON",
		},
		"message that is no text": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/send", change: send("\"\xff\""), status: 400, reason: "not valid UTF-8",
		},
		"state": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/send", change: send(`{"H":"chat","S":[]}`),
			status: 400, reason: "state is not an object",
		},
		"long state": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/send",
			change: send(`{"H":"chat","S":{"a":"` + strings.Repeat("x", 5000) + `"}}`), status: 400, reason: "state is longer than 4096",
		},
		"long message": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/send", change: send(strings.Repeat("x", 70_000)),
			status: 413, reason: "message is too long",
		},
		"hub of a message": {
			before: func(_ *testing.T, c *client) { c.ask("/connect", nil) }, op: "/send", change: send(`{"H":"nohub"}`),
			status: 400, reason: "'nohub' Hub could not be resolved",
		},
		"too many calls": {
			opts: []classic.Option{classic.WithMaximumParallelCalls(1)}, before: func(t *testing.T, c *client) {
				c.ask("/connect", nil)
				blocked := await.Go(t, func() (answer, error) {
					a := c.tryAsk("/send", url.Values{"data": {`{"H":"chat","M":"Block","I":1}`}})
					return a, a.err
				}, "the blocked call")
				c.node.chat.requireEvent(t, "blocked")
				t.Cleanup(func() { blocked() })
				t.Cleanup(func() { close(c.node.chat.block) })
			}, op: "/send", change: send(`{"H":"chat","M":"Void"}`), status: 429, reason: "Too many calls",
		},
		"too many connections": {
			opts: []classic.Option{classic.WithMaximumConnections(1)}, before: func(_ *testing.T, c *client) {
				other := c.other(c.node)
				other.negotiate()
				other.ask("/connect", nil)
			}, status: 503, reason: "too many connections",
		},
		"shutdown":     {before: func(t *testing.T, c *client) { classic.ShutDown(t, c.node.endpoint) }, status: 503, reason: "shutting down"},
		"no WebSocket": {query: url.Values{"transport": {"webSockets"}}, status: 400, reason: "a proxy may have dropped"},
		"WebSocket with a body": {query: url.Values{"transport": {"webSockets"}}, change: func(r *http.Request) {
			r.Header, r.ContentLength = upgrade(), 1
		}, status: 400, reason: "it has a body"},
		"origin": {
			query: url.Values{"transport": {"webSockets"}}, change: headers(func(h http.Header) { h.Set("Origin", "https://evil.example") }),
			status: 403, reason: "origin=https://evil.example",
		},
		"version of WebSockets": {
			query: url.Values{"transport": {"webSockets"}}, change: headers(func(h http.Header) { h.Set("Sec-Websocket-Version", "8") }),
			status: 400, reason: "unsupported version",
		},
		"WebSocket by POST": {query: url.Values{"transport": {"webSockets"}}, change: func(r *http.Request) {
			r.Method, r.Header = http.MethodPost, upgrade()
		}, status: 405, reason: "request method is not GET"},
		"no hijacker": {
			query: url.Values{"transport": {"webSockets"}}, change: headers(func(http.Header) {}), status: 501, reason: "feature not supported",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &debugLog{}
			other, err := hubs.New(newChat(), hubs.WithName("other"), hubs.WithUserID(user), hubs.WithLogger(quiet()))
			require.NoError(t, err)
			n := newNodeOf(t, []hubs.Option{hubs.WithAuthorization(guard), hubs.WithLogger(log.logger())}, append(test.opts, classic.WithHubs(other))...)
			t.Cleanup(func() { classic.ShutDown(t, other) })
			c := newClient(t, n, "user=ann&transport=longPolling")
			c.negotiate()
			if test.before != nil {
				test.before(t, c)
			}
			before := len(log.with("request refused"))
			op := test.op
			if op == "" {
				op = "/connect"
			}
			r := httptest.NewRequest(http.MethodGet, c.url(op, test.query), nil)
			if test.change != nil {
				test.change(r)
			}
			w := httptest.NewRecorder()
			n.endpoint.ServeHTTP(w, r)
			require.Equal(t, test.status, w.Code)
			require.Equal(t, "no-cache, no-store", w.Header().Get("Cache-Control"))

			lines := log.with("request refused")[before:]
			require.Len(t, lines, 1, "%s", lines)
			level := "level=DEBUG"
			if name == "origin" || name == "no hijacker" { // users of the page would not notice
				level = "level=WARN"
			}
			require.Contains(t, lines[0], level)
			require.Contains(t, lines[0], "method="+r.Method+" path=/signalr"+op+" status="+strconv.Itoa(test.status))
			require.Contains(t, lines[0], test.reason)
			require.NotContains(t, lines[0], c.token)
			require.NotContains(t, lines[0], "connectionToken")
		})
	}
}

// TestRefusedCallsAreLogged: what does not reach a hub, over each transport.
func TestRefusedCallsAreLogged(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		log := &debugLog{}
		admin, err := hubs.New(newChat(), hubs.WithName("admin"), hubs.WithLogger(quiet()), hubs.WithAuthorization(func(*http.Request) error {
			return errors.New("the role is missing")
		}))
		require.NoError(t, err)
		n := newNodeOf(t, []hubs.Option{hubs.WithLogger(log.logger())}, classic.WithHubs(admin))
		t.Cleanup(func() { classic.ShutDown(t, admin) })
		c := newClient(t, n, url.Values{"transport": {transport}, "connectionData": {`[{"name":"chat"},{"name":"admin"}]`}}.Encode())
		c.connect()
		require.NotEmpty(t, log.with("hub refused"))
		require.Contains(t, log.with("hub refused")[0], `name=admin error="the role is missing"`)
		for call, want := range map[string]string{
			`{"H":"admin","M":"Add","I":1}`:             `name=admin error="the role is missing"`,
			`{"H":"chat","M":"nothing","I":2}`:          "method=nothing",
			`{"H":"chat","M":"Join","A":["a",1],"I":3}`: "method=Join",
		} {
			before := len(log.with("invocation refused"))
			require.Contains(t, c.call(call), `"E":`)
			lines := log.with("invocation refused")[before:]
			require.Len(t, lines, 1, call)
			require.Contains(t, lines[0], "level=DEBUG")
			require.Contains(t, lines[0], "connection="+c.id)
			require.Contains(t, lines[0], want)
		}
	})
}

// TestPagesOfOtherOriginsAreLogged: their browsers withhold the response, which the server does not refuse.
func TestPagesOfOtherOriginsAreLogged(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]hubs.Option{"none allowed": nil, "another allowed": {hubs.WithAllowedOrigins("https://app.example")}} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			text := "response withheld by browsers"
			if opts != nil && method == http.MethodOptions { // CORS answers
				text = "request refused"
			}
			log := &debugLog{}
			n := newNodeOf(t, append(opts, hubs.WithLogger(log.logger())))
			r := httptest.NewRequest(method, "http://here.example/signalr/negotiate?connectionToken=hidden", nil)
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", http.MethodGet)
			n.endpoint.ServeHTTP(httptest.NewRecorder(), r)
			lines := log.with(text)
			require.Len(t, lines, 1, "%s, %s", name, method)
			require.Contains(t, lines[0], "https://evil.example")
			require.NotContains(t, lines[0], "hidden")
		}
	}
}

// unwrapping is middleware that passes on what the http.ResponseWriter can do by Unwrap alone.
type unwrapping struct{ http.ResponseWriter }

func (w unwrapping) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hiding is middleware that passes on nothing.
type hiding struct{ http.ResponseWriter }

func TestMiddlewareThatUnwraps(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNodeBehind(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(unwrapping{unwrapping{w}}, r) })
		})
		c := newClient(t, n, "transport="+transport)
		c.connect()
		require.JSONEq(t, `{"R":6,"I":"0"}`, c.call(`{"H":"chat","M":"Add","A":[1,2,3],"I":0}`))
	})
}

// behindHiding starts a node behind middleware that passes on nothing.
func behindHiding(t *testing.T, opts ...classic.Option) *node {
	t.Helper()
	return newNodeBehind(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(hiding{w}, r) })
	}, opts...)
}

// TestMiddlewareThatHides: what needs more of the http.ResponseWriter is refused before its
// first byte, and the log says why, once. The connection is left to long polling.
func TestMiddlewareThatHides(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"webSockets", "serverSentEvents", "foreverFrame"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			log := &debugLog{}
			n := behindHiding(t, classic.WithLogger(log.logger()))
			c := newClient(t, n, "transport="+transport)
			c.negotiate()
			for i, level := range []string{"WARN", "DEBUG", "DEBUG"} {
				r, err := http.NewRequest(http.MethodGet, c.url("/connect", nil), nil)
				require.NoError(t, err)
				if transport == "webSockets" {
					r.Header = upgrade()
				}
				resp, err := bounded.Do(r)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusNotImplemented, resp.StatusCode)
				lines := log.with("request refused")
				require.Len(t, lines, i+1)
				for _, text := range []string{"level=" + level, "status=501", "transport=" + transport, "Unwrap"} {
					require.Contains(t, lines[i], text)
				}
				require.NotContains(t, lines[i], c.token)
			}
			require.Zero(t, n.endpoint.Stats().Opened[transport])

			c.query.Set("transport", "longPolling")
			c.open("/connect")
			c.requireInit()
			c.start()
			n.chat.requireEvent(t, "connected "+c.id)
			require.JSONEq(t, `{"R":6,"I":"0"}`, c.call(`{"H":"chat","M":"Add","A":[1,2,3],"I":0}`))
			for range 3 {
				require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Echo","A":["hi"],"I":1}`))
				c.requireMessages(`{"H":"Chat","M":"echo","A":["hi"]}`)
			}
		})
	}
}

// TestPollsBehindMiddlewareThatHides: keep-alives that wait with the response do no harm,
// nor do polls that nothing comes for.
func TestPollsBehindMiddlewareThatHides(t *testing.T) {
	t.Parallel()
	n := behindHiding(t, classic.WithKeepAlive(2*time.Second), classic.WithConnectionTimeout(5*time.Second))
	c := newClient(t, n, "transport=longPolling")
	c.connect()
	polls := c.polls.Load()
	await.Until(t, func() bool { return c.polls.Load() > polls+1 }, "a poll ends without a message")
	require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Echo","A":["hi"],"I":1}`))
	c.requireMessages(`{"H":"Chat","M":"echo","A":["hi"]}`)
}

// pretending is middleware that has a way to flush and cannot.
type pretending struct{ http.ResponseWriter }

func (pretending) FlushError() error { return http.ErrNotSupported }

// TestPretendedFlush: what cannot be known before the first write is a warning too.
func TestPretendedFlush(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"serverSentEvents", "foreverFrame", "longPolling"} {
		log := &debugLog{}
		n := newNodeBehind(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(pretending{w}, r) })
		}, classic.WithLogger(log.logger()))
		c := newClient(t, n, "transport="+transport)
		c.negotiate()
		status, _ := c.ask("/connect", nil)
		require.Equal(t, http.StatusOK, status)
		lines := log.with("request refused")
		if transport == "longPolling" {
			require.Empty(t, lines)
			continue
		}
		require.Len(t, lines, 1)
		for _, text := range []string{"level=WARN", "transport=" + transport, "Unwrap"} {
			require.Contains(t, lines[0], text)
		}
	}
}

package transports_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/negotiate"
	"github.com/go-signalr/signalr/transports"
)

// refusals returns the lines about refusals that the log has so far.
func refusals(lines <-chan string) (logged []string) {
	for {
		select {
		case line := <-lines:
			if strings.Contains(line, "request refused") {
				logged = append(logged, line)
			}
		default:
			return logged
		}
	}
}

// TestRefusalsAreLogged: who runs the server learns why a client was refused, by one
// line that holds no token. TestAnswers has the refusals that need no option.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	refuse := func(err error) transports.Option {
		return transports.WithAuthorization(func(*http.Request) error { return err })
	}
	none := func(*server) string { return "" }
	poller := func(s *server) string {
		id := s.negotiate()
		r := s.request(http.MethodGet, id, "")
		r.Header.Set("User", "ann")
		require.Equal(s.t, http.StatusOK, s.exchange(r).status)
		return id
	}
	for name, tt := range map[string]struct {
		opts    []transports.Option
		prepare func(*server) (id string)
		method  string
		path    string // behind the endpoint's
		header  http.Header
		body    string
		status  int
		level   string
		reason  string
	}{
		"not authorized":    {[]transports.Option{refuse(errors.New("the role is missing"))}, none, "GET", "", nil, "", 403, "DEBUG", "the role is missing"},
		"not authenticated": {[]transports.Option{refuse(transports.ErrUnauthenticated)}, none, "POST", "/negotiate", nil, "", 401, "DEBUG", "not authenticated"},
		"another user, poll": {
			[]transports.Option{transports.WithIdentity(func(r *http.Request) string { return r.Header.Get("User") })},
			poller, "GET", "", http.Header{"User": {"bob"}}, "", 403, "DEBUG", "another user",
		},
		"another user, POST": {
			[]transports.Option{transports.WithIdentity(func(r *http.Request) string { return r.Header.Get("User") })},
			poller, "POST", "", http.Header{"User": {"bob"}}, "x", 403, "DEBUG", "another user",
		},
		"WebSocket of another origin": {nil, none, "GET", "", with(asWebSocket, "Origin", "https://other.example"), "", 403, "WARN", "origin is not allowed"},
		"preflight of another origin": {
			[]transports.Option{transports.WithAllowedOrigins("https://app.example")}, none, "OPTIONS", "/negotiate",
			http.Header{"Origin": {"https://other.example"}, "Access-Control-Request-Method": {"POST"}}, "", 204, "WARN", "origin is not allowed",
		},
		"WebSocket of another version": {nil, none, "GET", "", with(asWebSocket, "Sec-Websocket-Version", "8"), "", 400, "DEBUG", "Sec-WebSocket-Version 13"},
		"WebSocket without version":    {nil, none, "GET", "", with(asWebSocket, "Sec-Websocket-Version", ""), "", 400, "DEBUG", "Sec-WebSocket-Version 13"},
		"WebSocket without key":        {nil, none, "GET", "", with(asWebSocket, "Sec-Websocket-Key", ""), "", 400, "DEBUG", "Sec-WebSocket-Key of 16 bytes"},
		"WebSocket with a short key":   {nil, none, "GET", "", with(asWebSocket, "Sec-Websocket-Key", "AAAA"), "", 400, "DEBUG", "Sec-WebSocket-Key of 16 bytes"},
		"WebSocket by POST":            {nil, none, "POST", "", asWebSocket, "", 400, "DEBUG", "is no GET"},
		"WebSocket by PUT":             {nil, none, "PUT", "", asWebSocket, "", 405, "DEBUG", "is no GET"},
		"WebSocket, a proxy drops Upgrade": {
			nil, none, "GET", "", with(asWebSocket, "Upgrade", ""), "", 400, "DEBUG", "a proxy may have dropped",
		},
		"WebSocket, a proxy drops Connection": {
			nil, none, "GET", "", with(asWebSocket, "Connection", "close"), "", 400, "DEBUG", "a proxy may have dropped",
		},
		"poll without an id":    {nil, none, "GET", "", nil, "", 400, "DEBUG", "names no connection"},
		"events without an id":  {nil, none, "GET", "", with(asWebSocket, "Accept", "text/event-stream"), "", 400, "DEBUG", "names no connection"},
		"WebSocket with a body": {nil, none, "GET", "", asWebSocket, "x", 400, "DEBUG", "has a body"},
		"WebSocket, full": {
			[]transports.Option{transports.WithMaxConnections(1)}, (*server).takeRoom, "GET", "", asWebSocket, "", 503, "DEBUG", "too many",
		},
		"WebSocket, shut down": {nil, (*server).shutDownNow, "GET", "", asWebSocket, "", 503, "DEBUG", "shutting down"},
		"negotiate, full": {
			[]transports.Option{transports.WithMaxConnections(1)}, (*server).takeRoom, "POST", "/negotiate?negotiateVersion=1", nil, "", 503, "DEBUG", "too many",
		},
		"negotiate, shut down":   {nil, (*server).shutDownNow, "POST", "/negotiate?negotiateVersion=1", nil, "", 503, "DEBUG", "shutting down"},
		"negotiate, method":      {nil, none, "GET", "/negotiate", nil, "", 405, "DEBUG", "not POST"},
		"negotiate, no version":  {nil, none, "POST", "/negotiate?negotiateVersion=x", nil, "", 200, "DEBUG", "non-integer"},
		"negotiate, low version": {nil, none, "POST", "/negotiate", nil, "", 200, "DEBUG", "version '0'"},
		"negotiate, redirect fails": {
			[]transports.Option{transports.WithRedirect(func(*http.Request) (*negotiate.Redirect, error) { return nil, errors.New("directory is down") })},
			none, "POST", "/negotiate", nil, "", 500, "DEBUG", "directory is down",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			logger, lines := newDebugLog()
			s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
				_, err := io.Copy(c, c)
				return err
			}), append(tt.opts, transports.WithLogger(logger))...)
			id := tt.prepare(s)
			refusals(lines)
			address := s.url + tt.path
			if tt.path == "" {
				address += "?id=" + id + "&access_token=hidden"
			}
			r, err := http.NewRequest(tt.method, address, strings.NewReader(tt.body))
			require.NoError(t, err)
			for name, values := range tt.header {
				r.Header[name] = values
			}
			a := s.exchange(r)
			require.NoError(t, a.err)
			require.Equal(t, tt.status, a.status)
			if tt.method != http.MethodOptions {
				require.Contains(t, a.header.Get("Cache-Control"), "no-store")
			}
			logged := refusals(lines)
			require.Len(t, logged, 1)
			require.Contains(t, logged[0], "level="+tt.level)
			require.Contains(t, logged[0], "method="+tt.method)
			require.Contains(t, logged[0], "path=/chat")
			require.Contains(t, logged[0], "status="+strconv.Itoa(tt.status))
			require.Contains(t, logged[0], tt.reason)
			require.NotContains(t, logged[0], "hidden")
			if id != "" {
				require.NotContains(t, logged[0], id)
			}
		})
	}
}

// takeRoom takes the room of one connection.
func (s *server) takeRoom() string {
	s.negotiate()
	return ""
}

func (s *server) shutDownNow() string {
	ctx, cancel := context.WithTimeout(s.t.Context(), await.Timeout)
	defer cancel()
	require.NoError(s.t, s.Shutdown(ctx))
	return ""
}

// TestBrokenBodyIsLogged: a POST whose body ends too early is no fault of the server.
func TestBrokenBodyIsLogged(t *testing.T) {
	t.Parallel()
	logger, lines := newDebugLog()
	s := serve(t, newApp(t), transports.WithLogger(logger))
	id := s.firstPoll()
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(await.Timeout)))
	_, err = io.WriteString(conn, "POST /chat?id="+id+" HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n")
	require.NoError(t, err)
	status, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 400 Bad Request\r\n", status)
	logged := refusals(lines)
	require.Len(t, logged, 1)
	require.Contains(t, logged[0], "status=400")
	require.Contains(t, logged[0], "chunk")
	require.NotContains(t, logged[0], id)
}

// TestRefusedOriginsAreWarnedOf: a page that is refused works on, by another transport.
// So that is a warning, once for each origin, and says what to do.
func TestRefusedOriginsAreWarnedOf(t *testing.T) {
	t.Parallel()
	logger, lines := newDebugLog()
	e := endpoint(t, newApp(t), transports.WithLogger(logger))
	ask := func(origin string) string {
		r := httptest.NewRequest(http.MethodGet, "http://backend:5000/chat?access_token=hidden", nil)
		r.Header = with(asWebSocket, "Origin", origin)
		e.ServeHTTP(httptest.NewRecorder(), r)
		logged := refusals(lines)
		require.Len(t, logged, 1)
		require.NotContains(t, logged[0], "hidden")
		return logged[0]
	}
	first := ask("https://app.example")
	require.Contains(t, first, "level=WARN")
	for _, text := range []string{"origin=https://app.example", "host=backend:5000", "WithAllowedOrigins", "proxy_set_header Host $http_host"} {
		require.Contains(t, first, text)
	}
	require.Contains(t, ask("https://app.example"), "level=DEBUG")
	require.Contains(t, ask("https://other.example"), "level=WARN")
	for _, same := range []string{"https://OTHER.example:443", "HTTPS://other.example", "https://other.example:", "https://other.example/"} {
		require.Contains(t, ask(same), "level=DEBUG", same)
	}
	for _, another := range []string{"http://other.example", "https://other.example:8443", "null", "not an origin"} {
		require.Contains(t, ask(another), "level=WARN", another)
	}
	long := ask("https://" + strings.Repeat("long", 10000) + ".example")
	require.Contains(t, long, "level=WARN")
	require.Less(t, len(long), 1000)
	for i := range 100 {
		ask(fmt.Sprintf("https://%d.example", i))
	}
	require.Contains(t, ask("https://new.example"), "level=DEBUG", "the number of warnings is bounded")
}

// TestWarningsAreShort: net/http takes a method and a path of a megabyte.
func TestWarningsAreShort(t *testing.T) {
	t.Parallel()
	logger, lines := newDebugLog()
	e := endpoint(t, newApp(t), transports.WithLogger(logger))
	for i, r := range []*http.Request{
		httptest.NewRequest(http.MethodGet, "/chat/"+strings.Repeat("path", 10000), nil),
		httptest.NewRequest(strings.Repeat("METHOD", 10000), "/chat", nil),
	} {
		r.Header.Set("Origin", fmt.Sprintf("https://%d.example", i))
		e.ServeHTTP(httptest.NewRecorder(), r)
		logged := refusals(lines)
		require.Len(t, logged, 1)
		require.Contains(t, logged[0], "level=WARN")
		require.Less(t, len(logged[0]), 1000)
	}
}

// TestUnfitMiddleware: behind middleware that hides what the http.ResponseWriter can
// do, the client is refused before its connection is bound, and the log says why, once.
func TestUnfitMiddleware(t *testing.T) {
	t.Parallel()
	for kind, header := range map[transports.Kind]http.Header{transports.WebSockets: asWebSocket, transports.ServerSentEvents: asEvents} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			logger, lines := newDebugLog()
			a := newApp(t)
			s := serve(t, a, transports.WithLogger(logger))
			s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(bare{w}, r) })
			for _, level := range []string{"WARN", "DEBUG", "DEBUG"} {
				r := s.request(http.MethodGet, s.negotiate(), "")
				r.Header = header
				got := s.exchange(r)
				require.NoError(t, got.err)
				require.Equal(t, http.StatusNotImplemented, got.status)
				require.Empty(t, got.body)
				logged := refusals(lines)
				require.Len(t, logged, 1)
				require.Contains(t, logged[0], "level="+level)
				require.Contains(t, logged[0], kind.String())
				require.Contains(t, logged[0], "Unwrap")
			}
			none(t, a.arrived, "the application never hears of it")
		})
	}
}

// TestEventsBehindUnfitMiddlewareLeaveTheConnection: another transport can still take it.
func TestEventsBehindUnfitMiddlewareLeaveTheConnection(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(bare{w}, r) })
	id := s.negotiate()
	r := s.request(http.MethodGet, id, "")
	r.Header = asEvents
	require.Equal(t, http.StatusNotImplemented, s.exchange(r).status)
	s.expect(http.MethodGet, id, "", http.StatusOK, "")
	require.Equal(t, transports.LongPolling, a.next().Transport())
}

// These hide all that a ResponseWriter can do but one way to flush.
type (
	flusher      struct{ bare }
	errorFlusher struct{ bare }
	pretender    struct{ bare }
)

func (w flusher) Flush()                 { _ = http.NewResponseController(w.w).Flush() }
func (w errorFlusher) FlushError() error { return http.NewResponseController(w.w).Flush() }
func (pretender) FlushError() error      { return http.ErrNotSupported }

// TestEventsBehindMiddleware: there are several ways to be able to flush.
func TestEventsBehindMiddleware(t *testing.T) {
	t.Parallel()
	for name, middleware := range map[string]func(http.ResponseWriter) http.ResponseWriter{
		"Flush":                func(w http.ResponseWriter) http.ResponseWriter { return flusher{bare{w}} },
		"FlushError":           func(w http.ResponseWriter) http.ResponseWriter { return errorFlusher{bare{w}} },
		"Unwrap":               func(w http.ResponseWriter) http.ResponseWriter { return wrapped{w} },
		"Unwrap to Flush":      func(w http.ResponseWriter) http.ResponseWriter { return wrapped{wrapped{flusher{bare{w}}}} },
		"Unwrap to FlushError": func(w http.ResponseWriter) http.ResponseWriter { return wrapped{errorFlusher{bare{w}}} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(middleware(w), r) })
			st := s.events(s.negotiate())
			a.next().send("down")
			st.expect("data: down\r\n\r\n")
		})
	}
}

// TestPretendedFlush: what cannot be known before the first write is a warning too.
func TestPretendedFlush(t *testing.T) {
	t.Parallel()
	logger, lines := newLog()
	s := serve(t, newApp(t), transports.WithLogger(logger))
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(pretender{bare{w}}, r) })
	r := s.request(http.MethodGet, s.negotiate(), "")
	r.Header = asEvents
	require.NoError(t, s.exchange(r).err)
	require.Contains(t, await.Receive(t, lines, "a line of the log"), "Unwrap")
}

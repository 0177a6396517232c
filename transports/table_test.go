package transports_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

const (
	textUnknownID = "No Connection with that ID"
	textOther     = "Cannot change transports mid-connection"
	textTerminate = "Cannot terminate this connection using the DELETE endpoint."
)

// outcome is what a client sees of an answer.
type outcome struct {
	status      int
	contentType string // "": the answer has none
	body        string
	noLength    bool // no Content-Length
	noCache     bool // all three headers against caching; otherwise no-store alone
}

func requireOutcome(t testing.TB, want outcome, got answer) {
	t.Helper()
	require.NoError(t, got.err)
	require.Equal(t, want.status, got.status)
	require.Equal(t, want.body, got.body)
	header := func(name string) string { return got.header.Get(name) }
	require.Equal(t, want.contentType, header("Content-Type"))
	if want.noLength {
		require.Empty(t, header("Content-Length"))
	} else {
		require.Equal(t, strconv.Itoa(len(want.body)), header("Content-Length"))
	}
	if want.noCache {
		require.Equal(t, "no-cache, no-store", header("Cache-Control"))
		require.Equal(t, "no-cache", header("Pragma"))
		require.Equal(t, "Thu, 01 Jan 1970 00:00:00 GMT", header("Expires"))
	} else {
		require.Equal(t, "no-store", header("Cache-Control"))
		require.Empty(t, header("Pragma"))
		require.Empty(t, header("Expires"))
	}
}

var (
	asEvents    = http.Header{"Accept": {"text/event-stream"}}
	asWebSocket = upgrade("13", base64.StdEncoding.EncodeToString([]byte("sixteen bytes...")))
)

// upgrade returns the headers of a WebSocket request.
func upgrade(version, key string) http.Header {
	return http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {version},
		"Sec-Websocket-Key":     {key},
	}
}

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

// TestAnswers is table 2.3 of the reference, but for the rows that need two
// requests at once.
func TestAnswers(t *testing.T) {
	t.Parallel()
	unknown := func(*testing.T, *server, *app) string { return "unknown" }
	without := func(*testing.T, *server, *app) string { return "" }
	fresh := func(_ *testing.T, s *server, _ *app) string { return s.negotiate() }
	polled := func(_ *testing.T, s *server, _ *app) string { return s.firstPoll() }
	streamed := func(_ *testing.T, s *server, _ *app) string {
		id := s.negotiate()
		s.events(id)
		return id
	}
	socketed := func(_ *testing.T, s *server, _ *app) string {
		id := s.negotiate()
		s.dial(id)
		return id
	}
	publicID := func(_ *testing.T, s *server, _ *app) string { return s.negotiateAs("?negotiateVersion=1").ConnectionID }
	ended := func(then ...string) func(*testing.T, *server, *app) string {
		return func(_ *testing.T, s *server, a *app) string {
			id := s.firstPoll()
			p := a.next()
			p.send(then...)
			p.Finish(nil)
			return id
		}
	}
	refusal := func(status int, body string) outcome {
		return outcome{status: status, contentType: "text/plain", body: body}
	}
	pollRefusal := func(status int, body string) outcome {
		return outcome{status: status, contentType: "text/plain", body: body, noCache: true}
	}
	poll := func(body string) outcome {
		return outcome{status: 200, contentType: "application/octet-stream", body: body, noCache: true}
	}
	noPolling := transports.WithTransports(transports.WebSockets, transports.ServerSentEvents)
	noEvents := transports.WithTransports(transports.WebSockets, transports.LongPolling)
	noSockets := transports.WithTransports(transports.ServerSentEvents, transports.LongPolling)
	for _, tt := range []struct {
		name    string
		option  transports.Option
		prepare func(*testing.T, *server, *app) (id string)
		method  string
		header  http.Header
		body    string
		want    outcome
	}{
		{"poll without id", nil, without, "GET", nil, "", pollRefusal(400, "Connection ID required")},
		{"events without id", nil, without, "GET", asEvents, "", refusal(400, "Connection ID required")},
		{"POST without id", nil, without, "POST", nil, "x", refusal(400, "Connection ID required")},
		{"DELETE without id", nil, without, "DELETE", nil, "", refusal(400, "Connection ID required")},

		{"poll with unknown id", nil, unknown, "GET", nil, "", pollRefusal(404, textUnknownID)},
		{"events with unknown id", nil, unknown, "GET", asEvents, "", refusal(404, textUnknownID)},
		{"POST with unknown id", nil, unknown, "POST", nil, "x", refusal(404, textUnknownID)},
		{"DELETE with unknown id", nil, unknown, "DELETE", nil, "", refusal(404, textUnknownID)},
		{"WebSocket with unknown id", nil, unknown, "GET", asWebSocket, "", outcome{status: 404, body: textUnknownID}},
		{"poll with the public id", nil, publicID, "GET", nil, "", pollRefusal(404, textUnknownID)},

		{"polling is off", noPolling, fresh, "GET", nil, "", pollRefusal(404, "LongPolling transport not supported by this end point type")},
		{"events are off", noEvents, fresh, "GET", asEvents, "", refusal(404, "ServerSentEvents transport not supported by this end point type")},
		{"WebSockets are off", noSockets, fresh, "GET", asWebSocket, "", refusal(404, "WebSockets transport not supported by this end point type")},
		{"WebSockets are off, no id", noSockets, without, "GET", asWebSocket, "", refusal(404, "WebSockets transport not supported by this end point type")},

		{"poll of an event stream", nil, streamed, "GET", nil, "", pollRefusal(400, textOther)},
		{"poll of a WebSocket", nil, socketed, "GET", nil, "", pollRefusal(400, textOther)},
		{"events of a poller", nil, polled, "GET", asEvents, "", refusal(400, textOther)},
		{"events of a WebSocket", nil, socketed, "GET", asEvents, "", refusal(400, textOther)},
		{"WebSocket of a poller", nil, polled, "GET", asWebSocket, "", refusal(400, textOther)},
		{"WebSocket of an event stream", nil, streamed, "GET", asWebSocket, "", refusal(400, textOther)},
		{"second event stream", nil, streamed, "GET", asEvents, "", refusal(409, "")},
		{"second WebSocket", nil, socketed, "GET", asWebSocket, "", refusal(409, "")},

		{"foreign origin", nil, without, "GET", with(asWebSocket, "Origin", "https://evil.example"), "", refusal(403, "")},

		{"POST to a WebSocket", nil, socketed, "POST", nil, "x", refusal(405, "POST requests are not allowed for WebSocket connections.")},
		{"POST before the first GET", nil, fresh, "POST", nil, "x", refusal(400, "")},
		{"POST to an event stream", nil, streamed, "POST", nil, "", refusal(200, "")},
		{"POST to a poller", nil, polled, "POST", nil, "", refusal(200, "")},
		{"POST to a poller that has ended", nil, ended(), "POST", nil, "x", refusal(404, "")},

		{"DELETE before the first GET", nil, fresh, "DELETE", nil, "", refusal(400, textTerminate)},
		{"DELETE of an event stream", nil, streamed, "DELETE", nil, "", refusal(400, textTerminate)},
		{"DELETE of a WebSocket", nil, socketed, "DELETE", nil, "", refusal(400, textTerminate)},
		{"DELETE of a poller", nil, polled, "DELETE", nil, "", refusal(202, "")},

		{"first poll", nil, fresh, "GET", nil, "", poll("")},
		{"poll with data", nil, func(_ *testing.T, s *server, a *app) string {
			id := s.firstPoll()
			a.next().send("one,", "two")
			return id
		}, "GET", nil, "", poll("one,two")},
		{"poll without data", transports.WithPollTimeout(time.Millisecond), polled, "GET", nil, "", poll("")},
		{"poll of what the application said last", nil, ended("bye"), "GET", nil, "", poll("bye")},
		{"poll of a connection that has ended", nil, ended(), "GET", nil, "", outcome{status: 204, noLength: true, noCache: true}},

		{"HEAD", nil, polled, "HEAD", nil, "", refusal(405, "")},
		{"PUT", nil, polled, "PUT", nil, "x", refusal(405, "")},
		{"PATCH", nil, polled, "PATCH", nil, "x", refusal(405, "")},
		{"OPTIONS", nil, polled, "OPTIONS", nil, "", refusal(405, "")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			a.discard = true
			logger, lines := newDebugLog()
			opts := []transports.Option{transports.WithLogger(logger)}
			if tt.option != nil {
				opts = append(opts, tt.option)
			}
			s := serve(t, a, opts...)
			id := tt.prepare(t, s, a)
			r := s.request(tt.method, id, tt.body)
			for name, values := range tt.header {
				r.Header[name] = values
			}
			requireOutcome(t, tt.want, s.exchange(r))
			if logged := refusals(lines); tt.want.status < 400 {
				require.Empty(t, logged)
			} else {
				require.Len(t, logged, 1, "each refusal is logged, once")
				require.Contains(t, logged[0], "status="+strconv.Itoa(tt.want.status))
				require.Contains(t, logged[0], "error=\"transports: ")
			}
		})
	}
}

// TestPollOfAFailedHandler is the last row of table 2.3.
func TestPollOfAFailedHandler(t *testing.T) {
	t.Parallel()
	s := serve(t, transports.ConnectionHandler(func(*transports.RawConn) error { return errors.New("failed") }))
	id := s.firstPoll()
	a := s.expect("GET", id, "", http.StatusInternalServerError, "")
	require.Equal(t, "0", a.header.Get("Content-Length"))
	require.Equal(t, "no-cache, no-store", a.header.Get("Cache-Control"))
	s.expect("GET", id, "", http.StatusNotFound, textUnknownID)
}

package transports_test

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

var allKinds = []transports.Kind{transports.WebSockets, transports.ServerSentEvents, transports.LongPolling}

// link is a client whose transport does not matter to the test.
type link interface {
	send(text string)
	trySend(text string) error // send for goroutines that are not the test's
	read() string              // some of what has come, or fails the test
	leave()                    // says good-bye as clients do
	expectEnd(failed bool)     // reads the end of a connection that the server ends
}

// connect opens a connection over a transport.
func (s *site) connect(kind transports.Kind) link {
	s.t.Helper()
	switch kind {
	case transports.WebSockets:
		return socketLink{s.dial(s.negotiate())}
	case transports.ServerSentEvents:
		id := s.negotiate()
		return eventLink{s, id, s.events(id)}
	default:
		return pollLink{s, s.firstPoll()}
	}
}

// expectFrom reads until all of this has come.
func (s *site) expectFrom(l link, want string) {
	s.t.Helper()
	var got strings.Builder
	for got.Len() < len(want) {
		got.WriteString(l.read())
	}
	if got.String() != want { // may be too long to show
		require.Equal(s.t, shorten(want), shorten(got.String()))
		require.FailNow(s.t, "the long texts differ in the middle")
	}
}

func shorten(s string) string {
	if len(s) <= 100 {
		return s
	}
	return fmt.Sprintf("%s…%s (%d bytes)", s[:40], s[len(s)-40:], len(s))
}

type socketLink struct{ *socket }

func (l socketLink) read() string {
	l.t.Helper()
	_, message, err := l.next()
	require.NoError(l.t, err)
	return message
}

func (l socketLink) leave() {
	l.t.Helper()
	l.sayGoodbye(nil)
	l.expectClosed(websocket.CloseNormalClosure)
}

func (l socketLink) expectEnd(failed bool) {
	l.t.Helper()
	code := websocket.CloseNormalClosure
	if failed {
		code = websocket.CloseInternalServerErr
	}
	l.expectClosed(code)
}

type eventLink struct {
	site *site
	id   string
	*stream
}

func (l eventLink) send(text string) {
	l.t.Helper()
	require.NoError(l.t, l.trySend(text))
}

func (l eventLink) trySend(text string) error { return l.site.tryPost(l.id, text) }

func (l eventLink) read() string {
	l.t.Helper()
	var event strings.Builder
	for !strings.HasSuffix(event.String(), "\r\n\r\n") {
		line, err := l.reader.ReadString('\n')
		require.NoError(l.t, err)
		event.WriteString(line)
	}
	data := parseEvents(event.String())
	require.Len(l.t, data, 1)
	return data[0]
}

func (l eventLink) leave() { l.drop() }

func (l eventLink) expectEnd(bool) {
	l.t.Helper()
	l.stream.expectEnd()
}

type pollLink struct {
	site *site
	id   string
}

func (l pollLink) send(text string) {
	l.site.t.Helper()
	require.NoError(l.site.t, l.trySend(text))
}

func (l pollLink) trySend(text string) error { return l.site.tryPost(l.id, text) }

func (l pollLink) read() string {
	l.site.t.Helper()
	a := l.site.do(http.MethodGet, l.id, "")
	require.Equal(l.site.t, http.StatusOK, a.status, a.body)
	return a.body
}

func (l pollLink) leave() {
	l.site.t.Helper()
	l.site.expect(http.MethodDelete, l.id, "", http.StatusAccepted, "")
}

func (l pollLink) expectEnd(failed bool) {
	l.site.t.Helper()
	status := http.StatusNoContent
	if failed {
		status = http.StatusInternalServerError
	}
	l.site.expect(http.MethodGet, l.id, "", status, "")
}

package transports_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

func TestEventStreamHead(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	st := s.events(s.negotiate())
	h := st.Header
	require.Equal(t, []string{"text/event-stream"}, h.Values("Content-Type"))
	require.Equal(t, []string{"no-cache,no-store"}, h.Values("Cache-Control"))
	require.Equal(t, []string{"no-cache"}, h.Values("Pragma"))
	require.Equal(t, []string{"identity"}, h.Values("Content-Encoding"))
	require.Equal(t, []string{"no"}, h.Values("X-Accel-Buffering"))
	require.Empty(t, h.Values("Expires"))
	require.Empty(t, h.Values("Content-Length"))
	p := a.next()
	require.Equal(t, transports.ServerSentEvents, p.Transport())
	require.Equal(t, "text/event-stream", p.Request().Header.Get("Accept"))
	require.NoError(t, p.Request().Context().Err())
}

func TestEventBytes(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	st := s.events(s.negotiate())
	p := a.next()
	for _, tt := range []struct{ payload, want string }{
		{"plain", "data: plain\r\n\r\n"},
		{"{\"type\":6}\x1e", "data: {\"type\":6}\x1e\r\n\r\n"},
		{" leading and trailing ", "data:  leading and trailing \r\n\r\n"},
		{"a\nb", "data: a\r\ndata: b\r\n\r\n"},
		{"a\r\nb", "data: a\r\ndata: b\r\n\r\n"},
		{"a\rb", "data: a\r\ndata: b\r\n\r\n"},
		{"a\n", "data: a\r\ndata: \r\n\r\n"},
		{"a\r\n", "data: a\r\ndata: \r\n\r\n"},
		{"a\r", "data: a\r\ndata: \r\n\r\n"},
		{"\n", "data: \r\ndata: \r\n\r\n"},
		{"a\n\r\n\rb", "data: a\r\ndata: \r\ndata: \r\ndata: b\r\n\r\n"},
		{"data: x\n\nevent: y", "data: data: x\r\ndata: \r\ndata: event: y\r\n\r\n"},
		{"", "\r\n"},
	} {
		p.send(tt.payload)
		st.expect(tt.want)
	}
}

func TestEventOfSeveralMessages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		messages []string
		want     string
	}{
		{[]string{"a", "b"}, "data: ab\r\n\r\n"},
		{[]string{"", "a", ""}, "data: a\r\n\r\n"},
		{[]string{"", ""}, "\r\n"},
		{[]string{"a\r", "\nb"}, "data: a\r\ndata: b\r\n\r\n"},
		{[]string{"a\r", "", "\nb"}, "data: a\r\ndata: b\r\n\r\n"},
		{[]string{"a\r", "b\n"}, "data: a\r\ndata: b\r\ndata: \r\n\r\n"},
		{[]string{"a\r", "\r\n"}, "data: a\r\ndata: \r\ndata: \r\n\r\n"},
	} {
		require.Equal(t, tt.want, string(transports.AppendEvent([]byte{}, split(tt.messages...))), "%q", tt.messages)
	}
}

func split(messages ...string) (raw [][]byte) {
	for _, m := range messages {
		raw = append(raw, []byte(m))
	}
	return raw
}

// parseEvents reads an event stream as the EventSource of browsers does, and
// returns the data of each event.
func parseEvents(stream string) (events []string) {
	var data strings.Builder
	lines := strings.Split(normalise(stream), "\n")
	for _, line := range lines[:len(lines)-1] { // the last has no end yet
		field, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && data.Len() > 0:
			events = append(events, strings.TrimSuffix(data.String(), "\n"))
			data.Reset()
		case field == "data":
			data.WriteString(strings.TrimPrefix(value, " ") + "\n")
		}
	}
	return events
}

func normalise(text string) string {
	return strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
}

// requireRoundTrip checks that an event gives back its messages, with the line
// breaks normalised.
func requireRoundTrip(t testing.TB, messages [][]byte) {
	stream := firstEvent + string(transports.AppendEvent(nil, messages)) + "data: next\r\n\r\n"
	want := []string{"next"}
	if payload := normalise(string(bytes.Join(messages, nil))); payload != "" {
		want = []string{payload, "next"}
	}
	require.Equal(t, want, parseEvents(stream), "%q", messages)
}

func TestEventsRoundTrip(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const alphabet = "\r\n\r\na: d\x1e"
	for range 5000 {
		messages := make([][]byte, 1+random.IntN(4))
		for i := range messages {
			for range random.IntN(6) {
				messages[i] = append(messages[i], alphabet[random.IntN(len(alphabet))])
			}
		}
		requireRoundTrip(t, messages)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte("a"), []byte("b"), []byte(""))
	f.Add([]byte("a\r"), []byte(""), []byte("\nb"))
	f.Add([]byte("\r\r\n"), []byte("\n\r"), []byte("data: \n\n"))
	f.Fuzz(func(t *testing.T, a, b, c []byte) { requireRoundTrip(t, [][]byte{a, b, c}) })
}

func TestEventStreamTakesNoSecondGet(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.negotiate()
	st := s.events(id)
	p := a.next()
	r := s.request("GET", id, "")
	r.Header.Set("Accept", "text/event-stream")
	require.Equal(t, http.StatusConflict, s.exchange(r).status)
	p.send("unharmed")
	st.expect("data: unharmed\r\n\r\n")
}

func TestEventStreamLost(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.negotiate()
	st := s.events(id)
	p := a.next()
	st.drop()
	p.expectLost()
	await.Done(t, s.Empty(), "all connections to end")
	s.expect("POST", id, "x", http.StatusNotFound, textUnknownID)
	require.Equal(t, map[string]uint64{"connection_lost": 1}, s.Stats().Ended)
}

func TestEventStreamEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *peer){
		"finished": func(_ *testing.T, p *peer) {
			p.send("bye")
			p.Finish(nil)
		},
		"failed": func(_ *testing.T, p *peer) {
			p.send("bye")
			p.Finish(http.ErrBodyNotAllowed)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			st := s.events(s.negotiate())
			p := a.next()
			end(t, p)
			st.expect("data: bye\r\n\r\n")
			st.expectEnd()
			p.expectClosed(nil)
			await.Done(t, s.Empty(), "all connections to end")
			require.Equal(t, map[string]uint64{"normal_closure": 1}, s.Stats().Ended)
		})
	}
}

func TestEventStreamAborted(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	s.events(s.negotiate())
	p := a.next()
	p.Abort()
	p.expectClosed(transports.ErrAborted)
	await.Done(t, s.Empty(), "all connections to end")
	require.Equal(t, map[string]uint64{"aborted": 1}, s.Stats().Ended)
}

// TestServerTimeoutsDoNotEndATransport: the timeouts of an http.Server are meant
// for ordinary requests.
func TestServerTimeoutsDoNotEndATransport(t *testing.T) {
	t.Parallel()
	const serverTimeout = time.Second
	for name, set := range map[string]func(*http.Server){
		"WriteTimeout": func(s *http.Server) { s.WriteTimeout = serverTimeout },
		"ReadTimeout":  func(s *http.Server) { s.ReadTimeout = serverTimeout },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t)
				s := serveBubble(t, a, set, transports.WithPollTimeout(await.Timeout))
				st := s.events(s.negotiate())
				streamed := a.next()
				poll := s.poll(s.firstPoll(), nil)
				polled := a.next()
				c := s.dial("")
				socket := a.next()
				time.Sleep(serverTimeout * 5 / 4)
				streamed.send("still here")
				st.expect("data: still here\r\n\r\n")
				socket.send("still here")
				c.expect("still here")
				polled.send("still here")
				poll.expect(http.StatusOK, "still here")
			})
		})
	}
}

// TestDisposedWhileARequestComes: a connection may end between the look-up and
// the moment when the request becomes its transport.
func TestDisposedWhileARequestComes(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t))
	p := s.start("GET", s.negotiate(), "", holdBind)
	await.Done(t, p.binds.reached, "the request to become the transport")
	s.Later(transports.DefaultDisconnectTimeout + time.Second)
	await.Done(t, s.Empty(), "all connections to end")
	p.binds.open()
	requireOutcome(t, outcome{status: 404, contentType: "text/plain", noCache: true}, await.Receive(t, p.answer, "the response to the poll"))
}

package transports_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// Whoever guessed a connection's token could end it: a request was refused only
// after it had changed when the connection expires.
func TestRefusedRequestsDoNotChangeTheExpiry(t *testing.T) {
	t.Parallel()
	const expired = "Expired"
	for _, tt := range []struct {
		name   string
		user   string
		other  bool // transport
		status int
	}{
		{"another user", "mallory", false, http.StatusForbidden},
		{"another transport", "", true, http.StatusBadRequest},
	} {
		for _, kind := range allKinds {
			t.Run(tt.name+", "+kind.String(), func(t *testing.T) {
				t.Parallel()
				a := newApp(t)
				s := serve(t, a,
					transports.WithIdentity(func(r *http.Request) string { return r.Header.Get("User") }),
					transports.WithExpiration(func(r *http.Request) time.Time {
						if r.Header.Get(expired) != "" {
							return time.Unix(1, 0)
						}
						return time.Time{}
					}))
				id := s.negotiate()
				asked := kind
				if tt.other {
					asked = otherKind(kind)
				}
				l := s.open(id, kind)
				p := a.next()
				r := s.request(http.MethodGet, id, "")
				askFor(r, asked)
				r.Header.Set("User", tt.user)
				r.Header.Set(expired, "yes")
				require.Equal(t, tt.status, s.exchange(r).status)
				// Twice something else expires: the sweep has been here since.
				for range 2 {
					_, _, err := s.tryDial("", http.Header{expired: {"yes"}})
					require.NoError(t, err)
					a.next().expectClosed(transports.ErrExpired)
				}
				none(t, p.closed, "the connection has not expired")
				p.send("still there")
				s.expectFrom(l, "still there")
			})
		}
	}
}

// open opens a connection over a transport.
func (s *site) open(id string, kind transports.Kind) link {
	s.t.Helper()
	switch kind {
	case transports.WebSockets:
		return socketLink{s.dial(id)}
	case transports.ServerSentEvents:
		return eventLink{s, id, s.events(id)}
	default:
		s.expect(http.MethodGet, id, "", http.StatusOK, "")
		return pollLink{s, id}
	}
}

// askFor makes a GET one for a transport.
func askFor(r *http.Request, kind transports.Kind) {
	switch kind {
	case transports.WebSockets:
		for name, values := range upgrade("13", "dGhlIHNhbXBsZSBub25jZQ==") {
			r.Header[name] = values
		}
	case transports.ServerSentEvents:
		r.Header.Set("Accept", "text/event-stream")
	}
}

func otherKind(kind transports.Kind) transports.Kind {
	if kind == transports.WebSockets {
		return transports.LongPolling
	}
	return transports.WebSockets
}

// slowConnect is an application that is told of a connection and then loses its
// processor for a while.
type slowConnect struct {
	*app
	gate *gate
}

func (h slowConnect) Connect(c *transports.Connection) transports.Receiver {
	receiver := h.app.Connect(c)
	h.gate.pass()
	return receiver
}

// A DELETE between the first poll and the application's answer to it found nobody to
// tell, and the application was never told.
func TestDeleteWhileTheConnectionIsOpened(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	opening := newGate()
	defer opening.open() // also if the test fails before
	s := serve(t, slowConnect{a, opening})
	id := s.negotiate()
	poll := s.start(http.MethodGet, id, "", nil)
	await.Done(t, opening.reached, "the application to be opening the connection")
	p := a.next()
	s.expect(http.MethodDelete, id, "", http.StatusAccepted, "")
	none(t, p.closed, "the application has not yet returned")
	opening.open()
	p.expectClosed(nil)
	require.NoError(t, await.Receive(t, poll.answer, "the response to the poll").err)
	a.verify()
}

// A connection that had ended could still get a transport, which then never ended.
func TestConnectionThatHasEndedGetsNoTransport(t *testing.T) {
	t.Parallel()
	for _, kind := range allKinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			id := s.negotiate()
			s.End(transports.ErrShutdown)
			r := s.request(http.MethodGet, id, "")
			askFor(r, kind)
			require.Equal(t, http.StatusNotFound, s.exchange(r).status)
			none(t, a.arrived, "the application is not bothered")
		})
	}
}

// Senders that can wait looked for room and then queued, so that many of them
// overfilled the outbox and the client was blamed for it.
func TestSendersThatWaitNeverOverfillTheOutbox(t *testing.T) {
	t.Parallel()
	const senders, buffer = 100, 1000
	a := newApp(t)
	s := serve(t, a, transports.WithBufferSize(buffer), transports.WithOutboxLimit(buffer))
	id := s.firstPoll()
	p := a.next()
	results := make(chan error, senders)
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	for range senders {
		go func() { results <- p.SendWait(ctx, make([]byte, buffer)) }()
	}
	for got := 0; got < senders*buffer; {
		answer := s.do(http.MethodGet, id, "")
		require.Equal(t, http.StatusOK, answer.status, "%v", s.Stats())
		require.LessOrEqual(t, len(answer.body), 2*buffer, "what one poll finds")
		got += len(answer.body)
	}
	for range senders {
		require.NoError(t, await.Receive(t, results, "the result of a SendWait"))
	}
}

// A reader that is held up by the application does not notice that the socket is
// broken: the writer must.
func TestBrokenConnectionIsNoticedWhileReceiveBlocks(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	c := s.dial("")
	p := a.next()
	c.send("held up")
	await.Done(t, p.receiving, "the application to be given the POST")
	require.NoError(t, c.NetConn().(*net.TCPConn).SetLinger(0))
	c.drop()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	var err error
	for err == nil {
		err = p.Write(ctx, []byte("x"))
	}
	require.ErrorIs(t, err, transports.ErrClosed)
	p.expectLost()
}

// flushedWriter lets a test hold up the endpoint after it has sent an answer.
type flushedWriter struct {
	http.ResponseWriter
	flushed *gate
}

func (w flushedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w flushedWriter) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	w.flushed.pass()
	return err
}

// A connection that is aborted when its poll has just been answered must not break
// the network connection, on which other requests follow.
func TestAbortAfterTheAnswerSparesTheNetworkConnection(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	flushed := newGate()
	defer flushed.open() // also if the test fails before
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Hold") != "" {
			w = flushedWriter{w, flushed}
		}
		s.serve(w, r)
	})
	s.client.Transport.(*http.Transport).MaxConnsPerHost = 1
	id, other := s.firstPoll(), s.firstPoll()
	p, q := a.next(), a.next()
	p.send("answer")
	poll := s.request(http.MethodGet, id, "")
	poll.Header.Set("Hold", "yes")
	answered := make(chan answer, 1)
	go func() { answered <- s.exchange(poll) }()
	await.Done(t, flushed.reached, "the response to be flushed")
	p.Abort()
	flushed.open()
	got := await.Receive(t, answered, "the response to the poll")
	require.NoError(t, got.err)
	require.Equal(t, "answer", got.body)
	p.expectClosed(transports.ErrAborted)
	for range 2 {
		q.send("next")
		s.expect(http.MethodGet, other, "", http.StatusOK, "next")
	}
}

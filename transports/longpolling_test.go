package transports_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

func TestFirstPoll(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.negotiate()
	s.expect("GET", id+"&room=kitchen", "", http.StatusOK, "")
	p := a.next()
	require.Equal(t, transports.LongPolling, p.Transport())
	require.Equal(t, "kitchen", p.Request().URL.Query().Get("room"))
	p.send("x")
	s.expect("GET", id+"&room=hall", "", http.StatusOK, "x")
	require.Equal(t, "kitchen", p.Request().URL.Query().Get("room"), "the first request is kept")
}

// TestFirstPollCarriesNoData: clients drop a body there.
func TestFirstPollCarriesNoData(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.negotiate()
	first := s.start("GET", id, "", holdAnswer)
	await.Done(t, first.answers.reached, "the first poll to be about to respond")
	a.next().send("early")
	first.answers.open()
	first.expect(http.StatusOK, "")
	s.expect("GET", id, "", http.StatusOK, "early")
}

func TestPollWaitsForData(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	for _, want := range []string{"one", "\x00\xff\n", "three"} {
		poll := s.poll(id, nil)
		none(t, poll.answer, "nothing to answer yet")
		p.send(want)
		poll.expect(http.StatusOK, want)
	}
	p.send("a", "b", "c")
	s.expect("GET", id, "", http.StatusOK, "abc")
}

func TestPollTimesOut(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a, transports.WithPollTimeout(10*time.Millisecond))
	id := s.firstPoll()
	for range 3 {
		s.expect("GET", id, "", http.StatusOK, "")
	}
	p := a.next()
	p.send("x")
	s.expect("GET", id, "", http.StatusOK, "x")
	none(t, p.closed, "an empty poll ends nothing")
}

// TestDefaultPollTimeout: nginx, as it comes, waits 60 s for a response.
func TestDefaultPollTimeout(t *testing.T) {
	t.Parallel()
	require.Less(t, transports.DefaultPollTimeout, time.Minute)
}

func TestPollAfterTheEnd(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	p.send("rest")
	p.Finish(nil)
	s.expect("GET", id, "", http.StatusOK, "rest")
	s.expect("GET", id, "", http.StatusNoContent, "")
	p.expectClosed(nil)
	await.Done(t, s.Empty(), "all connections to end")
	s.expect("GET", id, "", http.StatusNotFound, textUnknownID)
	require.Equal(t, map[string]uint64{"normal_closure": 1}, s.Stats().Ended)
}

func TestWaitingPollEndsWithTheApplication(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	poll := s.poll(s.firstPoll(), nil)
	a.next().Finish(nil)
	poll.expect(http.StatusNoContent, "")
	await.Done(t, s.Empty(), "all connections to end")
}

func TestNewPollSupersedes(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	poll := s.poll(id, nil)
	for range 5 {
		next := s.poll(id, nil)
		poll.expect(http.StatusOK, "")
		await.Done(t, next.waits, "the next poll to wait") // no longer for the old one
		poll = next
	}
	p.send("x")
	poll.expect(http.StatusOK, "x")
	none(t, p.closed, "a superseded poll ends nothing")
}

// TestNewPollWaitsForTheOld: the old one has unwound before the new one takes
// anything.
func TestNewPollWaitsForTheOld(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	old := s.poll(id, holdAnswer)
	p := a.next()
	next := s.poll(id, nil)
	await.Done(t, old.answers.reached, "the old poll to be about to respond")
	p.send("x")
	none(t, next.answer, "the old one is still there")
	old.answers.open()
	old.expect(http.StatusOK, "")
	next.expect(http.StatusOK, "x")
}

func TestThirdPollIsRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	first := s.poll(id, holdAnswer)
	second := s.poll(id, nil)
	await.Done(t, first.answers.reached, "the first poll to be about to respond")
	third := s.start("GET", id, "", nil)
	requireOutcome(t, outcome{status: 409, contentType: "text/plain", noCache: true}, await.Receive(t, third.answer, "the response to the third poll"))
	first.answers.open()
	first.expect(http.StatusOK, "")
	a.next().send("x")
	second.expect(http.StatusOK, "x")
}

func TestAbortedPollKeepsTheData(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	poll := s.poll(id, nil)
	poll.cancel()
	require.Error(t, await.Receive(t, poll.answer, "the response to the poll").err)
	await.Done(t, poll.served, "the poll to be served")
	p.send("kept")
	s.expect("GET", id, "", http.StatusOK, "kept")
	none(t, p.closed, "an aborted poll ends nothing")
}

// TestAbortedPollDoesNotHideTheNext: the next poll may come before the server
// has noticed that the old one is gone.
func TestAbortedPollDoesNotHideTheNext(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	old := s.poll(id, holdAnswer)
	next := s.poll(id, nil)
	await.Done(t, old.answers.reached, "the old poll to be about to respond")
	old.cancel()
	old.answers.open()
	await.Done(t, old.served, "the old poll to be served")
	await.Done(t, next.waits, "the next poll to wait") // no longer for the old one
	unused := s.negotiate()
	s.Later(transports.DefaultDisconnectTimeout + time.Second)
	await.Equal(t, http.StatusNotFound, func() int { return s.do("POST", unused, "").status }, "the status of a POST to the unused connection")
	p.send("x")
	next.expect(http.StatusOK, "x")
}

func TestPollAbandonedWhileItWaitsForAnother(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	old := s.poll(id, holdAnswer)
	abandoned := s.poll(id, nil)
	abandoned.cancel()
	await.Done(t, abandoned.served, "the abandoned poll to be served")
	next := s.poll(id, nil) // not the third: the second has gone
	old.answers.open()
	old.expect(http.StatusOK, "")
	p.send("x")
	next.expect(http.StatusOK, "x")
}

func TestPollsTooFarApart(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	s.Later(transports.DefaultDisconnectTimeout - time.Second)
	post := s.start("POST", id, "in time", nil)
	p.expect("in time")
	post.expect(http.StatusOK, "")
	s.Later(transports.DefaultDisconnectTimeout + time.Second)
	p.expectClosed(transports.ErrInactive)
	await.Done(t, s.Empty(), "all connections to end")
	s.expect("GET", id, "", http.StatusNotFound, textUnknownID)
	require.Equal(t, map[string]uint64{"timeout": 1}, s.Stats().Ended)
}

// TestRequestsWhileAConnectionIsDisposed: it is still known while the application
// says good-bye, but nobody gets it any more.
func TestRequestsWhileAConnectionIsDisposed(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	leaving := newGate()
	defer leaving.open() // also if the test fails before
	a.onClose = func(*peer) { leaving.pass() }
	s := serve(t, a)
	id := s.firstPoll()
	a.next()
	s.Later(transports.DefaultDisconnectTimeout + time.Second)
	await.Done(t, leaving.reached, "the application to be closing the connection")
	requireOutcome(t, outcome{status: 404, contentType: "text/plain", noCache: true}, s.do("GET", id, ""))
	requireOutcome(t, outcome{status: 404, contentType: "text/plain"}, s.do("POST", id, "x"))
	leaving.open()
}

func TestDelete(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	p := a.next()
	p.send("lost")
	s.expect("DELETE", id, "", http.StatusAccepted, "")
	s.expect("GET", id, "", http.StatusNotFound, textUnknownID)
	s.expect("POST", id, "x", http.StatusNotFound, textUnknownID)
	s.expect("DELETE", id, "", http.StatusNotFound, textUnknownID)
	p.expectClosed(nil)
}

// TestDeleteDoesNotWaitForTheApplication (reference 2.7): 202 at once.
func TestDeleteDoesNotWaitForTheApplication(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	leaving := newGate()
	defer leaving.open() // also if the test fails before
	a.onClose = func(*peer) { leaving.pass() }
	s := serve(t, a)
	id := s.firstPoll()
	s.expect("DELETE", id, "", http.StatusAccepted, "")
	await.Done(t, leaving.reached, "the application to be closing the connection")
	s.expect("GET", id, "", http.StatusNotFound, textUnknownID)
	leaving.open()
}

func TestDeleteEndsTheWaitingPoll(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.firstPoll()
	poll := s.poll(id, nil)
	s.expect("DELETE", id, "", http.StatusAccepted, "")
	poll.expect(http.StatusNoContent, "")
	a.next().expectClosed(nil)
}

// TestDeleteWhileAPollIsOnItsWayOut: a poll that has made up its mind no longer
// looks at the DELETE, and the connection must end all the same.
func TestDeleteWhileAPollIsOnItsWayOut(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, s *server, id string, p *peer) *pending{
		"with data": func(_ *testing.T, s *server, id string, p *peer) *pending {
			poll := s.poll(id, holdAnswer)
			p.send("x")
			return poll
		},
		"without data": func(_ *testing.T, s *server, id string, _ *peer) *pending { return s.poll(id, holdAnswer) },
		"superseded": func(_ *testing.T, s *server, id string, _ *peer) *pending {
			poll := s.poll(id, holdAnswer)
			s.poll(id, nil)
			return poll
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a, transports.WithPollTimeout(10*time.Millisecond))
			id := s.firstPoll()
			p := a.next()
			poll := prepare(t, s, id, p)
			await.Done(t, poll.answers.reached, "the poll to be about to respond")
			s.expect("DELETE", id, "", http.StatusAccepted, "")
			poll.answers.open()
			p.expectClosed(nil)
		})
	}
	t.Run("first poll", func(t *testing.T) {
		t.Parallel()
		a := newApp(t)
		s := serve(t, a)
		id := s.negotiate()
		first := s.start("GET", id, "", holdAnswer)
		await.Done(t, first.answers.reached, "the first poll to be about to respond")
		s.expect("DELETE", id, "", http.StatusAccepted, "")
		first.answers.open()
		a.next().expectClosed(nil)
	})
}

func TestAbortedConnectionAnswersPolls(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	waiting := s.poll(s.firstPoll(), nil)
	p := a.next()
	p.Abort()
	waiting.expect(http.StatusNoContent, "")
	p.expectClosed(transports.ErrAborted)

	id := s.firstPoll()
	p = a.next()
	p.send("lost")
	p.Abort()
	s.expect("GET", id, "", http.StatusNoContent, "")
	p.expectClosed(transports.ErrAborted)
}

// TestPollsNeedNoFlusher: polls are what is left to clients behind middleware
// that can do nothing but answer.
func TestPollsNeedNoFlusher(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(bare{w}, r) })
	id := s.firstPoll()
	p := a.next()
	for range 2 {
		p.send("x")
		s.expect("GET", id, "", http.StatusOK, "x")
	}
}

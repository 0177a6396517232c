package classic_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
)

// short are timings for tests of timeouts: a client that is lost is gone after
// 2 s, so that one that lives has time to show it, and a poll ends after 100 ms.
func short() classic.Option {
	return classic.WithShortTimes(5*time.Millisecond, 10*time.Millisecond, 2*time.Second, 100*time.Millisecond)
}

// TestOnConnectedRunsOnceWhateverTheFallback: a first transport is given up, and
// start is asked for twice.
func TestOnConnectedRunsOnceWhateverTheFallback(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=webSockets")
	c.begin()
	first, closeFirst := c.input, c.close
	c.query.Set("transport", "serverSentEvents")
	c.open("/connect")
	c.requireInit()
	await.All(t, first, "the end of the socket that was given up")
	closeFirst()
	first, closeFirst = c.input, c.close
	c.query.Set("transport", "longPolling")
	c.open("/connect")
	c.requireInit()
	await.All(t, first, "the end of the events that were given up")
	closeFirst()
	c.start()
	c.start()
	n.chat.requireEvent(t, "connected "+c.id)
	n.chat.requireNoEvent(t)
	require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "hi"))
	c.requireMessages(said("hi"))
	require.Equal(t, 1, n.endpoint.Stats().Connections)
}

// TestStartIsAnsweredBehindWhatOnConnectedHasSent: the answer is written when the
// messages are.
func TestStartIsAnsweredBehindWhatOnConnectedHasSent(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"serverSentEvents", "longPolling"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil)
			var log writeLog
			n.server.Config.Handler = log.around(n.endpoint)
			for range 20 {
				c := newClient(t, n, "user=ann&test=greet&transport="+transport)
				c.begin()
				await.Equal(t, 1, func() int { return n.endpoint.Stats().Streams[transport] }, "the number of streams of a client that has connected")
				log.clear()
				c.start()
				writes := log.all()
				require.Contains(t, writes, `{"H":"Chat","M":"greet","A":["ann"]}`)
				require.Less(t, strings.Index(writes, "greet"), strings.Index(writes, "started"))
				c.close()
				await.Equal(t, 0, func() int { return n.endpoint.Stats().Streams[transport] }, "the number of streams of a client that has closed")
			}
		})
	}
}

// writeLog notes what a server writes, in the order in which the writes end.
type writeLog struct {
	mu  sync.Mutex
	log strings.Builder
}

func (l *writeLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.log.Reset()
}

func (l *writeLog) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

func (l *writeLog) around(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(&loggedWriter{w, l}, r) })
}

type loggedWriter struct {
	http.ResponseWriter
	log *writeLog
}

func (w *loggedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *loggedWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.log.log.Write(b)
	return n, err
}

func TestOnConnectedThatFails(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "test=refuse&transport="+transport)
		c.begin()
		status, _ := c.ask("/start", nil)
		require.Equal(t, http.StatusInternalServerError, status)
		n.chat.requireEvent(t, "connected "+c.id)
		if transport != "longPolling" { // which polls on, as a new connection
			c.requireEnd()
		}
		c.close()
		n.stop()
		n.chat.requireNoEvent(t)
	})
}

// TestClientsBeforeStart: protocol 1.3 has no start.
func TestClientsBeforeStart(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "user=ann&test=greet&clientProtocol=1.3&transport="+transport)
		c.negotiate()
		c.open("/connect")
		r := c.next()
		require.Equal(t, "1", string(r["S"]))
		require.Equal(t, `[{"H":"Chat","M":"greet","A":["ann"]}]`, string(r["M"]))
		require.NotEmpty(t, r["G"])
		n.chat.requireEvent(t, "connected "+c.id)
		c.close()
		c.drain()
		c.open("/reconnect")
		n.chat.requireEvent(t, "reconnected "+c.id)
	})
}

func TestClientsThatDoNotComeBack(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil, short())
		c := newClient(t, n, "transport="+transport)
		c.connect()
		c.close()
		n.chat.requireEvent(t, "disconnected "+c.id+" "+hubs.ErrClientTimeout.Error())
		await.Equal(t, 0, func() int { return n.endpoint.Stats().Connections }, "the number of connections after the disconnect timeout")
		require.Equal(t, map[string]uint64{"timeout": 1}, n.endpoint.Stats().Ended)

		c.drain()
		c.open("/reconnect") // late, and accepted: its groups token shows that it was
		n.chat.requireEvent(t, "reconnected "+c.id)
	})
}

// TestClientsThatNeverStart go without OnDisconnected, since OnConnected has not
// run.
func TestClientsThatNeverStart(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil, short())
		c := newClient(t, n, "transport="+transport)
		c.begin()
		await.Until(t, func() bool { return n.endpoint.Stats().Ended["refused"] > 0 }, "the connection that was not started has ended")
		c.close()
		n.stop()
		n.chat.requireNoEvent(t)
	})
}

func TestAbortByTheClient(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "transport="+transport)
		c.connect()
		c.close()
		for range 3 {
			resp, err := bounded.Post(c.url("/abort", nil), "", nil)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
		}
		n.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
		n.stop()
		n.chat.requireNoEvent(t)
	})
}

func TestAbortByTheApplication(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "transport="+transport)
		c.connect()
		require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "bye"))
		require.NoError(t, n.hub.Clients().Client(c.id).Abort(t.Context(), nil), nil)
		c.requireMessages(said("bye"))
		require.Equal(t, `"The connection was closed by the server."`, string(c.next()["E"]))
		c.requireEnd()
		n.chat.requireEvent(t, "disconnected "+c.id+" "+hubs.ErrAborted.Error())

		// Clients before 2.4 do not know what E means. They give up after some refusals.
		if transport != "longPolling" { // whose next poll was told
			c.open("/reconnect")
			require.NotEmpty(t, c.next()["E"])
			c.requireEnd()
		}
		c.requireRefused("/reconnect")
		n.stop()
		n.chat.requireNoEvent(t)
	})
}

func TestHubMethodsCanEndTheirCaller(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=serverSentEvents")
	c.connect()
	require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Bye","I":1}`))
	require.NotEmpty(t, c.next()["E"])
	n.chat.requireEvent(t, "disconnected "+c.id+" "+hubs.ErrAborted.Error())
}

// TestKeepAlive: every transport shows that it lives, and a cursor that has moved
// goes along.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil, classic.WithShortTimes(5*time.Millisecond, 10*time.Millisecond, time.Minute, time.Minute))
		c := newClient(t, n, "transport="+transport)
		if transport == "longPolling" {
			c.negotiate()
			_, body := c.ask("/connect", url.Values{})
			c.take(make(chan map[string]json.RawMessage, 1), []byte(body))
			resp, err := bounded.PostForm(c.url("/poll", nil), c.resume())
			require.NoError(t, err)
			defer resp.Body.Close()
			newLines(resp.Body).until(t, "   ")
			return
		}
		c.connect()
		for range 3 {
			requireKeepAlive(t, c, false)
		}
		require.NoError(t, n.hub.Clients().User("somebody else").Send(t.Context(), "say", "hi"))
		requireKeepAlive(t, c, true)
	})
}

func requireKeepAlive(t *testing.T, c *client, withCursor bool) {
	t.Helper()
	late := time.After(await.Timeout)
	for {
		r, ok := c.receive(late, "a keep-alive")
		require.True(t, ok, "the stream ended instead of bringing a keep-alive")
		require.Empty(t, r["S"])
		if withCursor && r["C"] == nil || r["G"] != nil {
			continue // it was on its way before
		}
		require.Equal(t, withCursor, r["C"] != nil, "%s", r)
		return
	}
}

// TestPollsEndInTime: with a cursor, without which clients connect anew.
func TestPollsEndInTime(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithShortTimes(5*time.Millisecond, 0, time.Minute, 20*time.Millisecond))
	c := newClient(t, n, "transport=longPolling")
	c.connect()
	for i := range 3 {
		r := await.Receive(t, c.input, "response %d of polls that end in time", i)
		require.NotNil(t, r["C"])
		require.NotNil(t, r["M"])
	}
}

func TestANewerPollEndsTheOlder(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=longPolling")
	c.begin()
	c.requireStream() // else the server may get to the client's own poll last
	c.close()
	c.drain()
	answers := make(chan answer, 2)
	for range 2 {
		go func() { answers <- c.tryAsk("/poll", c.resume()) }()
	}
	_, ended := requireAnswer(t, answers, "the answer to the older poll")
	var r map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(ended), &r))
	require.Equal(t, "[]", string(r["M"]))
	require.NotEmpty(t, r["C"])
	require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "hi"))
	_, answered := requireAnswer(t, answers, "the answer to the newer poll")
	require.Contains(t, answered, said("hi"))
}

// holdHeaders lets a test hold up the header of the next response after hold is set.
func holdHeaders(t *testing.T, n *node) (hold *atomic.Bool, held <-chan struct{}, release func()) {
	hold = new(atomic.Bool)
	reached, gate := make(chan struct{}), make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	n.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hold.CompareAndSwap(true, false) {
			w = &heldWriter{w, reached, gate}
		}
		n.endpoint.ServeHTTP(w, r)
	})
	return hold, reached, release
}

// pollOnce polls and delivers the body and the error.
func (c *client) pollOnce() <-chan string {
	result := make(chan string, 1)
	go func() {
		resp, err := c.http.PostForm(c.url("/poll", nil), c.resume())
		if err != nil {
			result <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		result <- fmt.Sprint(string(body), err)
	}()
	return result
}

// beginByHand connects a client that polls only when the test says so.
func (c *client) beginByHand() {
	c.t.Helper()
	c.negotiate()
	_, body := c.ask("/connect", url.Values{})
	c.take(make(chan map[string]json.RawMessage, 1), []byte(body))
}

// TestShutdownMeetsAPollThatBegins: the poll's response says that the client has to
// reconnect. Without that the client would poll the node that is shutting down.
func TestShutdownMeetsAPollThatBegins(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	hold, held, release := holdHeaders(t, n)
	c := newClient(t, n, "transport=longPolling")
	c.beginByHand()
	hold.Store(true)
	poll := c.pollOnce()
	await.Done(t, held, "the header of the poll")
	classic.ShutDown(t, n.endpoint)
	release()
	require.Equal(t, fmt.Sprintf(`{"C":%q,"T":1,"M":[]}<nil>`, c.resume().Get("messageId")), await.Receive(t, poll, "the response to the poll"))
}

// TestPollReplacedWhileItsHeaderIsWritten: the older poll still gets a response.
func TestPollReplacedWhileItsHeaderIsWritten(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	hold, held, release := holdHeaders(t, n)
	c := newClient(t, n, "transport=longPolling")
	c.beginByHand()
	hold.Store(true)
	older := c.pollOnce()
	await.Done(t, held, "the header of the older poll")
	newer := c.pollOnce()
	await.Equal(t, 3, func() uint64 { return n.endpoint.Stats().Opened["longPolling"] }, "the number of polls that the endpoint has taken")
	release()
	want := fmt.Sprintf(`{"C":%q,"M":[]}<nil>`, c.resume().Get("messageId"))
	require.Equal(t, want, await.Receive(t, older, "the response to the older poll"))
	status, _ := c.ask("/abort", url.Values{})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, want, await.Receive(t, newer, "the response to the newer poll"))
}

// heldWriter holds up flushes at a gate.
type heldWriter struct {
	http.ResponseWriter
	held chan<- struct{}
	gate <-chan struct{}
}

func (w *heldWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *heldWriter) FlushError() error {
	select {
	case w.held <- struct{}{}:
		<-w.gate
	case <-w.gate:
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func TestLongPollDelay(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithLongPollDelay(250*time.Millisecond))
	c := newClient(t, n, "transport=longPolling")
	c.negotiate()
	_, body := c.ask("/connect", url.Values{})
	require.Contains(t, body, `"S":1,"L":250,"M":[]`)
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		a, b := newFarm(t)
		c := newClient(t, a, "transport="+transport)
		c.connect()
		c.requireStream() // with the answer to the start, a poll has ended
		classic.ShutDown(t, a.endpoint)
		if transport == "longPolling" {
			for r := c.next(); r["T"] == nil; r = c.next() {
			}
		}
		c.requireEnd()
		status, _ := c.ask("/reconnect", url.Values{})
		if transport == "webSockets" {
			require.Equal(t, http.StatusBadRequest, status, "no socket")
		} else {
			require.Equal(t, http.StatusServiceUnavailable, status)
		}
		c.node = b
		c.open("/reconnect")
		b.chat.requireEvent(t, "reconnected "+c.id)
		require.NoError(t, b.hub.Clients().All().Send(t.Context(), "say", "hi"))
		c.requireMessages(said("hi"))
		a.stop()
		a.chat.requireNoEvent(t)
	})
}

// TestRequestsThatReachAnotherNode: start, send and abort work wherever they come.
func TestRequestsThatReachAnotherNode(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"serverSentEvents", "longPolling"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			a, b := newFarm(t)
			c := newClient(t, a, "transport="+transport+"&user=ann&test=greet")
			c.begin()
			other := c.other(b)
			other.start()
			b.chat.requireEvent(t, "connected "+c.id)
			c.requireMessages(`{"H":"Chat","M":"greet","A":["ann"]}`)
			require.JSONEq(t, `{"I":"1"}`, other.call(`{"H":"chat","M":"Join","A":["red"],"I":1}`))
			require.JSONEq(t, `{"I":"2"}`, other.call(`{"H":"chat","M":"Echo","A":["x"],"I":2}`))
			c.requireMessages(`{"H":"Chat","M":"echo","A":["x"]}`)
			require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "hi"))
			c.requireMessages(said("hi"))
			require.JSONEq(t, `{"R":"done","I":"3"}`, other.call(`{"H":"chat","M":"Work","I":3}`))
			c.requireMessages(`{"I":"P|3","P":{"I":"3","D":0}}`, `{"I":"P|3","P":{"I":"3","D":1}}`, `{"I":"P|3","P":{"I":"3","D":2}}`)
			a.chat.requireNoEvent(t)
			status, _ := other.ask("/abort", url.Values{})
			require.Equal(t, http.StatusOK, status)
			a.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
			a.stop()
			b.stop()
			b.chat.requireNoEvent(t)
		})
	}
}

// TestAConnectionThatHasMovedIsDroppedSilently: the node that it has left does not
// take it for gone, however long it is away.
func TestAConnectionThatHasMovedIsDroppedSilently(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		// The disconnect timeout limits the start as well, which a busy machine may
		// need long for; nothing here waits for it.
		a, b := newFarm(t, classic.WithShortTimes(5*time.Millisecond, 10*time.Millisecond, await.Timeout, await.Timeout))
		c := newClient(t, a, "transport="+transport)
		c.connect()
		c.close()
		c.drain()
		c.node = b
		c.open("/reconnect")
		b.chat.requireEvent(t, "reconnected "+c.id)
		await.Equal(t, 0, func() int { return a.endpoint.Stats().Connections }, "the number of connections of the node that was left")
		require.Equal(t, map[string]uint64{"moved": 1}, a.endpoint.Stats().Ended)
		a.chat.requireNoEvent(t)
	})
}

// TestNobodyReceivesByTokensAlone: whoever reconnects without ever having been
// accepted meets OnConnected.
func TestNobodyReceivesByTokensAlone(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "test=refuse&transport=serverSentEvents")
	c.negotiate()
	c.open("/reconnect")
	n.chat.requireEvent(t, "connected "+c.id)
	c.requireEnd()
	other := newClient(t, n, "transport=serverSentEvents")
	other.connect()
	c.groups = other.resume().Get("groupsToken") // of somebody else
	c.open("/reconnect")
	n.chat.requireEvent(t, "connected "+c.id)
	c.requireEnd()
}

func TestTheHubsOfAConnectionAreThoseItBeganWith(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=longPolling&connectionData=[]")
	c.begin()
	c.start()
	c.close()
	resp, err := bounded.Post(c.url("/reconnect", url.Values{"connectionData": {`[{"name":"chat"}]`}}), "", strings.NewReader(c.resume().Encode()))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
	n.chat.requireNoEvent(t)
}

// TestAConnectionWithoutHubs connects, calls, gets progress, and comes back.
func TestAConnectionWithoutHubs(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "connectionData=&transport="+transport)
		c.begin()
		c.start()
		require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "hi"))
		require.JSONEq(t, `{"R":"done","I":"3"}`, c.call(`{"H":"chat","M":"Work","I":3}`))
		c.requireMessages(`{"I":"P|3","P":{"I":"3","D":0}}`, `{"I":"P|3","P":{"I":"3","D":1}}`, `{"I":"P|3","P":{"I":"3","D":2}}`)
		c.close()
		c.drain()
		c.open("/reconnect")
		require.JSONEq(t, `{"R":"done","I":"4"}`, c.call(`{"H":"chat","M":"Work","I":4}`))
		c.requireMessages(`{"I":"P|4","P":{"I":"4","D":0}}`)
		status, _ := c.ask("/abort", nil)
		require.Equal(t, http.StatusOK, status)
		n.stop()
		n.chat.requireNoEvent(t)
	})
}

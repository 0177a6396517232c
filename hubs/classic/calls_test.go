package classic_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
)

func TestResultsAndErrors(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "transport="+transport)
		c.connect()
		for call, answer := range map[string]string{
			`{"H":"chat","M":"FAIL","I":2}`:                 `{"I":"2","H":true,"E":"no seats"}`,
			`{"H":"chat","M":"FailWithData","I":3}`:         `{"I":"3","H":true,"E":"no seats","D":{"left":0}}`,
			`{"H":"chat","M":"secret","I":4}`:               `{"I":"4","E":"There was an error invoking Hub method 'chat.secret'."}`,
			`{"H":"chat","M":"panic","I":5}`:                `{"I":"5","E":"There was an error invoking Hub method 'chat.panic'."}`,
			`{"H":"chat","M":"Nope","I":6}`:                 `{"I":"6","E":"There was an error invoking Hub method 'chat.Nope'."}`,
			`{"H":"chat","M":"Join","A":[],"I":7}`:          `{"I":"7","E":"There was an error invoking Hub method 'chat.Join'."}`,
			`{"H":"chat","M":"Join","A":[{}],"I":7}`:        `{"I":"7","E":"There was an error invoking Hub method 'chat.Join'."}`,
			`{"H":"chat","M":"OnConnected","A":[],"I":"x"}`: `{"I":"x","E":"There was an error invoking Hub method 'chat.OnConnected'."}`,
			`{"H":"chat","M":"add","I":8}`:                  `{"R":0,"I":"8"}`,
		} {
			require.JSONEq(t, answer, c.call(call), call)
		}
	})
}

func TestDetailedErrors(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithDetailedErrors())
	c := newClient(t, n, "transport=webSockets")
	c.connect()
	for call, answer := range map[string]string{
		`{"H":"chat","M":"Secret","I":1}`:        `{"I":"1","E":"the password is 1234"}`,
		`{"H":"chat","M":"Fail","I":2}`:          `{"I":"2","H":true,"E":"no seats"}`,
		`{"H":"chat","M":"Foo","I":3}`:           `{"I":"3","E":"'Foo' method could not be resolved. No method found with that name."}`,
		`{"H":"chat","M":"join","A":[],"I":4}`:   `{"I":"4","E":"'join' method could not be resolved. Potential candidates are: Join(string). Invocation provides 0 argument(s) but target expects 1."}`,
		`{"H":"chat","M":"Join","A":[{}],"I":5}`: `{"I":"5","E":"'Join' method could not be resolved. Potential candidates are: Join(string). Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked. Argument 1 (string): json: cannot unmarshal object into Go value of type string"}`,
	} {
		require.JSONEq(t, answer, c.call(call), call)
	}
}

// TestStateGoesRound: only what a method has changed goes back, with the result
// and with what it sends to its caller.
func TestStateGoesRound(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "transport="+transport)
		c.connect()
		require.JSONEq(t, `{"S":{"name":"bob"},"R":"ann","I":"1"}`, c.call(`{"H":"chat","M":"Rename","A":["bob"],"I":1,"S":{"name":"ann","age":7}}`))
		require.JSONEq(t, `{"R":"ann","I":"2"}`, c.call(`{"H":"chat","M":"Rename","A":["ann"],"I":2,"S":{"name": "ann"}}`))
		require.JSONEq(t, `{"S":{"name":"bob"},"R":"","I":"3"}`, c.call(`{"H":"chat","M":"Rename","A":["bob"],"I":3}`))
		require.JSONEq(t, `{"S":{"name":"bob"},"I":"4"}`, c.call(`{"H":"chat","M":"RenameAndTell","A":["bob"],"I":4}`))
		c.requireMessages(`{"H":"Chat","M":"renamed","A":[],"S":{"name":"bob"}}`)
	})
}

// TestAResultComesBehindWhatTheCallHasSent: on a socket there is one order.
func TestAResultComesBehindWhatTheCallHasSent(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=webSockets")
	c.connect()
	for range 200 {
		c.ready = nil
		c.call(`{"H":"chat","M":"Echo","A":["x"],"I":1}`)
		require.Equal(t, []string{`{"H":"Chat","M":"echo","A":["x"]}`}, c.ready, "before the result")
		c.ready = nil
		c.call(`{"H":"chat","M":"Work","A":[],"I":2}`)
		require.Len(t, c.ready, 3)
	}
}

func TestProgressAfterTheCallIsRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=serverSentEvents")
	c.connect()
	require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Late","I":1}`))
	n.chat.requireEvent(t, classic.ErrCompleted.Error())
	require.ErrorIs(t, classic.Progress(t.Context(), 1), classic.ErrNotClassic)
	require.Nil(t, classic.State(t.Context()))
	require.ErrorIs(t, classic.State(t.Context()).Set("a", 1), classic.ErrNotClassic)
	found, err := classic.State(t.Context()).Get("a", nil)
	require.NoError(t, err)
	require.False(t, found)
}

func TestSendsThatAreRefused(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithMaximumMessageSize(1000))
	c := newClient(t, n, "transport=serverSentEvents")
	c.connect()
	for name, test := range map[string]struct {
		data   string
		status int
	}{
		"no JSON":     {"hello", 400},
		"nothing":     {"", 400},
		"unknown hub": {`{"H":"nohub","M":"x","I":0}`, 400},
		"long state":  {`{"H":"chat","M":"Void","I":0,"S":{"a":"` + strings.Repeat("x", 5000) + `"}}`, 413},
		"long":        {`{"H":"chat","M":"Echo","A":["` + strings.Repeat("x", 1000) + `"],"I":0}`, 413},
		"longer":      {strings.Repeat("x", 10000), 413},
	} {
		status, _ := c.ask("/send", url.Values{"data": {test.data}})
		require.Equal(t, test.status, status, name)
	}
	c.token = tamper(c.token)
	status, _ := c.ask("/send", url.Values{"data": {`{"H":"chat","M":"Void","I":0}`}})
	require.Equal(t, http.StatusBadRequest, status)
}

// TestParallelCallsAreLimited: a socket waits, a request is refused.
func TestParallelCallsAreLimited(t *testing.T) {
	t.Parallel()
	t.Run("sends", func(t *testing.T) {
		t.Parallel()
		n := newNode(t, nil, classic.WithMaximumParallelCalls(2))
		c := newClient(t, n, "transport=serverSentEvents")
		c.connect()
		answers := make(chan answer, 2)
		for range 2 {
			go func() { answers <- c.tryAsk("/send", url.Values{"data": {`{"H":"chat","M":"Block","I":1}`}}) }()
		}
		n.chat.requireEvent(t, "blocked")
		n.chat.requireEvent(t, "blocked")
		status, _ := c.ask("/send", url.Values{"data": {`{"H":"chat","M":"Void","I":1}`}})
		require.Equal(t, http.StatusTooManyRequests, status)
		other := newClient(t, n, "transport=serverSentEvents")
		other.connect()
		require.JSONEq(t, `{"I":"1"}`, other.call(`{"H":"chat","M":"Void","I":1}`))
		close(n.chat.block)
		for range 2 {
			status, _ := requireAnswer(t, answers, "the answer to a blocked call")
			require.Equal(t, http.StatusOK, status)
		}
	})
	t.Run("socket", func(t *testing.T) {
		t.Parallel()
		n := newNode(t, nil, classic.WithMaximumParallelCalls(2))
		c := newClient(t, n, "transport=webSockets")
		c.connect()
		for range 4 {
			c.send(`{"H":"chat","M":"Block","I":1}`)
		}
		n.chat.requireEvent(t, "blocked")
		n.chat.requireEvent(t, "blocked")
		require.JSONEq(t, "1", string(newCaller(c, n).next()["R"])) // another client is not held up
		n.chat.requireNoEvent(t)
		close(n.chat.block)
		for range 4 {
			require.JSONEq(t, "1", string(c.next()["R"]))
		}
	})
}

// newCaller returns another client that has called a method.
func newCaller(c *client, n *node) *client {
	other := newClient(c.t, n, "transport=webSockets")
	other.connect()
	other.send(`{"H":"chat","M":"Add","A":[1],"I":1}`)
	return other
}

func TestLongMessagesEndASocket(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithMaximumMessageSize(1000))
	c := newClient(t, n, "transport=webSockets")
	c.connect()
	c.send(`{"H":"chat","M":"Echo","A":["` + strings.Repeat("x", 1000) + `"],"I":0}`)
	c.requireEnd()
	c.open("/reconnect")
	n.chat.requireEvent(t, "reconnected "+c.id)
}

func TestTheNumberOfConnectionsIsLimited(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithMaximumConnections(1))
	c := newClient(t, n, "transport=serverSentEvents")
	c.connect()
	other := newClient(t, n, "transport=longPolling")
	other.negotiate()
	status, _ := other.ask("/connect", url.Values{})
	require.Equal(t, http.StatusServiceUnavailable, status)
	c.close()
	c.drain()
	c.open("/reconnect")
	n.chat.requireEvent(t, "reconnected "+c.id)
	status, _ = c.ask("/abort", url.Values{})
	require.Equal(t, http.StatusOK, status)
	n.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
	await.Equal(t, 0, func() int { return n.endpoint.Stats().Connections }, "the number of connections after the abort")
	status, _ = other.ask("/connect", url.Values{})
	require.Equal(t, http.StatusOK, status)
}

// TestCallsEndBeforeOnDisconnected, and their contexts with the connection.
func TestCallsEndBeforeOnDisconnected(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=webSockets")
	c.connect()
	c.send(`{"H":"chat","M":"Block","I":1}`)
	n.chat.requireEvent(t, "blocked")
	c.close()
	status, _ := c.ask("/abort", url.Values{})
	require.Equal(t, http.StatusOK, status)
	n.chat.requireEvent(t, "unblocked")
	n.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
}

func TestShutdownEndsCalls(t *testing.T) {
	t.Parallel()
	n := newNodeOf(t, []hubs.Option{hubs.WithShutdownGrace(0)})
	c := newClient(t, n, "transport=webSockets")
	c.connect()
	c.send(`{"H":"chat","M":"Block","I":1}`)
	n.chat.requireEvent(t, "blocked")
	n.stop()
	n.chat.requireEvent(t, "unblocked")
	n.chat.requireNoEvent(t)
}

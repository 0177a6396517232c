package classic_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
)

// longAway keeps connections for longer than any test waits.
var longAway = classic.WithDisconnectTimeout(time.Hour)

// requireRefused requires that an operation of an ended connection is refused.
func (c *client) requireRefused(op string) {
	c.t.Helper()
	status, body := c.receiveOnce(op)
	require.Equal(c.t, http.StatusBadRequest, status, "%s: %s", op, body)
	require.Equal(c.t, "The connection has ended.", body, op)
}

// receiveOnce makes a request to receive by and returns its whole response, which has to end
// by itself.
func (c *client) receiveOnce(op string) (status int, body string) {
	c.t.Helper()
	switch c.query.Get("transport") {
	case "webSockets":
	case "longPolling":
		return c.ask(op, c.resume())
	default:
		resp, err := c.http.Get(c.url(op, c.resume()))
		require.NoError(c.t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(c.t, err)
		return resp.StatusCode, string(b)
	}
	dialer := websocket.Dialer{HandshakeTimeout: await.Timeout}
	ws, resp, err := dialer.Dial("ws"+strings.TrimPrefix(c.url(op, c.resume()), "http"), nil)
	if err != nil {
		require.NotNil(c.t, resp, "%v", err)
		defer resp.Body.Close()
		refusal := make([]byte, 256) // gorilla keeps what fits its buffer
		n, _ := resp.Body.Read(refusal)
		return resp.StatusCode, string(refusal[:n])
	}
	defer ws.Close()
	require.NoError(c.t, ws.SetReadDeadline(time.Now().Add(await.Timeout)))
	var all strings.Builder
	for {
		_, data, err := ws.ReadMessage()
		if websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			return resp.StatusCode, all.String()
		}
		require.NoError(c.t, err)
		all.Write(data)
	}
}

// leave closes the client's stream and waits until its node has noticed, so that none of its requests is under
// way.
func (c *client) leave() {
	c.t.Helper()
	c.requireStream()
	c.close()
	c.drain()
	name := c.query.Get("transport")
	await.Equal(c.t, 0, func() int { return c.node.endpoint.Stats().Streams[name] }, "the number of streams")
}

// end is a way in which a connection ends for good.
type end struct {
	name string
	end  func(t *testing.T, c *client, at *node)
	told bool // the client gets an error
}

// cause is what OnDisconnected is told.
func (e end) cause() string {
	if e.told {
		return hubs.ErrAborted.Error()
	}
	return "<nil>"
}

// ends are all of these ways.
var ends = []end{
	{"stopped", func(t *testing.T, c *client, at *node) {
		t.Helper()
		status, _ := c.other(at).ask("/abort", url.Values{})
		require.Equal(t, http.StatusOK, status)
	}, false},
	{"aborted", func(t *testing.T, c *client, at *node) {
		t.Helper()
		require.NoError(t, at.hub.Clients().Client(c.id).Abort(t.Context(), nil), nil)
	}, true},
	{"aborted as a user", func(t *testing.T, _ *client, at *node) {
		t.Helper()
		require.NoError(t, at.hub.Clients().User("ann").Abort(t.Context(), nil), nil)
	}, true},
}

// TestEndedConnectionStaysOut on every node: the first request to receive by ends at once, further ones
// and those to send are refused, and nothing of the connection is created anew.
func TestEndedConnectionStaysOut(t *testing.T) {
	t.Parallel()
	for _, how := range ends {
		for _, place := range []string{"the connection's node", "the other node"} {
			for _, op := range []string{"/connect", "/reconnect", "/poll"} {
				t.Run(how.name+" at "+place+", "+op[1:], func(t *testing.T) {
					t.Parallel()
					eachTransport(t, func(t *testing.T, transport string) {
						a, b := newFarm(t, longAway)
						c := newClient(t, a, "user=ann&transport="+transport)
						c.connect()
						c.leave()
						at := map[bool]*node{true: a, false: b}[place == "the connection's node"]
						how.end(t, c, at)
						a.chat.requireEvent(t, "disconnected "+c.id+" "+how.cause())
						for _, n := range []*node{a, b} {
							c.node = n
							await.Until(t, func() bool { return classic.HasEnded(n.endpoint, c.id) }, "the node knows that the connection has ended")
							for _, send := range []string{"/send", "/start"} {
								status, body := c.ask(send, url.Values{"data": {`{"H":"chat","M":"Join","A":["red"],"I":1}`}})
								require.Equal(t, http.StatusBadRequest, status, body)
							}
							status, body := c.receiveOnce(op)
							require.Contains(t, []int{http.StatusOK, http.StatusSwitchingProtocols}, status, body)
							require.Equal(t, how.told, strings.Contains(body, `"E":`), body)
							c.requireRefused(op)
							await.Equal(t, 0, func() int { return n.endpoint.Stats().Connections }, "the number of connections")
							n.stop()
							n.chat.requireNoEvent(t)
						}
					})
				})
			}
		}
	}
}

// TestPollsEndWithTheirConnection: the poll that waits, and that which comes right behind the end.
func TestPollsEndWithTheirConnection(t *testing.T) {
	t.Parallel()
	for _, how := range ends {
		for place := range 2 {
			t.Run(fmt.Sprint(how.name, " at node ", place), func(t *testing.T) {
				t.Parallel()
				a, b := newFarm(t, longAway)
				c := newClient(t, a, "user=ann&transport=longPolling")
				c.connect()
				c.requireStream()
				how.end(t, c, []*node{a, b}[place])
				told := false
				for _, r := range await.All(t, c.input, "the end of the polls") {
					told = told || r["E"] != nil
				}
				require.Equal(t, how.told, told)
				a.chat.requireEvent(t, "disconnected "+c.id+" "+how.cause())
				await.Equal(t, 0, func() int { return a.endpoint.Stats().Connections }, "the number of connections")
				a.chat.requireNoEvent(t)
				b.chat.requireNoEvent(t)
			})
		}
	}
}

// TestRequestMeetsTheEndOfItsConnection: the request has reached its node before that hears of the end, and
// receives from then on.
func TestRequestMeetsTheEndOfItsConnection(t *testing.T) {
	t.Parallel()
	for _, how := range ends {
		for _, op := range []string{"/connect", "/reconnect", "/poll"} {
			for place := range 2 {
				t.Run(fmt.Sprint(how.name, " at node ", place, ", ", op[1:]), func(t *testing.T) {
					t.Parallel()
					a, b := newFarm(t, longAway)
					hold, held, release := holdHeaders(t, b)
					c := newClient(t, a, "user=ann&transport=longPolling")
					c.connect()
					c.leave()
					form := c.resume()
					if op == "/connect" {
						form = url.Values{}
					}
					hold.Store(true)
					response := await.Go(t, func() (answer, error) { a := c.other(b).tryAsk(op, form); return a, a.err }, "the response")
					await.Done(t, held, "the header of the response")
					how.end(t, c, []*node{a, b}[place])
					await.Until(t, func() bool { return classic.HasEnded(b.endpoint, c.id) }, "the node knows that the connection has ended")
					release()
					answer := response()
					require.Equal(t, http.StatusOK, answer.status)
					require.True(t, json.Valid([]byte(answer.body)), answer.body)
					await.Equal(t, 0, func() int { return a.endpoint.Stats().Connections + b.endpoint.Stats().Connections }, "the number of connections")
					a.stop()
					b.stop()
					b.chat.requireNoEvent(t)
				})
			}
		}
	}
}

// TestMessagesBeforeTheAbort reach a client between two polls, whichever node gets the next one.
func TestMessagesBeforeTheAbort(t *testing.T) {
	t.Parallel()
	for place := range 2 {
		t.Run(fmt.Sprint("poll at node ", place), func(t *testing.T) {
			t.Parallel()
			a, b := newFarm(t)
			c := newClient(t, a, "transport=longPolling")
			c.connect()
			c.leave()
			require.NoError(t, b.hub.Clients().Client(c.id).Send(t.Context(), "say", "bye"))
			require.NoError(t, b.hub.Clients().Client(c.id).Abort(t.Context(), nil), nil)
			n := []*node{a, b}[place]
			await.Until(t, func() bool { return classic.HasEnded(n.endpoint, c.id) }, "the node knows that the connection has ended")
			_, body := c.other(n).ask("/poll", c.resume())
			require.Contains(t, body, said("bye"))
			_, body = c.other(n).ask("/poll", c.resume())
			require.Contains(t, body, `"E":`)
		})
	}
}

// TestAbortOvertakesTheConnect: an abort may come before anything else of its connection.
func TestAbortOvertakesTheConnect(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		single := newNode(t, nil)
		a, b := newFarm(t)
		for _, nodes := range [][]*node{{single, single}, {a, a}, {a, b}} {
			c := newClient(t, nodes[0], "transport="+transport)
			c.negotiate()
			status, _ := c.ask("/abort", url.Values{})
			require.Equal(t, http.StatusOK, status)
			c.node = nodes[1]
			await.Until(t, func() bool { return classic.HasEnded(c.node.endpoint, c.id) }, "the node knows that the connection has ended")
			_, body := c.receiveOnce("/connect")
			require.NotContains(t, body, `"S":1`)
			require.Zero(t, c.node.endpoint.Stats().Connections)
		}
	})
}

// TestSendNeedsAConnection where no other node can have it.
func TestSendNeedsAConnection(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=longPolling")
	c.negotiate()
	status, body := c.ask("/send", url.Values{"data": {`{"H":"chat","M":"Void","A":[],"I":1}`}})
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "There is no such connection.", body)
}

// TestCallsOfAConnectionThatIsEnding are refused while OnDisconnected has not returned.
func TestCallsOfAConnectionThatIsEnding(t *testing.T) {
	t.Parallel()
	a, b := newFarm(t, longAway)
	c := newClient(t, a, "transport=longPolling")
	c.connect()
	c.leave()
	calls := await.Go(t, func() (answer, error) {
		answer := c.tryAsk("/send", url.Values{"data": {`{"H":"chat","M":"Hold","A":[],"I":1}`}})
		return answer, answer.err
	}, "the call under way")
	a.chat.requireEvent(t, "holding")
	status, _ := c.ask("/abort", url.Values{})
	require.Equal(t, http.StatusOK, status)
	for _, n := range []*node{a, b} {
		await.Until(t, func() bool { return classic.HasEnded(n.endpoint, c.id) }, "the node knows that the connection has ended")
		status, body := c.other(n).ask("/send", url.Values{"data": {`{"H":"chat","M":"Void","A":[],"I":1}`}})
		require.Equal(t, http.StatusBadRequest, status, body)
		status, _ = c.other(n).ask("/poll", c.resume())
		require.Equal(t, http.StatusOK, status)
	}
	close(a.chat.block)
	require.Equal(t, http.StatusOK, calls().status)
	a.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
}

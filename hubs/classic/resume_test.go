package classic_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// newFarm returns two nodes of one farm in memory.
func newFarm(t *testing.T, opts ...classic.Option) (a, b *node) {
	bus := scaleout.NewMemory()
	opts = append(opts, classic.WithKey(key))
	return newNode(t, bus, opts...), newNode(t, bus, opts...)
}

// TestNothingIsLostOrDoubledOnTheWay: a client is moved from node to node in the
// middle of numbered messages to all, its groups and its user.
func TestNothingIsLostOrDoubledOnTheWay(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		const each, moves = 2000, 6
		a, b := newFarm(t)
		c := newClient(t, a, "user=ann&transport="+transport)
		c.connect()
		require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Join","A":["red"],"I":1}`))

		var senders sync.WaitGroup
		ahead := make(chan struct{}, 400) // so much more is sent than was received
		for kind, send := range map[string]func(int, string) error{
			"all":   func(_ int, text string) error { return a.hub.Clients().All().Send(t.Context(), "say", text) },
			"group": func(_ int, text string) error { return b.hub.Clients().Group("red").Send(t.Context(), "say", text) },
			"user":  func(_ int, text string) error { return b.hub.Clients().User("ann").Send(t.Context(), "say", text) },
			"id":    func(_ int, text string) error { return a.hub.Clients().Client(c.id).Send(t.Context(), "say", text) },
		} {
			senders.Go(func() {
				for i := range each {
					select {
					case ahead <- struct{}{}:
					case <-t.Context().Done(): // the test has failed
						return
					}
					if err := send(i, fmt.Sprint(kind, " ", i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		next := map[string]int{}
		total := 0
		read := func() {
			var kind string
			var i int
			message := c.nextMessage()
			_, err := fmt.Sscanf(message, `{"H":"Chat","M":"say","A":["%s %d"]}`, &kind, &i)
			require.NoError(t, err, message)
			require.Equal(t, next[kind], i, "of those to %s", kind)
			next[kind]++
			total++
			await.Done(t, ahead, "the note of a message that was sent")
		}
		nodes := []*node{a, b}
		for move := 1; move <= moves; move++ {
			for total < move*4*each/(moves+1) {
				read()
			}
			c.close()
			c.drain()
			c.node = nodes[move%2]
			c.open("/reconnect")
			c.node.chat.requireEvent(t, "reconnected "+c.id)
		}
		for total < 4*each {
			read()
		}
		await.Group(t, &senders, "the senders")
		require.Equal(t, map[string]int{"all": each, "group": each, "user": each, "id": each}, next)
		a.chat.requireNoEvent(t)
		b.chat.requireNoEvent(t)
	})
}

// TestANewStreamReplacesTheOld, which the network may have made look alive: the
// old one ends and gets nothing more.
func TestANewStreamReplacesTheOld(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"webSockets", "serverSentEvents"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, nil)
			c := newClient(t, n, "transport="+transport)
			c.connect()
			for range 3 {
				old := c.input
				c.open("/reconnect")
				n.chat.requireEvent(t, "reconnected "+c.id)
				for _, r := range await.All(t, old, "the end of the stream that was replaced") {
					require.NotContains(t, string(r["M"]), "say")
				}
				require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "hi"))
				c.requireMessages(said("hi"))
			}
			require.Equal(t, 1, n.endpoint.Stats().Connections)
		})
	}
}

// TestCursorsThatDoNotFit: of other hubs, of a bus with more streams, of nothing.
// The client gets what is sent from then on: it is never deaf.
func TestCursorsThatDoNotFit(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		other := newClient(t, n, "connectionData=[]&transport=longPolling")
		other.negotiate()
		_, body := other.ask("/connect", url.Values{})
		other.take(make(chan map[string]json.RawMessage, 1), []byte(body))
		c := newClient(t, n, "transport="+transport)
		c.connect()
		for _, cursor := range []string{other.cursor, "", "gAAAAAQAA"} {
			c.close()
			c.drain()
			c.mu.Lock()
			c.cursor = cursor
			c.mu.Unlock()
			c.open("/reconnect")
			n.chat.requireEvent(t, "reconnected "+c.id)
			await.Until(t, func() bool { return c.resume().Get("messageId") != cursor }, "a cursor comes instead of %q", cursor)
			require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "hi"))
			c.requireMessages(said("hi"))
		}
	})
}

// TestClientComesBackBeforeItsLeavingIsNoticed: the node that it has left and comes
// back to serves it, rather than end the new stream with the old connection.
func TestClientComesBackBeforeItsLeavingIsNoticed(t *testing.T) {
	t.Parallel()
	a, b := newFarm(t)
	hold, held, release := holdHeaders(t, a)
	c := newClient(t, a, "transport=serverSentEvents")
	c.connect()
	c.close()
	c.drain()
	await.Equal(t, 0, func() int { return a.endpoint.Stats().Streams["serverSentEvents"] }, "the number of streams")

	hold.Store(true)
	back := await.Go(t, func() (*http.Response, error) { return c.http.Get(c.url("/reconnect", c.resume())) }, "the response to the client that comes back")
	await.Done(t, held, "the header of the response")
	elsewhere := c.other(b)
	elsewhere.cursor, elsewhere.groups = c.cursor, c.groups
	elsewhere.open("/reconnect")
	b.chat.requireEvent(t, "reconnected "+c.id)
	classic.Settle(a.endpoint, c.id)
	release()
	a.chat.requireEvent(t, "reconnected "+c.id)
	require.NoError(t, b.hub.Clients().All().Send(t.Context(), "say", "hi"))
	resp := back()
	defer resp.Body.Close()
	newLines(resp.Body).until(t, said("hi"))
}

func TestTokensExpire(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithTokenLifetime(time.Nanosecond))
	c := newClient(t, n, "transport=longPolling")
	c.negotiate()
	// Real time, since the token is the endpoint's: it counts seconds.
	want := answer{status: http.StatusForbidden, body: "The connection token has expired."}
	await.Equal(t, want, func() answer { return c.tryAsk("/connect", url.Values{}) }, "the answer to a client with an old token")
}

// TestPollsThatGoFromNodeToNode, as a balancer without affinity sends them: the
// client is everywhere and nowhere, and nobody takes it for gone.
func TestPollsThatGoFromNodeToNode(t *testing.T) {
	t.Parallel()
	bus := scaleout.NewMemory()
	var nodes []*node
	for range 3 {
		nodes = append(nodes, newNode(t, bus, classic.WithKey(key), short()))
	}
	c := newClient(t, nodes[0], "transport=longPolling&user=ann")
	c.nodes = nodes
	c.connect()
	c.call(`{"H":"chat","M":"Join","A":["red"],"I":1}`)
	for i := range 300 {
		require.NoError(t, nodes[i%3].hub.Clients().Group("red").Send(t.Context(), "say", i))
		if i%2 == 0 { // sometimes two at once
			require.Equal(t, fmt.Sprintf(`{"H":"Chat","M":"say","A":[%d]}`, i), c.nextMessage())
			continue
		}
		require.NoError(t, nodes[0].hub.Clients().User("ann").Send(t.Context(), "say", "you"))
		require.ElementsMatch(t, []string{fmt.Sprintf(`{"H":"Chat","M":"say","A":[%d]}`, i), said("you")}, []string{c.nextMessage(), c.nextMessage()})
	}
	c.close()
	// In the end it is gone once, on the node where it was last.
	var gone []string
	await.Until(t, func() bool {
		for _, n := range nodes {
			select {
			case event := <-n.chat.events:
				gone = append(gone, event)
			default:
			}
		}
		return len(gone) > 0 && nodes[0].endpoint.Stats().Connections+nodes[1].endpoint.Stats().Connections+nodes[2].endpoint.Stats().Connections == 0
	}, "the client is gone on all nodes")
	require.Equal(t, []string{"disconnected " + c.id + " " + hubs.ErrClientTimeout.Error()}, gone)
}

// TestCallsGoOnWhenTheirClientMoves: the answer goes the way of the request, not
// of the stream.
func TestCallsGoOnWhenTheirClientMoves(t *testing.T) {
	t.Parallel()
	a, b := newFarm(t)
	c := newClient(t, a, "transport=serverSentEvents")
	c.connect()
	answers := make(chan answer, 2)
	caller := c.other(a)
	for range 2 {
		go func() { answers <- caller.tryAsk("/send", url.Values{"data": {`{"H":"chat","M":"Block","I":1}`}}) }()
	}
	a.chat.requireEvent(t, "blocked")
	a.chat.requireEvent(t, "blocked")
	c.close()
	c.drain()
	c.node = b
	c.open("/reconnect")
	b.chat.requireEvent(t, "reconnected "+c.id)
	await.Equal(t, 1, func() uint64 { return a.endpoint.Stats().Ended["moved"] }, "the number of connections that have moved")
	await.Send(t, a.chat.block, struct{}{}, "a blocked call")
	_, body := requireAnswer(t, answers, "the answer to the call that was released")
	require.JSONEq(t, `{"R":1,"I":"1"}`, body)
	a.chat.requireNoEvent(t)
	classic.ShutDown(t, a.endpoint) // ends the other, whose response needs the server
	a.chat.requireEvent(t, "unblocked")
	requireAnswer(t, answers, "the answer to the call that the shutdown ended")
}

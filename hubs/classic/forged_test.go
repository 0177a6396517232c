package classic_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// tooLong is what a client is told that cannot be resumed.
const tooLong = `"E":"The connection was away for too long to be resumed."`

// nodesOf are the nodes to which a client comes back, and whether they know it.
var nodesOf = map[string]bool{"its node": true, "another node": false}

// pick returns one of two nodes.
func pick(own bool, a, b *node) *node {
	if own {
		return a
	}
	return b
}

// join makes the client a member of a group, which its groups token says then.
func (c *client) join(group string) { c.regroup("Join", group) }

func (c *client) regroup(method, group string) {
	c.t.Helper()
	before := c.resume().Get("groupsToken")
	c.call(`{"H":"chat","M":"` + method + `","A":["` + group + `"],"I":1}`)
	await.Until(c.t, func() bool { return c.resume().Get("groupsToken") != before }, "a groups token comes with the change of %s", group)
}

// give gives the client a cursor and a groups token to resume with.
func (c *client) give(cursor, groups string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cursor, c.groups = cursor, groups
}

// comeBack resumes at a node that knows the connection.
func (c *client) comeBack(n *node) {
	c.t.Helper()
	c.node = n
	c.open("/reconnect")
	n.chat.requireEvent(c.t, "reconnected "+c.id)
}

// requireSentAway requires that the client cannot resume at a node, and nothing is there of it.
func (c *client) requireSentAway(n *node) {
	c.t.Helper()
	c.node = n
	status, body := c.receiveOnce("/reconnect")
	require.Contains(c.t, []int{http.StatusOK, http.StatusSwitchingProtocols}, status, body)
	require.Contains(c.t, body, tooLong)
	require.NotContains(c.t, body, `"G":`)
	require.Contains(c.t, body, `"M":[]`)
	await.Until(c.t, func() bool { return classic.HasEnded(n.endpoint, c.id) }, "the node knows that the connection has ended")
	await.Equal(c.t, 0, func() int { return n.endpoint.Stats().Connections }, "the number of connections")
	n.chat.requireNoEvent(c.t)
}

// TestRemovedMemberStaysOut: an older groups token with the newest cursor brings no membership back.
func TestRemovedMemberStaysOut(t *testing.T) {
	t.Parallel()
	for name, own := range nodesOf {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				a, b := newFarm(t, longAway)
				c := newClient(t, a, "transport="+transport)
				c.connect()
				c.join("red")
				member := c.resume().Get("groupsToken")
				c.regroup("Leave", "red")
				c.leave()
				own := pick(own, a, b) == a
				right := c.resume()
				c.give(right.Get("messageId"), member)
				if !own {
					c.requireSentAway(b)
					c.give(right.Get("messageId"), right.Get("groupsToken"))
				}
				c.comeBack(a)
				require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "secret"))
				require.NoError(t, b.hub.Clients().Client(c.id).Send(t.Context(), "say", "you"))
				c.requireMessages(said("you"))
				c.leave()
				c.comeBack(a)
				require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "secret"))
				require.NoError(t, b.hub.Clients().Client(c.id).Send(t.Context(), "say", "again"))
				c.requireMessages(said("again"))
			})
		})
	}
}

// TestMemberGetsNothingFromBeforeItsJoin: an older cursor, or a made-up one, with the newest groups token does not bring
// what was sent to the group before.
func TestMemberGetsNothingFromBeforeItsJoin(t *testing.T) {
	t.Parallel()
	for name, own := range nodesOf {
		for _, forgery := range []string{"older", "of nothing", "unsigned", "of another client", "signed by guess"} {
			t.Run(forgery+" at "+name, func(t *testing.T) {
				t.Parallel()
				eachTransport(t, func(t *testing.T, transport string) {
					a, b := newFarm(t, longAway)
					c := newClient(t, a, "transport="+transport)
					c.connect()
					c.call(`{"H":"chat","M":"Echo","A":["hi"],"I":1}`) // so that there is a cursor with the groups token
					require.Contains(t, c.nextMessage(), "hi")
					old := c.resume().Get("messageId")
					require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "secret"))
					c.join("red")
					c.leave()
					right := c.resume()
					text, signature, _ := strings.Cut(old, ".")
					cursor := map[string]string{
						"older": old, "of nothing": "", "unsigned": text, "of another client": otherCursor(t, a),
						"signed by guess": text + "." + strings.Repeat("A", len(signature)),
					}[forgery]
					c.give(cursor, right.Get("groupsToken"))
					if !own {
						c.requireSentAway(b)
						c.give(right.Get("messageId"), right.Get("groupsToken"))
					}
					c.comeBack(a)
					require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "hi"))
					c.requireMessages(said("hi"))
				})
			})
		}
	}
}

// otherCursor returns the cursor of another client that has connected and gone.
func otherCursor(t *testing.T, n *node) string {
	t.Helper()
	c := newClient(t, n, "transport=serverSentEvents")
	c.connect()
	c.leave()
	status, _ := c.ask("/abort", url.Values{})
	require.Equal(t, http.StatusOK, status)
	n.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
	return c.resume().Get("messageId")
}

// TestOlderStateIsReplayed: a client that comes back with all of an older time is in the groups of today, and gets what
// it missed of them.
func TestOlderStateIsReplayed(t *testing.T) {
	t.Parallel()
	for name, own := range nodesOf {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				a, b := newFarm(t, longAway)
				c := newClient(t, a, "transport="+transport)
				c.connect()
				c.join("red")
				old := c.resume()
				require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "1"))
				c.requireMessages(said("1"))
				c.regroup("Leave", "red")
				c.leave()
				require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "2"))
				c.give(old.Get("messageId"), old.Get("groupsToken"))
				c.comeBack(pick(own, a, b))
				c.requireMessages(said("1"))
				require.NoError(t, b.hub.Clients().Group("red").Send(t.Context(), "say", "3"))
				require.NoError(t, b.hub.Clients().Client(c.id).Send(t.Context(), "say", "you"))
				c.requireMessages(said("you"))
			})
		})
	}
}

// TestAbortKeepsOut whom the application has ended, also at a node that has begun since.
func TestAbortKeepsOut(t *testing.T) {
	t.Parallel()
	for _, how := range ends {
		if !how.told {
			continue
		}
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				bus := scaleout.NewMemory()
				a := newNode(t, bus, classic.WithKey(key))
				c := newClient(t, a, "user=ann&transport="+transport)
				c.connect()
				c.join("red")
				how.end(t, c, a)
				c.drain()
				a.chat.requireEvent(t, "disconnected "+c.id+" "+hubs.ErrAborted.Error())

				b := newNode(t, bus, classic.WithKey(key))
				c.node = b
				require.False(t, classic.HasEnded(b.endpoint, c.id), "this node has not heard of it")
				status, body := c.receiveOnce("/reconnect")
				require.Contains(t, []int{http.StatusOK, http.StatusSwitchingProtocols}, status, body)
				require.Contains(t, body, `"E":"The connection was closed by the server."`)
				require.NotContains(t, body, `"G":`)
				await.Until(t, func() bool { return classic.HasEnded(b.endpoint, c.id) }, "the node knows that the connection has ended")
				status, body = c.ask("/send", url.Values{"data": {`{"H":"chat","M":"Join","A":["red"],"I":1}`}})
				require.Equal(t, http.StatusBadRequest, status, body)

				last := newNode(t, bus, classic.WithKey(key))
				later := otherCursor(t, last)
				c.give(later, c.resume().Get("groupsToken"))
				c.requireSentAway(last)
				b.chat.requireNoEvent(t)
			})
		})
	}
}

// TestAbortIsHeardEverywhere: no node takes calls from whom the application ends, whether it is there, somewhere or
// nowhere, and it cannot connect anew by its old token.
func TestAbortIsHeardEverywhere(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"connected", "away", "gone", "never there"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				a, b := newFarm(t, longAway)
				c := newClient(t, a, "transport="+transport)
				switch place {
				case "never there":
					c.negotiate()
				case "gone":
					first := newNodeOf(t, nil, classic.WithKey(key))
					c.node = first
					c.connect()
					c.leave()
				default:
					c.connect()
					if place == "away" {
						c.leave()
					}
				}
				require.NoError(t, b.hub.Clients().Client(c.id).Abort(t.Context(), nil), nil)
				for _, n := range []*node{a, b} {
					status, body := c.other(n).ask("/send", url.Values{"data": {`{"H":"chat","M":"Void","A":[],"I":1}`}})
					require.Equal(t, http.StatusBadRequest, status, body)
					require.Equal(t, "The connection has ended.", body)
				}
				c.node = b
				_, body := c.receiveOnce("/connect")
				require.NotContains(t, body, `"S":1`)
				require.Zero(t, b.endpoint.Stats().Connections)
			})
		})
	}
}

// TestAbortOfAConnectionWithoutHubs reaches it on whatever node it is.
func TestAbortOfAConnectionWithoutHubs(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		a, b := newFarm(t)
		c := newClient(t, a, "connectionData=&transport="+transport)
		c.begin()
		c.start()
		require.NoError(t, b.hub.Clients().Client(c.id).Abort(t.Context(), nil), nil)
		c.requireEnd()
		await.Equal(t, 0, func() int { return a.endpoint.Stats().Connections }, "the number of connections")
	})
}

// newShortFarm returns two nodes of one farm whose log keeps a few messages.
func newShortFarm(t *testing.T) (a, b *node) {
	bus := scaleout.NewMemory(scaleout.WithLogLimits(scaleout.LogLimits{Entries: 4}))
	return newNode(t, bus, classic.WithKey(key), longAway), newNode(t, bus, classic.WithKey(key), longAway)
}

// flood publishes more than the log of a short farm keeps, in each of its streams.
func flood(t *testing.T, n *node) {
	t.Helper()
	for i := range 100 {
		require.NoError(t, n.hub.Clients().Group(fmt.Sprint("flood ", i)).Send(t.Context(), "say", "flood"))
	}
}

// TestClientThatWasAwayForLongerThanTheLog: its node knows its groups of today; others send it away, rather than
// believe an old token or lose its groups.
func TestClientThatWasAwayForLongerThanTheLog(t *testing.T) {
	t.Parallel()
	for name, own := range nodesOf {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				a, b := newShortFarm(t)
				c := newClient(t, a, "transport="+transport)
				c.connect()
				c.join("red")
				c.leave()
				require.NoError(t, b.hub.Groups().Add(t.Context(), c.id, "blue"))
				require.NoError(t, b.hub.Groups().Remove(t.Context(), c.id, "red"))
				flood(t, b)
				if !own {
					c.requireSentAway(b)
					c.requireStillTold(b)
					return
				}
				c.comeBack(a)
				for range 2 {
					for _, group := range []string{"red", "blue"} {
						require.NoError(t, b.hub.Clients().Group(group).Send(t.Context(), "say", group))
					}
					c.requireMessages(said("blue"))
					c.leave()
					c.comeBack(a)
				}
			})
		})
	}
}

// requireStillTold requires that a client that was sent away is told so once more and then refused.
func (c *client) requireStillTold(n *node) {
	c.t.Helper()
	c.node = n
	_, body := c.receiveOnce("/reconnect")
	require.Contains(c.t, body, tooLong)
	c.requireRefused("/reconnect")
	n.chat.requireNoEvent(c.t)
}

// TestClientThatWasNeverAccepted begins anew where nobody knows it: there is nothing to be lost.
func TestClientThatWasNeverAccepted(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"webSockets", "serverSentEvents", "foreverFrame"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			a, b := newShortFarm(t)
			c := newClient(t, a, "transport="+transport)
			c.begin()
			c.leave()
			flood(t, a)
			c.node = b
			c.open("/reconnect")
			b.chat.requireEvent(t, "connected "+c.id)
			require.NoError(t, b.hub.Clients().All().Send(t.Context(), "say", "hi"))
			c.requireMessages(said("hi"))
		})
	}
}

// TestGroupsFromBeforeTheStart are the client's on every node.
func TestGroupsFromBeforeTheStart(t *testing.T) {
	t.Parallel()
	a, b := newFarm(t)
	c := newClient(t, a, "transport=longPolling")
	c.begin()
	require.NoError(t, a.hub.Groups().Add(t.Context(), c.id, "red"))
	await.Until(t, func() bool { return c.resume().Has("groupsToken") }, "a groups token comes with the group")
	c.leave()
	c.node = b
	c.open("/poll")
	require.NoError(t, a.hub.Clients().Group("red").Send(t.Context(), "say", "hi"))
	c.requireMessages(said("hi"))
	b.chat.requireNoEvent(t)
	c.start()
	b.chat.requireEvent(t, "connected "+c.id)
}

// TestSignaturesThatAreNone: what is not made of the right characters is refused, and not repeated in a response.
func TestSignaturesThatAreNone(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=longPolling")
	c.connect()
	c.leave()
	text, signature, _ := strings.Cut(c.resume().Get("messageId"), ".")
	for _, bad := range []string{"", `","E":"x`, signature + "A", signature[1:], signature[:15] + "+", "." + signature, signature + "."} {
		c.give(text+"."+bad, c.resume().Get("groupsToken"))
		status, body := c.ask("/poll", c.resume())
		require.Equal(t, http.StatusBadRequest, status, bad)
		require.Equal(t, "The message id is malformed.", body)
	}
}

// TestReadingTheLogAgainAndAgain: a client that comes back with an old cursor all the time is refused after a while, and
// so is no other.
func TestReadingTheLogAgainAndAgain(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		const allowance = 200_000
		bus := scaleout.NewMemory()
		a, b := newNode(t, bus, classic.WithKey(key), longAway), newNode(t, bus, classic.WithKey(key), longAway, classic.WithLogAllowance(allowance))
		c, other := newClient(t, a, "transport="+transport), newClient(t, a, "transport="+transport)
		leave := func(one *client) {
			one.close()
			one.drain()
		}
		for _, one := range []*client{c, other} {
			one.connect()
			leave(one)
		}
		text := strings.Repeat("x", 1000)
		for range 60 {
			require.NoError(t, a.hub.Clients().Group("others").Send(t.Context(), "say", text))
		}
		old, attempts := c.resume(), 0
		for ; classic.LogBytes(b.endpoint, c.id) < allowance; attempts++ {
			require.Less(t, attempts, 10)
			c.give(old.Get("messageId"), old.Get("groupsToken"))
			c.comeBack(b)
			leave(c)
		}
		require.GreaterOrEqual(t, attempts, 3, "a few times are no attack")
		before := classic.LogBytes(b.endpoint, c.id)
		c.give(old.Get("messageId"), old.Get("groupsToken"))
		status, body := c.receiveOnce("/reconnect")
		require.Equal(t, http.StatusServiceUnavailable, status, body)
		require.Equal(t, "The connection was resumed too often.", body)
		require.Equal(t, before, classic.LogBytes(b.endpoint, c.id), "nothing more is read")
		other.comeBack(b)
		require.NoError(t, a.hub.Clients().All().Send(t.Context(), "say", "hi"))
		other.requireMessages(said("hi"))
	})
}

package classic_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/classic"
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
					ahead <- struct{}{}
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
			<-ahead
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
		senders.Wait()
		require.Equal(t, map[string]int{"all": each, "group": each, "user": each, "id": each}, next)
		a.chat.requireNoEvent(t)
		b.chat.requireNoEvent(t)
	})
}

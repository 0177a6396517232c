package hubs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// What a method sends to its caller arrives in order, and before the answer.
func TestOrderOfSendsAndTheirCompletion(t *testing.T) {
	t.Parallel()
	tick := hubs.NewEvent1[int]("tick")
	c := serve(t, nil, hubs.HandleVoid0("burst", func(c *hubs.Context) error {
		for i := range 1000 {
			to := c.Clients().Caller()
			if i%2 == 0 {
				to = c.Clients().All()
			}
			if err := tick.Send(c, to, i); err != nil {
				return err
			}
		}
		return nil
	})).connect()
	c.send(`{"type":1,"invocationId":"1","target":"burst","arguments":[]}`)
	for i := range 1000 {
		c.expect(fmt.Sprintf(`{"type":1,"target":"tick","arguments":[%d]}`, i))
	}
	c.expect(`{"type":3,"invocationId":"1","result":null}`)
}

// Calls of one client run one at a time and in order by default.
func TestCallsRunInOrder(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}).connect()
	var calls []string
	for i := range 500 {
		calls = append(calls, fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Echo","arguments":["%d"]}`, i, i))
	}
	c.send(calls...)
	for i := range 500 {
		c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":"%d"}`, i, i))
	}
}

// gate is a hub method that runs until it is let through.
type gate struct {
	entered chan int
	release chan struct{}
}

func newGate() gate { return gate{make(chan int, 100), make(chan struct{})} }

func (g gate) handler() hubs.Option {
	return hubs.Handle1("gate", func(_ *hubs.Context, n int) (int, error) {
		g.entered <- n
		<-g.release
		return n, nil
	})
}

func gateCall(n int) string {
	return fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"gate","arguments":[%d]}`, n, n)
}

func TestParallelInvocations(t *testing.T) {
	t.Parallel()
	g := newGate()
	c := serve(t, callHub{}, g.handler(), hubs.WithMaximumParallelInvocations(3)).connect()
	c.send(gateCall(1), gateCall(2), gateCall(3), gateCall(4))
	got := []int{await.Receive(t, g.entered, "the start of a call"), await.Receive(t, g.entered, "the start of a call"), await.Receive(t, g.entered, "the start of a call")}
	require.ElementsMatch(t, []int{1, 2, 3}, got, "calls start in the order of their arrival")
	require.Empty(t, g.entered, "the fourth waits for a slot")
	close(g.release)
	require.Equal(t, 4, await.Receive(t, g.entered, "the start of a call"))
}

// While a call runs, and others wait behind it, everything else is still read:
// pings, cancels, stream items, the answers of clients, and calls of streams.
func TestRunningCallsHoldNothingElseUp(t *testing.T) {
	t.Parallel()
	g := newGate()
	s := serve(t, callHub{}, g.handler(),
		hubs.Handle1("count", func(_ *hubs.Context, n int) (<-chan int, error) {
			ch := make(chan int, n)
			for i := range n {
				ch <- i
			}
			close(ch)
			return ch, nil
		}),
		hubs.Handle1("forever", func(c *hubs.Context, _ int) (<-chan int, error) { return make(chan int), nil }),
		hubs.Handle1("sum", func(_ *hubs.Context, in <-chan int) (int, error) {
			total := 0
			for n := range in {
				total += n
			}
			return total, nil
		}))
	c := s.connect()
	c.send(gateCall(1))
	require.Equal(t, 1, await.Receive(t, g.entered, "the start of a call"))
	var waiting []string
	for i := range 100 {
		waiting = append(waiting, gateCall(i+2))
	}
	c.send(waiting...)
	c.send(`{"type":6}`,
		`{"type":4,"invocationId":"count","target":"count","arguments":[2]}`)
	c.expect(`{"type":2,"invocationId":"count","item":0}`, `{"type":2,"invocationId":"count","item":1}`, `{"type":3,"invocationId":"count"}`)
	c.send(`{"type":4,"invocationId":"forever","target":"forever","arguments":[0]}`, `{"type":5,"invocationId":"forever"}`)
	c.expect(`{"type":3,"invocationId":"forever"}`)
	c.send(`{"type":1,"invocationId":"sum","target":"sum","arguments":[],"streamIds":["u"]}`,
		`{"type":2,"invocationId":"u","item":40}`, `{"type":2,"invocationId":"u","item":2}`, `{"type":3,"invocationId":"u"}`)
	c.expect(`{"type":3,"invocationId":"sum","result":42}`)
	close(g.release)
	for i := range 101 {
		c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":%d}`, i+1, i+1))
	}
}

// A flood of calls is held back by not reading more, and none is lost.
func TestFloodOfCallsIsHeldBack(t *testing.T) {
	t.Parallel()
	g := newGate()
	s := serve(t, callHub{}, g.handler(), hubs.WithInputBufferSize(1000))
	c := s.connect()
	c.send(gateCall(0))
	require.Equal(t, 0, await.Receive(t, g.entered, "the start of a call"))
	const calls = 500
	sent := await.Go(t, func() (struct{}, error) {
		for i := range calls {
			err := c.trySend(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"Echo","arguments":[%q]}`, i, strings.Repeat("x", 1000)))
			if err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	}, "the calls to be sent")
	close(g.release)
	c.expect(`{"type":3,"invocationId":"0","result":0}`)
	for i := range calls {
		c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":%q}`, i, strings.Repeat("x", 1000)))
	}
	sent()
}

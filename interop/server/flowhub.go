package main

import (
	"fmt"
	"iter"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// FlowHub carries numbers in every way that a connection has, so that a client sees whether one is missing, comes twice
// or too early.
type FlowHub struct{}

// OnConnected greets, once for each connection.
func (*FlowHub) OnConnected(c *hubs.Context) error {
	return c.Clients().Caller().Send(c, "Welcome", c.ConnectionID())
}

// Echo sends a number back as a client method call.
func (*FlowHub) Echo(c *hubs.Context, number int) error {
	return c.Clients().Caller().Send(c, "Number", number)
}

// Count yields the numbers from 0 on, so many each second, until the caller cancels it.
func (*FlowHub) Count(c *hubs.Context, perSecond int) (iter.Seq2[int, error], error) {
	if perSecond <= 0 {
		return nil, hubs.NewError("How many each second?")
	}
	return func(yield func(int, error) bool) {
		began := time.Now()
		ticker := time.NewTicker(time.Second / time.Duration(perSecond))
		defer ticker.Stop()
		for n := 0; ; {
			select {
			case <-ticker.C: // some are left out while yield waits
			case <-c.Done():
				return
			}
			for ; n < int(time.Since(began).Seconds()*float64(perSecond)); n++ {
				if !yield(n, nil) {
					return
				}
			}
		}
	}, nil
}

// Join makes the caller a member of a group.
func (*FlowHub) Join(c *hubs.Context, group string) error {
	return c.Groups().Add(c, c.ConnectionID(), group)
}

// Forward sends a number to a client, wherever it is connected.
func (*FlowHub) Forward(c *hubs.Context, connectionID string, number int) error {
	return c.Clients().Client(connectionID).Send(c, "Number", number)
}

// Feed sends the numbers of a Count to a group, wherever its members are connected, and yields each when it is sent.
func (h *FlowHub) Feed(c *hubs.Context, group string, perSecond int) (iter.Seq2[int, error], error) {
	numbers, err := h.Count(c, perSecond)
	if err != nil {
		return nil, err
	}
	return func(yield func(int, error) bool) {
		for n, err := range numbers {
			if err == nil {
				err = c.Clients().Group(group).Send(c, "Fed", n)
			}
			if !yield(n, err) || err != nil {
				return
			}
		}
	}, nil
}

// Check takes the numbers from 0 on and returns how many there were. It fails at the first one that is another than
// expected.
func (*FlowHub) Check(_ *hubs.Context, numbers iter.Seq2[int, error]) (int, error) {
	next := 0
	for n, err := range numbers {
		if err != nil {
			return next, err
		}
		if n != next {
			return next, hubs.NewError(fmt.Sprintf("The upload has %d instead of %d.", n, next))
		}
		next++
	}
	return next, nil
}

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
		ticker := time.NewTicker(time.Second / time.Duration(perSecond))
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-ticker.C:
			case <-c.Done():
				return
			}
			if !yield(n, nil) {
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

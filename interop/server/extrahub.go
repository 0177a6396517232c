package main

import (
	"errors"

	"github.com/go-signalr/signalr/hubs"
)

// ExtraHub is not part of the contract. It has what users rely on beyond it and the contract's hubs cannot show.
type ExtraHub struct{}

// SendNumbers sends the caller the numbers from 0 to count-1, one call each, before its own completion.
func (*ExtraHub) SendNumbers(c *hubs.Context, count int) (int, error) {
	for i := range count {
		if err := c.Clients().Caller().Send(c, "Number", i); err != nil {
			return i, err
		}
	}
	return count, nil
}

// Add takes two arguments of one type.
func (*ExtraHub) Add(_ *hubs.Context, a, b int) int { return a + b }

// Fail fails with a text that is meant for the caller.
func (*ExtraHub) Fail(_ *hubs.Context, text string) error { return hubs.NewError(text) }

// Panic fails as badly as a method can.
func (*ExtraHub) Panic(*hubs.Context) { panic("asked for by a client") }

// Abort ends the caller's connection from the server's side.
func (*ExtraHub) Abort(c *hubs.Context) { c.Abort(nil) }

// AbortFor does so for a reason that is meant for the caller, or not.
func (*ExtraHub) AbortFor(c *hubs.Context, reason string, forCaller bool) {
	if forCaller {
		c.Abort(hubs.NewError(reason))
	} else {
		c.Abort(errors.New(reason))
	}
}

// Join adds the caller to a group.
func (*ExtraHub) Join(c *hubs.Context, group string) error {
	return c.Groups().Add(c, c.ConnectionID(), group)
}

// Leave removes the caller from a group.
func (*ExtraHub) Leave(c *hubs.Context, group string) error {
	return c.Groups().Remove(c, c.ConnectionID(), group)
}

// SendToGroup sends a text to every member of a group.
func (*ExtraHub) SendToGroup(c *hubs.Context, group, text string) error {
	return message.Send(c, c.Clients().Group(group), text)
}

// SendToOthersInGroup sends a text to every member of a group but the caller.
func (*ExtraHub) SendToOthersInGroup(c *hubs.Context, group, text string) error {
	return message.Send(c, c.Clients().OthersInGroup(group), text)
}

// SendToClient sends a text to one connection.
func (*ExtraHub) SendToClient(c *hubs.Context, connectionID, text string) error {
	return message.Send(c, c.Clients().Client(connectionID), text)
}

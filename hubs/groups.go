package hubs

import (
	"context"
	"errors"

	"github.com/go-signalr/signalr/scaleout"
)

// Groups adds connections to groups and removes them. A group
// exists while it has members; membership ends with the connection. Names are
// compared exactly. Groups is safe for concurrent use.
type Groups struct{ hub *Hub }

// ErrTooManyGroups is returned by [Groups.Add] for a client of package classic whose
// groups would no longer fit into the token that it carries, 256 KiB for all of them.
var ErrTooManyGroups = errors.New("hubs: the groups of a connection do not fit into its groups token")

var errNoGroup = errors.New("hubs: a group needs a name")

// Add adds a connection, on any node, to a group, and returns when it is a member.
// Adding a member again changes nothing. It is not an error if the connection does
// not exist. If Add returns [ErrTooManyGroups], nothing has changed.
func (g Groups) Add(ctx context.Context, connectionID, group string) error {
	if group == "" {
		return errNoGroup
	}
	return g.hub.farm.changeGroup(ctx, scaleout.AddToGroup, connectionID, group)
}

// Remove ends a connection's membership of a group. If there is none, nothing
// changes.
func (g Groups) Remove(ctx context.Context, connectionID, group string) error {
	if group == "" {
		return errNoGroup
	}
	return g.hub.farm.changeGroup(ctx, scaleout.RemoveFromGroup, connectionID, group)
}

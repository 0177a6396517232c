package hubs

import (
	"context"
	"errors"

	"github.com/go-signalr/signalr/scaleout"
)

// Groups adds connections to groups and removes them (reference 6.9). A group
// exists while it has members; membership ends with the connection. Names are
// compared exactly. Groups is safe for concurrent use.
type Groups struct{ hub *Hub }

var errNoGroup = errors.New("hubs: a group needs a name")

// Add makes a connection, of whatever node, a member of a group, and returns when
// it is one. Adding a member again changes nothing. A connection that does not
// exist, any more perhaps, is not an error.
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

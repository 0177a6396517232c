package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/negotiate"
	"github.com/go-signalr/signalr/scaleout"
)

const (
	// tidyInterval is longer than nodes of a farm take to know of each other.
	tidyInterval = 2 * time.Second
	tidyTimeout  = 10 * time.Second
)

// tidier makes the guests and the connections of a farm agree again after what
// nobody tells the rooms: guests whose process died, or could not reach Redis
// when they left, have gone; connections of this process that the rooms have
// forgotten, as a Redis that starts again empty does, are new guests.
type tidier struct {
	chat   *ChatHub
	hub    *hubs.Hub
	logger *slog.Logger

	// What the last round has found amiss. Only who is found twice in a row is:
	// a node may be so new that not all know of it, and a client on its way in.
	gone, forgotten map[string]bool
}

// run tidies every now and then until ctx is done.
func (t *tidier) run(ctx context.Context) {
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := t.tidy(ctx); err != nil && ctx.Err() == nil {
				t.logger.Warn("cannot compare the chat's guests with the connections", "error", err)
			}
		}
	}
}

// tidy is one round. Several processes may do the same at once: every departure
// and arrival happens only once.
func (t *tidier) tidy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tidyTimeout)
	defer cancel()
	// In this order a guest who arrives meanwhile is not taken for gone.
	guests, err := t.chat.rooms.Guests(ctx)
	if err != nil {
		return err
	}
	connections, err := t.hub.Clients().All().Connections(ctx)
	if err != nil {
		return err
	}
	gone, forgotten := differ(guests, connections, t.hub.NodeID())
	var errs []error
	for connection := range gone {
		if t.gone[connection] {
			errs = append(errs, t.chat.depart(ctx, t.hub, connection))
		}
	}
	for connection := range forgotten {
		if t.forgotten[connection] {
			errs = append(errs, t.chat.welcome(ctx, t.hub, connection, ""))
		}
	}
	t.gone, t.forgotten = gone, forgotten
	return errors.Join(errs...)
}

// differ returns the guests that are no connections, and the connections of a
// node that are no guests. Those of classic clients belong to no node: whoever
// sees them forgotten takes care of them.
func differ(guests, connections []string, node scaleout.NodeID) (gone, forgotten map[string]bool) {
	gone, forgotten = map[string]bool{}, map[string]bool{}
	for _, guest := range guests {
		gone[guest] = true
	}
	for _, connection := range connections {
		if owner := scaleout.NodeID(negotiate.NodeOf(connection)); !gone[connection] && (owner == node || owner == 0) {
			forgotten[connection] = true
		}
		delete(gone, connection)
	}
	return gone, forgotten
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// publishTimeout limits how long telling others of a change may take.
const publishTimeout = 10 * time.Second

// What the hub calls on its clients.
var (
	messageReceived = hubs.NewEvent1[string]("messageReceived", "message")              // Send was called
	welcome         = hubs.NewEvent1[Welcome]("welcome", "welcome")                     // first of all
	roomsChanged    = hubs.NewEvent1[RoomList]("roomsChanged", "rooms")                 // to everyone
	peopleChanged   = hubs.NewEvent2[string, Roster]("peopleChanged", "room", "roster") // who is there; to the room's members
	lineAdded       = hubs.NewEvent2[string, Line]("lineAdded", "room", "line")         // what is new; to the room's members
)

// ChatHub is the chat's hub. A client that knows nothing of rooms uses Send and
// messageReceived. The group of a room has the room's name.
//
// Changes that happen at the same time may be told in another order than they
// happened: the ids and revisions in them say which came first.
type ChatHub struct {
	rooms    *Rooms
	visitors *visitors
	node     string // the name of this process among those of a farm; empty without one
	logger   *slog.Logger
}

// OnConnected tells a client which rooms there are.
func (h *ChatHub) OnConnected(c *hubs.Context) error {
	err := h.welcome(c, c.Hub(), c.ConnectionID(), h.visitors.of(c.Request()))
	if err != nil {
		_, undone := h.rooms.Depart(c, c.ConnectionID()) // there will be no OnDisconnected
		err = errors.Join(err, undone)
	}
	return err
}

func (h *ChatHub) welcome(ctx context.Context, hub *hubs.Hub, connection, visitor string) error {
	w, err := h.rooms.Arrive(ctx, connection, visitor)
	if err != nil {
		return err
	}
	w.Node = h.node
	return welcome.Send(ctx, hub.Clients().Client(connection), w)
}

// OnReconnected tells a classic client, which may have come from another process,
// what it would be told if it were new: it may be that it was taken for gone.
func (h *ChatHub) OnReconnected(c *hubs.Context) error {
	return h.welcome(c, c.Hub(), c.ConnectionID(), h.visitors.of(c.Request()))
}

// OnDisconnected takes a client out of its rooms.
func (h *ChatHub) OnDisconnected(c *hubs.Context, cause error) {
	h.logger.Debug("client left", "connection", c.ConnectionID(), "cause", cause)
	if err := h.depart(c, c.Hub(), c.ConnectionID()); err != nil {
		h.logger.Error("cannot tell that somebody left", "connection", c.ConnectionID(), "error", err)
	}
}

func (h *ChatHub) depart(ctx context.Context, hub *hubs.Hub, connection string) error {
	change, err := h.rooms.Depart(ctx, connection)
	if err != nil {
		return err
	}
	return h.publish(ctx, hub, change)
}

// Send sends a message to everyone who is connected, in whatever room.
func (h *ChatHub) Send(c *hubs.Context, message string) error {
	if err := h.rooms.limits.checkText(message); err != nil {
		return err
	}
	return messageReceived.Send(c, c.Clients().All(), message)
}

// Join gives the caller a name and takes them into a room. It returns the room as
// it is then.
func (h *ChatHub) Join(c *hubs.Context, name, room string) (View, error) {
	room, change, err := h.rooms.Join(c, c.ConnectionID(), name, room)
	if err != nil {
		return View{}, err
	}
	// The view is taken when the caller is a member of the group: what comes
	// later reaches them as news, so that nothing is missing in between.
	if err := c.Groups().Add(c, c.ConnectionID(), room); err != nil {
		_, undone, _ := h.rooms.Leave(c, c.ConnectionID(), room)
		return View{}, errors.Join(err, h.publish(c, c.Hub(), change), h.publish(c, c.Hub(), undone))
	}
	if err := h.publish(c, c.Hub(), change); err != nil {
		return View{}, err
	}
	return h.rooms.View(c, c.ConnectionID(), room)
}

// Leave takes the caller out of a room.
func (h *ChatHub) Leave(c *hubs.Context, room string) error {
	room, change, err := h.rooms.Leave(c, c.ConnectionID(), room)
	if err != nil {
		return err
	}
	return errors.Join(c.Groups().Remove(c, c.ConnectionID(), room), h.publish(c, c.Hub(), change))
}

// Say says something in a room that the caller is in.
func (h *ChatHub) Say(c *hubs.Context, room, text string) error {
	change, err := h.rooms.Say(c, c.ConnectionID(), room, text)
	if err != nil {
		return err
	}
	return h.publish(c, c.Hub(), change)
}

// Rename gives the caller another name.
func (h *ChatHub) Rename(c *hubs.Context, name string) error {
	change, err := h.rooms.Rename(c, c.ConnectionID(), name)
	if err != nil {
		return err
	}
	return h.publish(c, c.Hub(), change)
}

// publish tells a change to all it concerns, also when the caller has gone
// meanwhile: the change has happened.
func (h *ChatHub) publish(ctx context.Context, hub *hubs.Hub, change Change) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	clients := hub.Clients()
	var errs []error
	for _, l := range change.Lines {
		errs = append(errs, lineAdded.Send(ctx, clients.Group(l.Room), l.Room, l.Line))
	}
	for _, p := range change.Rosters {
		errs = append(errs, peopleChanged.Send(ctx, clients.Group(p.Room), p.Room, p.Roster))
	}
	if change.Rooms != nil {
		errs = append(errs, roomsChanged.Send(ctx, clients.All(), *change.Rooms))
	}
	return errors.Join(errs...)
}

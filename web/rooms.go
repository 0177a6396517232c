package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// Rooms knows who is connected, who is in which room, and what was said there
// last. It is all that the chat knows about presence. Where that is kept is the
// store's business: several processes with one store show the same rooms.
//
// Its errors are meant for clients. It is safe for concurrent use; every method
// is one step that others see wholly or not at all.
type Rooms struct {
	limits   Limits
	starters []string
	now      func() time.Time
	store    store
}

// newRooms returns rooms of which the starters exist always, the others as long
// as somebody is there.
func newRooms(limits Limits, store store, starters ...string) *Rooms {
	return &Rooms{limits: limits, starters: starters, now: time.Now, store: store}
}

// Arrive makes a connection of a visitor, empty if that is not known, known itself, if
// it is not yet. It has no name then and is in no room.
func (r *Rooms) Arrive(ctx context.Context, connection, visitor string) (Welcome, error) {
	var w Welcome
	_, err := r.change(ctx, func(s *step) error {
		if _, known := s.Guests[connection]; !known {
			if visitor != "" {
				if s.connectionsOf(visitor) >= r.limits.ConnectionsPerVisitor {
					return hubs.NewError("There are too many connections from your address.")
				}
				s.Visitors[connection] = visitor
			}
			s.Guests[connection] = newPerson()
		}
		w = Welcome{You: s.Guests[connection], Limits: r.limits, Rooms: s.list()}
		return nil
	})
	return w, err
}

// Guests returns the connections that have arrived and not departed.
func (r *Rooms) Guests(ctx context.Context) ([]string, error) {
	var guests []string
	_, err := r.change(ctx, func(s *step) error {
		guests = slices.Collect(maps.Keys(s.Guests))
		return nil
	})
	return guests, err
}

// Depart forgets a connection, which thereby leaves its rooms.
func (r *Rooms) Depart(ctx context.Context, connection string) (Change, error) {
	return r.change(ctx, func(s *step) error {
		for _, at := range s.roomsOf(connection) {
			s.leave(connection, at)
		}
		delete(s.Guests, connection)
		delete(s.Visitors, connection)
		return nil
	})
}

// Join gives a connection a name and takes it into a room, which is made if need
// be. It returns the name of the room as it is kept. A connection that is in the
// room already just gets the name.
func (r *Rooms) Join(ctx context.Context, connection, name, roomName string) (string, Change, error) {
	name, err := r.limits.cleanName(name)
	if err != nil {
		return "", Change{}, err
	}
	roomName, err = r.limits.cleanRoom(roomName)
	if err != nil {
		return "", Change{}, err
	}
	change, err := r.change(ctx, func(s *step) error {
		if _, err := s.guest(connection); err != nil {
			return err
		}
		at := s.Rooms[roomName]
		if at.has(connection) {
			s.rename(connection, name)
			return nil
		}
		switch in := s.roomsOf(connection); {
		case len(in) >= r.limits.RoomsPerPerson:
			return hubs.Errorf("You are in %d rooms already. Leave one first.", len(in))
		case at == nil && len(s.Rooms) >= r.limits.Rooms:
			return hubs.Errorf("There are %d rooms already. Join one of them.", len(s.Rooms))
		case at == nil && !s.mayMake(s.Visitors[connection]):
			return hubs.NewError("There are too many rooms made from your address. Join one of them.")
		case at != nil && len(at.Guests) >= r.limits.PeoplePerRoom:
			return hubs.Errorf("The room %s is full.", roomName)
		}
		s.rename(connection, name)
		s.enter(connection, roomName)
		return nil
	})
	if err != nil {
		return "", Change{}, err
	}
	return roomName, change, nil
}

// View returns a room that the connection is in.
func (r *Rooms) View(ctx context.Context, connection, roomName string) (View, error) {
	var view View
	_, err := r.change(ctx, func(s *step) error {
		_, at, err := s.member(connection, roomName)
		if err != nil {
			return err
		}
		view = View{Room: at.Name, Lines: slices.Clone(at.Lines), Roster: s.roster(at)}
		return nil
	})
	return view, err
}

// Leave takes a connection out of a room. It returns the name of the room as it
// is kept.
func (r *Rooms) Leave(ctx context.Context, connection, roomName string) (string, Change, error) {
	var left string
	change, err := r.change(ctx, func(s *step) error {
		_, at, err := s.member(connection, roomName)
		if err != nil {
			return err
		}
		left = at.Name
		s.leave(connection, at)
		return nil
	})
	return left, change, err
}

// Say adds what somebody says to a room.
func (r *Rooms) Say(ctx context.Context, connection, roomName, text string) (Change, error) {
	text, err := r.limits.cleanText(text)
	if err != nil {
		return Change{}, err
	}
	return r.change(ctx, func(s *step) error {
		person, at, err := s.member(connection, roomName)
		if err != nil {
			return err
		}
		s.add(at, kindSaid, person, text)
		return nil
	})
}

// Rename gives a connection another name, in all its rooms.
func (r *Rooms) Rename(ctx context.Context, connection, name string) (Change, error) {
	name, err := r.limits.cleanName(name)
	if err != nil {
		return Change{}, err
	}
	return r.change(ctx, func(s *step) error {
		if _, err := s.guest(connection); err != nil {
			return err
		}
		s.rename(connection, name)
		return nil
	})
}

// change makes a step and returns what others must be told of it. The store may
// have do begin anew, with a new step: do has no effect but on its step and on
// variables that it sets.
func (r *Rooms) change(ctx context.Context, do func(*step) error) (Change, error) {
	var change Change
	err := r.store.update(ctx, func(kept *state) error {
		s := &step{state: kept, rooms: r}
		s.open()
		err := do(s)
		change = s.change
		return err
	})
	if err != nil {
		return Change{}, err
	}
	return change, nil
}

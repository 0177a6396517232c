package main

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"strings"

	"github.com/go-signalr/signalr/hubs"
)

// state is what the chat keeps, as JSON where it is kept outside.
type state struct {
	Last   int64             `json:"last"`   // the last id or revision given
	Guests map[string]Person `json:"guests"` // by connection id
	Rooms  map[string]*room  `json:"rooms"`  // by name
	// Visitors has whose connection it is, by its id, if that is known.
	Visitors map[string]string `json:"visitors"`
}

type room struct {
	Name   string   `json:"name"`
	Guests []string `json:"guests"` // connection ids
	Lines  []Line   `json:"lines"`
	Maker  string   `json:"maker,omitempty"` // the visitor
}

// has reports whether a connection is in the room, which may be nil.
func (r *room) has(connection string) bool {
	return r != nil && slices.Contains(r.Guests, connection)
}

// step is one change of the state while it is made.
type step struct {
	*state
	rooms  *Rooms
	change Change
}

func newPerson() Person {
	const idLength = 12 // of random letters and digits
	return Person{ID: rand.Text()[:idLength]}
}

// open makes the rooms that exist always, which a new state lacks.
func (s *step) open() {
	if s.Guests == nil {
		s.Guests = map[string]Person{}
	}
	if s.Rooms == nil {
		s.Rooms = map[string]*room{}
	}
	if s.Visitors == nil {
		s.Visitors = map[string]string{}
	}
	for _, name := range s.rooms.starters {
		if s.Rooms[name] == nil {
			s.Rooms[name] = &room{Name: name}
		}
	}
}

func (s *step) guest(connection string) (Person, error) {
	person, known := s.Guests[connection]
	if !known {
		return Person{}, hubs.NewError("The connection has ended.")
	}
	return person, nil
}

func (s *step) member(connection, roomName string) (Person, *room, error) {
	roomName, err := s.rooms.limits.cleanRoom(roomName)
	if err != nil {
		return Person{}, nil, err
	}
	person, err := s.guest(connection)
	if err != nil {
		return Person{}, nil, err
	}
	at := s.Rooms[roomName]
	if !at.has(connection) {
		return Person{}, nil, hubs.Errorf("You are not in the room %s.", roomName)
	}
	return person, at, nil
}

// roomsOf returns the rooms that a connection is in, by name.
func (s *step) roomsOf(connection string) []*room {
	var in []*room
	for _, name := range slices.Sorted(maps.Keys(s.Rooms)) {
		if at := s.Rooms[name]; at.has(connection) {
			in = append(in, at)
		}
	}
	return in
}

// connectionsOf returns how many connections a visitor has.
func (s *step) connectionsOf(visitor string) (count int) {
	for _, other := range s.Visitors {
		if other == visitor {
			count++
		}
	}
	return count
}

// mayMake reports whether a visitor, if it is known, may make another room.
func (s *step) mayMake(visitor string) bool {
	made := 0
	for _, at := range s.Rooms {
		if at.Maker == visitor {
			made++
		}
	}
	return visitor == "" || made < s.rooms.limits.RoomsPerVisitor
}

func (s *step) rename(connection, name string) {
	person := s.Guests[connection]
	old := person.Name
	if name == old {
		return
	}
	person.Name = name
	s.Guests[connection] = person
	for _, at := range s.roomsOf(connection) {
		s.add(at, kindRenamed, person, old)
		s.change.Rosters = append(s.change.Rosters, RoomRoster{at.Name, s.roster(at)})
	}
}

func (s *step) enter(connection, roomName string) {
	at := s.Rooms[roomName]
	if at == nil {
		at = &room{Name: roomName, Maker: s.Visitors[connection]}
		s.Rooms[roomName] = at
	}
	at.Guests = append(at.Guests, connection)
	s.add(at, kindJoined, s.Guests[connection], "")
	s.counted(at)
}

func (s *step) leave(connection string, at *room) {
	at.Guests = slices.DeleteFunc(at.Guests, func(guest string) bool { return guest == connection })
	if len(at.Guests) == 0 && !slices.Contains(s.rooms.starters, at.Name) {
		delete(s.Rooms, at.Name)
	}
	s.add(at, kindLeft, s.Guests[connection], "")
	s.counted(at)
}

// add appends a line to a room, of which it keeps the newest.
func (s *step) add(at *room, kind string, from Person, text string) {
	line := Line{ID: s.tick(), At: s.rooms.now().UnixMilli(), Kind: kind, From: from, Text: text}
	if drop := len(at.Lines) + 1 - s.rooms.limits.History; drop > 0 {
		at.Lines = slices.Delete(at.Lines, 0, drop)
	}
	at.Lines = append(at.Lines, line)
	s.change.Lines = append(s.change.Lines, RoomLine{at.Name, line})
}

// counted notes that the number of people in a room has changed.
func (s *step) counted(at *room) {
	s.change.Rosters = append(s.change.Rosters, RoomRoster{at.Name, s.roster(at)})
	list := s.list()
	s.change.Rooms = &list
}

func (s *step) roster(at *room) Roster {
	people := make([]Person, 0, len(at.Guests))
	for _, connection := range at.Guests {
		people = append(people, s.Guests[connection])
	}
	slices.SortFunc(people, func(a, b Person) int {
		return cmp.Or(
			strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)),
			strings.Compare(a.ID, b.ID))
	})
	return Roster{Revision: s.tick(), People: people}
}

// list returns the starters in their order, then the other rooms by name.
func (s *step) list() RoomList {
	names := slices.Clone(s.rooms.starters)
	for _, name := range slices.Sorted(maps.Keys(s.Rooms)) {
		if !slices.Contains(s.rooms.starters, name) {
			names = append(names, name)
		}
	}
	list := RoomList{Revision: s.tick(), Rooms: make([]RoomInfo, 0, len(names))}
	for _, name := range names {
		list.Rooms = append(list.Rooms, RoomInfo{name, len(s.Rooms[name].Guests)})
	}
	return list
}

// tick returns a number greater than all before. It follows the clock, so that
// it also grows when the server starts again, as pages that stay open expect.
func (s *step) tick() int64 {
	s.Last = max(s.Last+1, s.rooms.now().UnixMilli())
	return s.Last
}

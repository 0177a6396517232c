package main

import (
	"cmp"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// Rooms knows who is connected, who is in which room, and what was said there
// last. It is all that the chat knows about presence: kept in another place, it
// would let several servers show the same rooms.
//
// Its errors are meant for clients. It is safe for concurrent use; every method
// is one step that others see wholly or not at all.
type Rooms struct {
	limits   Limits
	starters []string
	now      func() time.Time

	mu     sync.Mutex
	last   int64             // the last id or revision given
	guests map[string]*guest // by connection id
	rooms  map[string]*room  // by name
}

type guest struct {
	Person
	rooms map[string]*room // by name
}

type room struct {
	name   string
	guests map[*guest]struct{}
	lines  []Line
}

// newRooms returns rooms of which the starters exist always, the others as long
// as somebody is there.
func newRooms(limits Limits, starters ...string) *Rooms {
	r := &Rooms{
		limits:   limits,
		starters: starters,
		now:      time.Now,
		guests:   map[string]*guest{},
		rooms:    map[string]*room{},
	}
	for _, name := range starters {
		r.rooms[name] = newRoom(name)
	}
	return r
}

func newRoom(name string) *room { return &room{name: name, guests: map[*guest]struct{}{}} }

// Arrive makes a connection known. It has no name and is in no room yet.
func (r *Rooms) Arrive(connection string) Welcome {
	const idLength = 12 // of random letters and digits
	r.mu.Lock()
	defer r.mu.Unlock()
	g := &guest{Person: Person{ID: rand.Text()[:idLength]}, rooms: map[string]*room{}}
	r.guests[connection] = g
	return Welcome{You: g.Person, Limits: r.limits, Rooms: r.list()}
}

// Depart forgets a connection, which thereby leaves its rooms.
func (r *Rooms) Depart(connection string) Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	var change Change
	g := r.guests[connection]
	if g == nil {
		return change
	}
	delete(r.guests, connection)
	for _, name := range slices.Sorted(maps.Keys(g.rooms)) {
		r.leave(g, g.rooms[name], &change)
	}
	return change
}

// Join gives a connection a name and takes it into a room, which is made if need
// be. It returns the name of the room as it is kept. A connection that is in the
// room already just gets the name.
func (r *Rooms) Join(connection, name, roomName string) (string, Change, error) {
	var change Change
	name, err := r.limits.cleanName(name)
	if err != nil {
		return "", change, err
	}
	roomName, err = r.limits.cleanRoom(roomName)
	if err != nil {
		return "", change, err
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	g, err := r.guest(connection)
	if err != nil {
		return "", change, err
	}
	at := r.rooms[roomName]
	if g.rooms[roomName] == nil {
		switch {
		case len(g.rooms) >= r.limits.RoomsPerPerson:
			return "", change, hubs.Errorf("You are in %d rooms already. Leave one first.", len(g.rooms))
		case at == nil && len(r.rooms) >= r.limits.Rooms:
			return "", change, hubs.Errorf("There are %d rooms already. Join one of them.", len(r.rooms))
		case at != nil && len(at.guests) >= r.limits.PeoplePerRoom:
			return "", change, hubs.Errorf("The room %s is full.", roomName)
		}
	}
	r.rename(g, name, &change)
	if g.rooms[roomName] != nil {
		return roomName, change, nil
	}
	if at == nil {
		at = newRoom(roomName)
		r.rooms[roomName] = at
	}
	at.guests[g] = struct{}{}
	g.rooms[roomName] = at
	r.add(at, kindJoined, g.Person, "", &change)
	r.counted(at, &change)
	return roomName, change, nil
}

// View returns a room that the connection is in.
func (r *Rooms) View(connection, roomName string) (View, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, at, err := r.member(connection, roomName)
	if err != nil {
		return View{}, err
	}
	return View{Room: at.name, Lines: slices.Clone(at.lines), Roster: r.roster(at)}, nil
}

// Leave takes a connection out of a room. It returns the name of the room as it
// is kept.
func (r *Rooms) Leave(connection, roomName string) (string, Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var change Change
	g, at, err := r.member(connection, roomName)
	if err != nil {
		return "", change, err
	}
	r.leave(g, at, &change)
	return at.name, change, nil
}

// Say adds what somebody says to a room.
func (r *Rooms) Say(connection, roomName, text string) (Change, error) {
	var change Change
	text, err := r.limits.cleanText(text)
	if err != nil {
		return change, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	g, at, err := r.member(connection, roomName)
	if err != nil {
		return change, err
	}
	r.add(at, kindSaid, g.Person, text, &change)
	return change, nil
}

// Rename gives a connection another name, in all its rooms.
func (r *Rooms) Rename(connection, name string) (Change, error) {
	var change Change
	name, err := r.limits.cleanName(name)
	if err != nil {
		return change, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	g, err := r.guest(connection)
	if err != nil {
		return change, err
	}
	r.rename(g, name, &change)
	return change, nil
}

// The methods below need r.mu.

func (r *Rooms) guest(connection string) (*guest, error) {
	g := r.guests[connection]
	if g == nil {
		return nil, hubs.NewError("The connection has ended.")
	}
	return g, nil
}

func (r *Rooms) member(connection, roomName string) (*guest, *room, error) {
	roomName, err := r.limits.cleanRoom(roomName)
	if err != nil {
		return nil, nil, err
	}
	g, err := r.guest(connection)
	if err != nil {
		return nil, nil, err
	}
	at := g.rooms[roomName]
	if at == nil {
		return nil, nil, hubs.Errorf("You are not in the room %s.", roomName)
	}
	return g, at, nil
}

func (r *Rooms) rename(g *guest, name string, change *Change) {
	old := g.Name
	if name == old {
		return
	}
	g.Name = name
	for _, roomName := range slices.Sorted(maps.Keys(g.rooms)) {
		at := g.rooms[roomName]
		r.add(at, kindRenamed, g.Person, old, change)
		change.Rosters = append(change.Rosters, RoomRoster{at.name, r.roster(at)})
	}
}

func (r *Rooms) leave(g *guest, at *room, change *Change) {
	delete(at.guests, g)
	delete(g.rooms, at.name)
	if len(at.guests) == 0 && !slices.Contains(r.starters, at.name) {
		delete(r.rooms, at.name)
	}
	r.add(at, kindLeft, g.Person, "", change)
	r.counted(at, change)
}

// add appends a line to a room, of which it keeps the newest.
func (r *Rooms) add(at *room, kind string, from Person, text string, change *Change) {
	line := Line{ID: r.tick(), At: r.now().UnixMilli(), Kind: kind, From: from, Text: text}
	if drop := len(at.lines) + 1 - r.limits.History; drop > 0 {
		at.lines = slices.Delete(at.lines, 0, drop)
	}
	at.lines = append(at.lines, line)
	change.Lines = append(change.Lines, RoomLine{at.name, line})
}

// counted notes that the number of people in a room has changed.
func (r *Rooms) counted(at *room, change *Change) {
	change.Rosters = append(change.Rosters, RoomRoster{at.name, r.roster(at)})
	list := r.list()
	change.Rooms = &list
}

func (r *Rooms) roster(at *room) Roster {
	people := make([]Person, 0, len(at.guests))
	for g := range at.guests {
		people = append(people, g.Person)
	}
	slices.SortFunc(people, func(a, b Person) int {
		return cmp.Or(
			strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)),
			strings.Compare(a.ID, b.ID))
	})
	return Roster{Revision: r.tick(), People: people}
}

// list returns the starters in their order, then the other rooms by name.
func (r *Rooms) list() RoomList {
	names := slices.Clone(r.starters)
	for _, name := range slices.Sorted(maps.Keys(r.rooms)) {
		if !slices.Contains(r.starters, name) {
			names = append(names, name)
		}
	}
	list := RoomList{Revision: r.tick(), Rooms: make([]RoomInfo, 0, len(names))}
	for _, name := range names {
		list.Rooms = append(list.Rooms, RoomInfo{name, len(r.rooms[name].guests)})
	}
	return list
}

// tick returns a number greater than all before. It follows the clock, so that
// it also grows when the server starts again, as pages that stay open expect.
func (r *Rooms) tick() int64 {
	r.last = max(r.last+1, r.now().UnixMilli())
	return r.last
}

package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

func TestRooms(t *testing.T) {
	t.Parallel()

	t.Run("a welcome tells who one is and which rooms there are", func(t *testing.T) {
		t.Parallel()
		r := newRooms(defaultLimits(), &memory{}, "lobby", "help")
		w := arrived(t, r, "a")
		require.NotEmpty(t, w.You.ID)
		require.NotEqual(t, "a", w.You.ID, "the connection id is nobody's business")
		require.Empty(t, w.You.Name)
		require.Equal(t, defaultLimits(), w.Limits)
		require.Equal(t, []RoomInfo{{"lobby", 0}, {"help", 0}}, w.Rooms.Rooms)
		require.NotEqual(t, w.You.ID, arrived(t, r, "b").You.ID)
		require.Equal(t, w.You, arrived(t, r, "a").You, "who is known stays who they are")
	})

	t.Run("joining a new room makes it", func(t *testing.T) {
		t.Parallel()
		r := newRooms(defaultLimits(), &memory{}, "lobby")
		ann := arrived(t, r, "a").You
		name, change, err := r.Join(t.Context(), "a", " Ann ", "Go Talk")
		require.NoError(t, err)
		require.Equal(t, "go-talk", name)
		require.Equal(t, []string{"go-talk: joined Ann"}, lines(change))
		require.Equal(t, []string{"go-talk: Ann"}, rosters(change))
		require.Equal(t, []RoomInfo{{"lobby", 0}, {"go-talk", 1}}, change.Rooms.Rooms)
		require.Equal(t, Person{ann.ID, "Ann"}, change.Lines[0].Line.From)

		view, err := r.View(t.Context(), "a", "GO TALK")
		require.NoError(t, err)
		require.Equal(t, "go-talk", view.Room)
		require.Equal(t, []Line{change.Lines[0].Line}, view.Lines)
		require.Equal(t, []Person{{ann.ID, "Ann"}}, view.Roster.People)
	})

	t.Run("joining again changes nothing but the name", func(t *testing.T) {
		t.Parallel()
		r := newRooms(defaultLimits(), &memory{}, "lobby")
		arrive(t, r, "a", "Ann", "lobby")
		_, change, err := r.Join(t.Context(), "a", "Ann", "lobby")
		require.NoError(t, err)
		require.Equal(t, Change{}, change)
		_, change, err = r.Join(t.Context(), "a", "Anna", "lobby")
		require.NoError(t, err)
		require.Equal(t, []string{"lobby: renamed Anna (Ann)"}, lines(change))
		require.Nil(t, change.Rooms)
	})

	t.Run("a new name shows in every room", func(t *testing.T) {
		t.Parallel()
		r := newRooms(defaultLimits(), &memory{}, "lobby")
		arrive(t, r, "a", "Ann", "b", "a")
		arrive(t, r, "z", "Zoe", "a")
		change, err := r.Rename(t.Context(), "a", "zuzu")
		require.NoError(t, err)
		require.Equal(t, []string{"a: renamed zuzu (Ann)", "b: renamed zuzu (Ann)"}, lines(change))
		require.Equal(t, []string{"a: Zoe, zuzu", "b: zuzu"}, rosters(change))
		require.Nil(t, change.Rooms)
		change, err = r.Rename(t.Context(), "a", "zuzu")
		require.NoError(t, err)
		require.Equal(t, Change{}, change)
	})

	t.Run("what is said is kept, up to the limit", func(t *testing.T) {
		t.Parallel()
		r := newRooms(Limits{Name: 9, Room: 9, Text: 9, Rooms: 9, RoomsPerPerson: 9, PeoplePerRoom: 9, History: 3}, &memory{}, "lobby")
		arrive(t, r, "a", "Ann", "lobby")
		for i := range 5 {
			change, err := r.Say(t.Context(), "a", "lobby", fmt.Sprint(i))
			require.NoError(t, err)
			require.Equal(t, []string{fmt.Sprintf("lobby: said Ann (%d)", i)}, lines(change))
			require.Empty(t, change.Rosters)
			require.Nil(t, change.Rooms)
		}
		arrive(t, r, "b", "Bob", "lobby")
		view, err := r.View(t.Context(), "b", "lobby")
		require.NoError(t, err)
		require.Len(t, view.Lines, 3)
		require.Equal(t, "3", view.Lines[0].Text)
		require.Equal(t, "4", view.Lines[1].Text)
		require.Equal(t, kindJoined, view.Lines[2].Kind)

		_, err = r.Say(t.Context(), "a", "lobby", "later")
		require.NoError(t, err)
		require.Equal(t, "3", view.Lines[0].Text, "a view does not change")
	})

	t.Run("an empty room is gone, a starter stays", func(t *testing.T) {
		t.Parallel()
		r := newRooms(defaultLimits(), &memory{}, "lobby")
		arrive(t, r, "a", "Ann", "lobby", "den")
		name, change, err := r.Leave(t.Context(), "a", "DEN")
		require.NoError(t, err)
		require.Equal(t, "den", name)
		require.Equal(t, []string{"den: left Ann"}, lines(change))
		require.Equal(t, []RoomInfo{{"lobby", 1}}, change.Rooms.Rooms)
		_, change, err = r.Leave(t.Context(), "a", "lobby")
		require.NoError(t, err)
		require.Equal(t, []RoomInfo{{"lobby", 0}}, change.Rooms.Rooms)

		arrive(t, r, "b", "Bob", "den", "lobby")
		den, err := r.View(t.Context(), "b", "den")
		require.NoError(t, err)
		require.Len(t, den.Lines, 1, "a new room of an old name knows nothing of it")
		lobby, err := r.View(t.Context(), "b", "lobby")
		require.NoError(t, err)
		require.Len(t, lobby.Lines, 3)
	})

	t.Run("a connection that ends leaves all its rooms", func(t *testing.T) {
		t.Parallel()
		r := newRooms(defaultLimits(), &memory{}, "lobby")
		arrive(t, r, "a", "Ann", "lobby", "den")
		arrive(t, r, "b", "Bob", "lobby")
		change, err := r.Depart(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, []string{"den: left Ann", "lobby: left Ann"}, lines(change))
		require.Equal(t, []string{"den: ", "lobby: Bob"}, rosters(change))
		require.Equal(t, []RoomInfo{{"lobby", 1}}, change.Rooms.Rooms)
		change, err = r.Depart(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, Change{}, change)
		_, _, err = r.Join(t.Context(), "a", "Ann", "lobby")
		require.EqualError(t, err, "The connection has ended.")
	})

	t.Run("ids and revisions grow, whatever the clock does", func(t *testing.T) {
		t.Parallel()
		r := newRooms(defaultLimits(), &memory{}, "lobby")
		clock := time.UnixMilli(1_000_000)
		r.now = func() time.Time { return clock }
		first := arrived(t, r, "a").Rooms.Revision
		require.EqualValues(t, 1_000_000, first)
		_, change, err := r.Join(t.Context(), "a", "Ann", "lobby")
		require.NoError(t, err)
		require.Greater(t, change.Lines[0].Line.ID, first)
		require.EqualValues(t, 1_000_000, change.Lines[0].Line.At)
		require.Greater(t, change.Rosters[0].Roster.Revision, change.Lines[0].Line.ID)
		require.Greater(t, change.Rooms.Revision, change.Rosters[0].Roster.Revision)
		clock = clock.Add(-time.Hour)
		back, err := r.Say(t.Context(), "a", "lobby", "x")
		require.NoError(t, err)
		require.Greater(t, back.Lines[0].Line.ID, change.Rooms.Revision)
		clock = clock.Add(2 * time.Hour)
		on, err := r.Say(t.Context(), "a", "lobby", "x")
		require.NoError(t, err)
		require.Equal(t, clock.UnixMilli(), on.Lines[0].Line.ID)
	})
}

func TestRoomsRefuse(t *testing.T) {
	t.Parallel()
	limits := Limits{Name: 5, Room: 5, Text: 5, Rooms: 3, RoomsPerPerson: 2, PeoplePerRoom: 2, History: 5}
	for name, test := range map[string]struct {
		do  func(r *Rooms) error
		err string
	}{
		"a bad name": {
			func(r *Rooms) error { _, _, err := r.Join(t.Context(), "c", "", "lobby"); return err },
			"Please give a name."},
		"a bad new name": {
			func(r *Rooms) error { _, err := r.Rename(t.Context(), "a", "Annabel"); return err },
			"A name has at most 5 characters."},
		"a bad room": {
			func(r *Rooms) error { _, _, err := r.Join(t.Context(), "c", "Cy", "a/b"); return err },
			"The name of a room has only letters, digits, - and _."},
		"a full room": {
			func(r *Rooms) error { _, _, err := r.Join(t.Context(), "c", "Cy", "lobby"); return err },
			"The room lobby is full."},
		"too many rooms for one": {
			func(r *Rooms) error { _, _, err := r.Join(t.Context(), "a", "Ann", "c"); return err },
			"You are in 2 rooms already. Leave one first."},
		"too many rooms in all": {
			func(r *Rooms) error { _, _, err := r.Join(t.Context(), "c", "Cy", "d"); return err },
			"There are 3 rooms already. Join one of them."},
		"a bad message": {
			func(r *Rooms) error { _, err := r.Say(t.Context(), "a", "lobby", "too long"); return err },
			"A message has at most 5 characters."},
		"a message to a room one is not in": {
			func(r *Rooms) error { _, err := r.Say(t.Context(), "c", "lobby", "hi"); return err },
			"You are not in the room lobby."},
		"leaving a room one is not in": {
			func(r *Rooms) error { _, _, err := r.Leave(t.Context(), "c", "lobby"); return err },
			"You are not in the room lobby."},
		"looking into a room one is not in": {
			func(r *Rooms) error { _, err := r.View(t.Context(), "c", "lobby"); return err },
			"You are not in the room lobby."},
		"a room that does not exist": {
			func(r *Rooms) error { _, err := r.View(t.Context(), "c", "moon"); return err },
			"You are not in the room moon."},
		"a stranger's message": {
			func(r *Rooms) error { _, err := r.Say(t.Context(), "x", "lobby", "hi"); return err },
			"The connection has ended."},
		"a stranger's name": {
			func(r *Rooms) error { _, err := r.Rename(t.Context(), "x", "Xi"); return err },
			"The connection has ended."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRooms(limits, &memory{}, "lobby")
			arrive(t, r, "a", "Ann", "lobby", "a")
			arrive(t, r, "b", "Bob", "lobby", "b")
			arrived(t, r, "c")
			require.EqualError(t, test.do(r), test.err)

			view, err := r.View(t.Context(), "a", "lobby")
			require.NoError(t, err)
			require.Len(t, view.Lines, 2, "nothing has happened")
			require.Len(t, view.Roster.People, 2)
		})
	}
}

// Whatever people do at once, the change with the greatest revision tells the
// truth, and no two lines have the same place.
func TestRoomsAtOnce(t *testing.T) {
	t.Parallel()
	const people, rounds = 16, 50
	r := newRooms(defaultLimits(), &memory{}, "lobby")
	all := make([]Change, people*rounds*3)
	var wait sync.WaitGroup
	for p := range people {
		wait.Go(func() {
			connection := fmt.Sprint(p)
			_, _ = r.Arrive(t.Context(), connection, "")
			for round := range rounds {
				changes := all[(p*rounds+round)*3:]
				_, changes[0], _ = r.Join(t.Context(), connection, fmt.Sprintf("P%d", p), "lobby")
				changes[1], _ = r.Say(t.Context(), connection, "lobby", "hi")
				if round < rounds-1 || p%2 == 0 {
					_, changes[2], _ = r.Leave(t.Context(), connection, "lobby")
				}
			}
		})
	}
	await.Group(t, &wait, "the people who join, speak, and leave at once")

	ids := map[int64]bool{}
	var roster Roster
	var list RoomList
	for _, change := range all {
		for _, l := range change.Lines {
			require.False(t, ids[l.Line.ID])
			ids[l.Line.ID] = true
		}
		for _, p := range change.Rosters {
			if p.Roster.Revision > roster.Revision {
				roster = p.Roster
			}
		}
		if change.Rooms != nil && change.Rooms.Revision > list.Revision {
			list = *change.Rooms
		}
	}
	require.Len(t, ids, people*rounds*3-people/2)
	view, err := r.View(t.Context(), "1", "lobby")
	require.NoError(t, err)
	require.Len(t, view.Roster.People, people/2)
	require.Equal(t, view.Roster.People, roster.People)
	require.Equal(t, []RoomInfo{{"lobby", people / 2}}, list.Rooms)
	require.True(t, slices.IsSortedFunc(view.Lines, func(a, b Line) int { return int(a.ID - b.ID) }))
}

func arrived(t *testing.T, r *Rooms, connection string) Welcome {
	t.Helper()
	w, err := r.Arrive(t.Context(), connection, "")
	require.NoError(t, err)
	return w
}

// arrive brings a connection into rooms.
func arrive(t *testing.T, r *Rooms, connection, name string, rooms ...string) {
	t.Helper()
	arrived(t, r, connection)
	for _, room := range rooms {
		_, _, err := r.Join(t.Context(), connection, name, room)
		require.NoError(t, err)
	}
}

// lines tells the lines of a change: "room: kind name (text)".
func lines(change Change) []string {
	var told []string
	for _, l := range change.Lines {
		text := fmt.Sprintf("%s: %s %s", l.Room, l.Line.Kind, l.Line.From.Name)
		if l.Line.Text != "" {
			text += fmt.Sprintf(" (%s)", l.Line.Text)
		}
		told = append(told, text)
	}
	return told
}

// rosters tells the rosters of a change: "room: name, name".
func rosters(change Change) []string {
	var told []string
	for _, p := range change.Rosters {
		text := p.Room + ": "
		for i, person := range p.Roster.People {
			if i > 0 {
				text += ", "
			}
			text += person.Name
		}
		told = append(told, text)
	}
	return told
}

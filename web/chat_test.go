package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

func TestSend(t *testing.T) {
	t.Parallel()
	server := serveChat(t)
	ann, bob := server.Connect(), server.Connect()
	require.NoError(t, ann.Invoke("send", "hello"))
	ann.Expect("messageReceived", "hello")
	bob.Expect("messageReceived", "hello")

	long := strings.Repeat("x", defaultLimits().Text+1)
	require.ErrorContains(t, ann.Invoke("Send", long), "HubException: A message has at most 2000 characters.")
	bob.ExpectNothing("messageReceived")
}

func TestWelcome(t *testing.T) {
	t.Parallel()
	ann := serveChat(t).Connect()
	var w Welcome
	ann.Receive("welcome", &w)
	require.NotEmpty(t, w.You.ID)
	require.NotEqual(t, ann.ID(), w.You.ID)
	want := defaultLimits()
	want.ConnectionsPerVisitor, want.RoomsPerVisitor = 0, 0 // which are none of the page's business
	require.Equal(t, want, w.Limits)
	require.Equal(t, []RoomInfo{{"lobby", 0}}, w.Rooms.Rooms)
}

func TestPeopleInRooms(t *testing.T) {
	t.Parallel()
	server := serveChat(t)
	ann, bob, eve := server.Connect(), server.Connect(), server.Connect()
	require.NoError(t, ann.Invoke("Join", "Ann", "den"))
	requireLine(t, ann, "den", kindJoined, "Ann", "")
	requireRoster(t, ann, "den", "Ann")
	require.NoError(t, ann.Invoke("Say", "den", "anybody here?"))
	requireLine(t, ann, "den", kindSaid, "Ann", "anybody here?")

	// Bob sees what was, Ann sees Bob, and both hear what comes.
	view, err := hubtest.Invoke[View](bob, "Join", "Bob", "Den")
	require.NoError(t, err)
	require.Equal(t, "den", view.Room)
	require.Len(t, view.Lines, 3)
	require.Equal(t, "anybody here?", view.Lines[1].Text)
	require.Len(t, view.Roster.People, 2)
	requireLine(t, ann, "den", kindJoined, "Bob", "")
	requireRoster(t, ann, "den", "Ann", "Bob")
	require.NoError(t, bob.Invoke("Say", "den", "me"))
	requireLine(t, ann, "den", kindSaid, "Bob", "me")
	require.NoError(t, bob.Invoke("Rename", "Rob"))
	requireLine(t, ann, "den", kindRenamed, "Rob", "Bob")
	requireRoster(t, ann, "den", "Ann", "Rob")
	requireLine(t, bob, "den", kindJoined, "Bob", "")
	requireLine(t, bob, "den", kindSaid, "Bob", "me")
	requireLine(t, bob, "den", kindRenamed, "Rob", "Bob")
	requireRoster(t, bob, "den", "Ann", "Bob")
	requireRoster(t, bob, "den", "Ann", "Rob")

	// Bob leaves and hears nothing more of the den.
	require.NoError(t, bob.Invoke("Leave", "den"))
	requireLine(t, ann, "den", kindLeft, "Rob", "")
	requireRoster(t, ann, "den", "Ann")
	require.NoError(t, ann.Invoke("Say", "den", "alone"))
	bob.ExpectNothing("lineAdded", "peopleChanged")

	// Eve has not heard anything of it, but knows how many were there.
	eve.ExpectNothing("lineAdded", "peopleChanged")
	requireRooms(t, eve, RoomInfo{"lobby", 0}, RoomInfo{"den", 1})
	requireRooms(t, eve, RoomInfo{"lobby", 0}, RoomInfo{"den", 2})
	requireRooms(t, eve, RoomInfo{"lobby", 0}, RoomInfo{"den", 1})
}

func TestErrorsReachTheCaller(t *testing.T) {
	t.Parallel()
	ann := serveChat(t).Connect()
	for method, arguments := range map[string][]any{
		"Say":    {"lobby", "hi"},
		"Leave":  {"lobby"},
		"Join":   {"", "lobby"},
		"Rename": {" "},
	} {
		require.ErrorContains(t, ann.Invoke(method, arguments...), "HubException: ", method)
	}
}

func TestWhoVanishesLeaves(t *testing.T) {
	t.Parallel()
	for name, vanish := range map[string]func(*hubtest.Client){
		"properly":       (*hubtest.Client).Close,
		"without a word": (*hubtest.Client).Drop,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serveChat(t)
			ann, bob := server.Connect(), server.Connect()
			require.NoError(t, ann.Invoke("Join", "Ann", "lobby"))
			require.NoError(t, bob.Invoke("Join", "Bob", "lobby"))
			require.NoError(t, bob.Invoke("Join", "Bob", "den"))
			vanish(bob)
			requireLine(t, ann, "lobby", kindJoined, "Ann", "")
			requireLine(t, ann, "lobby", kindJoined, "Bob", "")
			requireLine(t, ann, "lobby", kindLeft, "Bob", "")
			requireRoster(t, ann, "lobby", "Ann")
			requireRoster(t, ann, "lobby", "Ann", "Bob")
			requireRoster(t, ann, "lobby", "Ann")
			for _, rooms := range [][]RoomInfo{
				{{"lobby", 1}},
				{{"lobby", 2}},
				{{"lobby", 2}, {"den", 1}},
				{{"lobby", 1}},
			} {
				requireRooms(t, ann, rooms...)
			}
		})
	}
}

// serveChat starts a server with one room, the lobby.
func serveChat(t *testing.T) *hubtest.Server {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	chat := &ChatHub{rooms: newRooms(defaultLimits(), &memory{}, "lobby"), visitors: newVisitors(true), logger: logger}
	hub, err := hubs.New(chat, hubs.WithLogger(logger), hubs.WithFilters(chat.visitors.filter()))
	require.NoError(t, err)
	return hubtest.NewServer(t, hub)
}

func requireLine(t *testing.T, c *hubtest.Client, room, kind, name, text string) {
	t.Helper()
	var inRoom string
	var line Line
	c.Receive("lineAdded", &inRoom, &line)
	require.Equal(t, []string{room, kind, name, text}, []string{inRoom, line.Kind, line.From.Name, line.Text})
	require.Positive(t, line.ID)
	require.Positive(t, line.At)
}

func requireRoster(t *testing.T, c *hubtest.Client, room string, names ...string) {
	t.Helper()
	var inRoom string
	var roster Roster
	c.Receive("peopleChanged", &inRoom, &roster)
	require.Equal(t, room, inRoom)
	var here []string
	for _, person := range roster.People {
		here = append(here, person.Name)
	}
	require.Equal(t, names, here)
}

func requireRooms(t *testing.T, c *hubtest.Client, rooms ...RoomInfo) {
	t.Helper()
	var list RoomList
	c.Receive("roomsChanged", &list)
	require.Equal(t, rooms, list.Rooms)
}

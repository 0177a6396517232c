package hubs_test

import (
	"fmt"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// Rooms is a hub with a group for each room.
type Rooms struct{}

// Join makes the caller a member of a room. It ends with the connection.
func (*Rooms) Join(c *hubs.Context, room string) error {
	return c.Groups().Add(c, c.ConnectionID(), room)
}

// Leave ends the caller's membership.
func (*Rooms) Leave(c *hubs.Context, room string) error {
	return c.Groups().Remove(c, c.ConnectionID(), room)
}

// Say sends to the other members of a room.
func (*Rooms) Say(c *hubs.Context, room, text string) error {
	return c.Clients().OthersInGroup(room).Send(c, "said", room, text)
}

func Example_groups() {
	rooms, err := hubs.New(&Rooms{})
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	server := hubtest.NewServer(t, rooms)
	ada, bob, cid := server.Connect(), server.Connect(), server.Connect()
	for _, client := range []*hubtest.Client{ada, bob} {
		if err := client.Invoke("Join", "kitchen"); err != nil {
			panic(err)
		}
	}
	fmt.Println(ada.Invoke("Say", "kitchen", "tea?"))
	var room, text string
	bob.Receive("said", &room, &text)
	fmt.Println(room, text)
	cid.ExpectNothing() // not a member
	// Output:
	// <nil>
	// kitchen tea?
}

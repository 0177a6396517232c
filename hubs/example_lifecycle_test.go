package hubs_test

import (
	"errors"
	"fmt"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// Doorman welcomes clients and says good-bye to them.
type Doorman struct{}

// OnConnected runs before the calls of a client. With an error the client is
// refused.
func (*Doorman) OnConnected(c *hubs.Context) error {
	name := c.Request().URL.Query().Get("name")
	if name == "" {
		return hubs.NewError("who are you?")
	}
	c.Items().Store("name", name) // kept as long as the connection
	fmt.Println("welcome", name)
	return nil
}

// OnDisconnected runs after the last call; cause is nil if the client has closed the
// connection. That has ended, but its context lives until OnDisconnected returns.
func (*Doorman) OnDisconnected(c *hubs.Context, cause error) {
	name, _ := c.Items().Load("name")
	switch {
	case cause == nil:
		fmt.Println("good-bye", name)
	case errors.Is(cause, hubs.ErrConnectionLost), errors.Is(cause, hubs.ErrClientTimeout):
		fmt.Println("lost", name)
	default: // kicked out, or the server shuts down
		fmt.Println(name, "had to go:", cause)
	}
	if err := c.Clients().Others().Send(c, "left", name); err != nil {
		fmt.Println(err)
	}
}

func Example_lifecycle() {
	hub, err := hubs.New(&Doorman{})
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	server := hubtest.NewServer(t, hub)
	ada := server.Connect(hubtest.WithURL("/?name=Ada"))
	bob := server.Connect(hubtest.WithURL("/?name=Bob"))
	ada.Close()
	bob.Expect("left", "Ada")
	bob.Drop()
	// Output:
	// welcome Ada
	// welcome Bob
	// good-bye Ada
	// lost Bob
}

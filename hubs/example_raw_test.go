package hubs_test

import (
	"fmt"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/protocol"
)

// Board is a hub whose clients send each other drawings that it does not understand.
type Board struct{}

// Draw passes a drawing on, to each client in its own protocol.
func (*Board) Draw(c *hubs.Context, drawing protocol.Raw) error {
	return c.Clients().Others().Send(c, "drawn", drawing)
}

func Example_raw() {
	board, err := hubs.New(&Board{}, hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()))
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	server := hubtest.NewServer(t, board)
	ada, bob := server.Connect(), server.Connect(hubtest.WithProtocol(protocol.NewMessagePack()))
	fmt.Println(ada.Invoke("Draw", map[string]any{"line": []int{1, 2}}))
	var drawing map[string][]int
	bob.Receive("drawn", &drawing)
	fmt.Println(drawing)
	// Output:
	// <nil>
	// map[line:[1 2]]
}

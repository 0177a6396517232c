package hubs_test

import (
	"fmt"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// messageReceived is what the clients are sent, with its types.
var messageReceived = hubs.NewEvent2[string, string]("messageReceived")

// Chat is a hub: clients can call its exported methods that take a *hubs.Context.
type Chat struct{}

// Send sends a message to everyone.
func (*Chat) Send(c *hubs.Context, name, text string) error {
	if text == "" {
		return hubs.NewError("say something")
	}
	return messageReceived.Send(c, c.Clients().All(), name, text)
}

// A program mounts a hub at a path and below it:
//
//	http.Handle("/chat", chat)
//	http.Handle("/chat/", chat)
//
// Here, clients of package hubtest call it instead.
func Example() {
	chat, err := hubs.New(&Chat{})
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	server := hubtest.NewServer(t, chat)
	ada, bob := server.Connect(), server.Connect()
	fmt.Println(ada.Invoke("Send", "Ada", "hello"))
	var name, text string
	bob.Receive("messageReceived", &name, &text)
	fmt.Println(name, "said", text)
	fmt.Println(ada.Invoke("Send", "Ada", ""))
	// Output:
	// <nil>
	// Ada said hello
	// An unexpected error occurred invoking 'Send' on the server. HubException: say something
}

package hubs_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// Methods can also be functions, which are called without reflection.
func ExampleHandle2() {
	hub, err := hubs.New(nil,
		hubs.Handle2("Add", func(_ *hubs.Context, a, b int) (int, error) { return a + b, nil }),
	)
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, hub).Connect()
	fmt.Println(hubtest.Invoke[int](client, "Add", 1, 2))
	// Output: 3 <nil>
}

// A program can send to the clients of a hub from anywhere.
func ExampleHub_Clients() {
	news, err := hubs.New(nil)
	if err != nil {
		panic(err)
	}
	publish := func(ctx context.Context, headline string) error {
		return news.Clients().All().Send(ctx, "published", headline)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, news).Connect()
	fmt.Println(publish(context.Background(), "Hub opens"))
	var headline string
	client.Receive("published", &headline)
	fmt.Println(headline)
	// Output:
	// <nil>
	// Hub opens
}

// Events are client methods with their types: the compiler checks what is sent.
func ExampleEvent1() {
	progress := hubs.NewEvent1[float64]("progress")
	hub, err := hubs.New(nil,
		hubs.HandleVoid0("Work", func(c *hubs.Context) error {
			return progress.Send(c, c.Clients().Caller(), 0.5)
		}))
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, hub).Connect()
	fmt.Println(client.Invoke("Work"))
	var done float64
	client.Receive(progress.Name(), &done)
	fmt.Println(done)
	// Output:
	// <nil>
	// 0.5
}

// A user is whoever the request belongs to, with all connections that it has.
func ExampleWithUserID() {
	hub, err := hubs.New(nil,
		hubs.WithUserID(func(r *http.Request) string {
			return r.Header.Get("X-User") // set by a proxy that authenticates
		}),
		hubs.HandleVoid2("Whisper", func(c *hubs.Context, to, text string) error {
			return c.Clients().User(to).Send(c, "whispered", c.UserID(), text)
		}))
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	server := hubtest.NewServer(t, hub)
	ada := server.Connect(hubtest.WithHeader("X-User", "ada"))
	bob := server.Connect(hubtest.WithHeader("X-User", "bob"))
	fmt.Println(ada.Invoke("Whisper", "bob", "psst"))
	var from, text string
	bob.Receive("whispered", &from, &text)
	fmt.Println(from, text)
	ada.ExpectNothing()
	// Output:
	// <nil>
	// ada psst
}

// This hub also speaks MessagePack, offers no long polling, and lets the pages of
// another origin connect.
func ExampleWithEndpoint() {
	hub, err := hubs.New(nil,
		hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
		hubs.WithEndpoint(
			transports.WithTransports(transports.WebSockets, transports.ServerSentEvents),
			transports.WithAllowedOrigins("https://app.example"),
		),
		hubs.Handle0("Transport", func(c *hubs.Context) (string, error) { return c.Transport().String(), nil }))
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, hub).Connect(
		hubtest.WithProtocol(protocol.NewMessagePack()),
		hubtest.WithHeader("Origin", "https://app.example"))
	fmt.Println(hubtest.Invoke[string](client, "Transport"))
	// Output: WebSockets <nil>
}

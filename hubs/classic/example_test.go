package classic_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// Greeter is a hub of the examples.
type Greeter struct{}

// Greet greets.
func (*Greeter) Greet(_ *hubs.Context, name string) string { return "hello " + name }

// A program serves the same hub to the clients of today and to those of SignalR
// 2.x. Mount stands in front of the router, because clients ask for paths such as
// "/signalr//connect".
func ExampleNew() {
	greeter, err := hubs.New(&Greeter{})
	if err != nil {
		log.Fatal(err)
	}
	old, err := classic.New(greeter)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/greeter", greeter)
	mux.Handle("/greeter/", greeter)
	server := httptest.NewServer(classic.Mount("/signalr", old, mux))
	defer server.Close()

	answer, err := http.Get(server.URL + "/signalr//ping")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)

	// At the end: first the streams, then the hub.
	if err := old.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := greeter.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: 200 OK
}

// A raw connection carries texts, without hubs.
func ExampleNewConnections() {
	echo, err := classic.NewConnections(classic.RawHandler{
		Received: func(c *classic.RawConn, data string) error { return c.Send(data) },
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := classic.Mount("/echo", echo, http.NotFoundHandler())
	_ = http.Server{Addr: ":8080", Handler: handler}
	// Output:
}

package transports_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	"github.com/gorilla/websocket"

	"github.com/go-signalr/signalr/transports"
)

// A raw connection carries bytes. SignalR clients use it as their HttpConnection
// does; any WebSocket client can use it too, without a negotiation.
func ExampleConnectionHandler() {
	endpoint, err := transports.NewEndpoint(transports.ConnectionHandler(func(c *transports.RawConn) error {
		lines := bufio.NewScanner(c)
		for lines.Scan() {
			if _, err := fmt.Fprintf(c, "you said %s\n", lines.Text()); err != nil {
				return err
			}
		}
		return lines.Err()
	}))
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(endpoint)
	defer server.Close()
	defer endpoint.Shutdown(context.Background())

	client, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	if err := client.WriteMessage(websocket.TextMessage, []byte("hello\n")); err != nil {
		panic(err)
	}
	_, answer, err := client.ReadMessage()
	fmt.Printf("%q %v\n", answer, err)
	// Output: "you said hello\n" <nil>
}

package hubtest_test

import (
	"fmt"
	"sync"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

var signed = hubs.NewEvent1[string]("signed", "text")

// Guestbook is the hub under test.
type Guestbook struct {
	mu    sync.Mutex
	lines []string
}

// Sign adds a line and shows it to the others.
func (g *Guestbook) Sign(c *hubs.Context, text string) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lines = append(g.lines, text)
	return len(g.lines), signed.Send(c, c.Clients().Others(), text)
}

// In a test, t is its *testing.T, and there is nothing to end.
func Example() {
	t := new(hubtest.Example)
	defer t.End()

	guestbook, err := hubs.New(&Guestbook{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	server := hubtest.NewServer(t, guestbook)
	ada, bob := server.Connect(), server.Connect()

	n, err := hubtest.Invoke[int](ada, hubtest.Method((*Guestbook).Sign), "Ada was here")
	if n != 1 || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
	bob.ExpectEvent(signed, "Ada was here")
	ada.ExpectNothing()
	fmt.Println("passed")
	// Output: passed
}

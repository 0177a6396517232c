// Package hubtest tests hubs, as httptest tests handlers: clients in the same
// process call the hub, receive what it sends and answer what it asks.
//
//	func TestEveryoneReceivesMessages(t *testing.T) {
//		chat, err := hubs.New(&Chat{})
//		if err != nil {
//			t.Fatal(err)
//		}
//		server := hubtest.NewServer(t, chat)
//		ada, bob := server.Connect(), server.Connect()
//		if err := ada.Invoke("Send", "hello"); err != nil {
//			t.Fatal(err)
//		}
//		bob.Expect("messageReceived", "hello")
//		bob.ExpectNothing()
//	}
//
// Methods and events go by their names, or by what declares them: [Method],
// [Client.ExpectEvent], [Client.ReceiveEvent] and [Client.HandleQuery].
//
// Between the clients and the hub is all that is there in production, from
// net/http and the program's middleware to the WebSocket and the hub protocol.
// Only the network is missing: bytes travel through [net.Pipe]. So it also works
// in the bubbles of testing/synctest, where time is fake and timeouts take none.
//
// Nothing in this package sleeps or polls, and tests need not either: calls wait
// for their answers, [Client.Receive] waits for what the hub sends, and
// [Client.Barrier] for all that it has sent so far. [Server.Patience] is the one
// limit, after which a test fails that would wait for ever.
package hubtest

import (
	"net/http"
	"sync"
	"time"
)

// TB is what this package needs of a *testing.T, *testing.B or *testing.F.
// Example functions have none: they can use an [Example].
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// DefaultPatience is how long a test waits for anything by default.
const DefaultPatience = time.Minute

// Server serves a handler to the clients of a test. It is safe for concurrent
// use, but what fails the test at once, as its comment says, may only be called
// by the test's own goroutine.
type Server struct {
	// Patience is how long anything is waited for before the test fails.
	// NewServer sets it to DefaultPatience; it may be changed before the first
	// Connect.
	Patience time.Duration

	t        TB
	http     *http.Server
	listener *listener
	running  sync.WaitGroup // all goroutines of the server and of its clients

	mu      sync.Mutex
	clients []*Client
}

// NewServer serves handler, which is a hub or any handler with hubs somewhere
// below it.
//
// At the end of the test the server closes its clients, and then waits until it
// has let go of all connections, so that OnDisconnected has returned and no
// goroutine is left behind. The hub itself remains the test's. It need not be shut
// down, unless connections were refused after they had been negotiated: the hub
// keeps those in mind for a while.
func NewServer(t TB, handler http.Handler) *Server {
	s := &Server{
		Patience: DefaultPatience,
		t:        t,
		http:     &http.Server{Handler: handler},
		listener: newListener(),
	}
	s.running.Go(func() { _ = s.http.Serve(s.listener) }) // it ends with http.ErrServerClosed
	t.Cleanup(s.close)
	return s
}

func (s *Server) close() {
	s.t.Helper()
	s.mu.Lock()
	clients := s.clients
	s.mu.Unlock()
	for _, c := range clients {
		c.Close()
	}
	_ = s.http.Close() // and with it the listener, whose Close does not fail
	if !s.await(s.listener.idle()) {
		s.t.Errorf("hubtest: connections are still open after %v: does a hub method not return?", s.Patience)
		return
	}
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	if !s.await(done) {
		s.t.Errorf("hubtest: a client still runs after %v: does a function of Handle or an uploaded stream not return?", s.Patience)
	}
}

// await waits for ch to be closed and reports whether it was in time.
func (s *Server) await(ch <-chan struct{}) bool {
	timer := time.NewTimer(s.Patience)
	defer timer.Stop()
	select {
	case <-ch:
		return true
	case <-timer.C:
		return false
	}
}

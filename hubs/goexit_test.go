package hubs_test

import (
	"iter"
	"runtime"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// A hub method that ended its goroutine, as require does where it fails, left its
// caller without an answer, and all later calls without a place to run.
func TestCallThatEndsItsGoroutineFailsAlone(t *testing.T) {
	t.Parallel()
	vanish := func() { runtime.Goexit() }
	s := serve(t, callHub{},
		hubs.HandleVoid0("vanish", func(*hubs.Context) error { vanish(); return nil }),
		hubs.Handle0("vanishingStream", func(*hubs.Context) (iter.Seq2[int, error], error) {
			return func(func(int, error) bool) { vanish() }, nil
		}),
		hubs.HandleVoid1("vanishingUpload", func(*hubs.Context, <-chan int) error { vanish(); return nil }),
	)
	for _, opts := range []struct {
		name, invocation string
	}{
		{"vanish", `"type":1,"target":"vanish","arguments":[]`},
		{"vanishingStream", `"type":4,"target":"vanishingStream","arguments":[]`},
		{"vanishingUpload", `"type":1,"target":"vanishingUpload","arguments":[],"streamIds":["u"]`},
	} {
		t.Run(opts.name, func(t *testing.T) {
			t.Parallel()
			c := s.connect()
			failed := `{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking '` + opts.name + `' on the server."}`
			for range 3 { // the id of a call that failed is free again
				c.send(`{"invocationId":"1",` + opts.invocation + `}`)
				c.expect(failed)
			}
			// One that waits behind it runs.
			c.send(`{"invocationId":"1",`+opts.invocation+`}`, `{"type":1,"invocationId":"2","target":"Echo","arguments":["x"]}`)
			var answers []string
			for range 2 {
				record, err := c.next()
				require.NoError(t, err)
				answers = append(answers, record)
			}
			require.ElementsMatch(t, []string{failed, `{"type":3,"invocationId":"2","result":"x"}`}, answers)
		})
	}
}

// An OnConnected that ended its goroutine left the client's calls to wait for ever.
func TestOnConnectedThatEndsItsGoroutineRefusesTheClient(t *testing.T) {
	t.Parallel()
	c := serve(t, nil, hubs.WithOnConnected(func(*hubs.Context) error { runtime.Goexit(); return nil })).connect()
	c.expect(`{"type":7,"error":"Connection closed with an error."}`)
	c.expectClosed(websocket.CloseNormalClosure)
}

// An OnDisconnected that ended its goroutine kept the connection for ever, and with
// it a shutdown.
func TestOnDisconnectedThatEndsItsGoroutineEndsTheConnection(t *testing.T) {
	t.Parallel()
	c := serve(t, nil, hubs.WithOnDisconnected(func(*hubs.Context, error) { runtime.Goexit() })).connect()
	c.close()
	c.expectClosed(websocket.CloseInternalServerErr)
}

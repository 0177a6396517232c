package hubs_test

import (
	"errors"
	"iter"
	"log/slog"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// badValue cannot be encoded or decoded: its methods panic.
type badValue struct{}

func (badValue) MarshalJSON() ([]byte, error)  { panic("in MarshalJSON") }
func (*badValue) UnmarshalJSON([]byte) error   { panic("in UnmarshalJSON") }
func badSeq(yield func(badValue, error) bool)  { yield(badValue{}, nil) }
func badErrors(yield func(int, error) bool)    { yield(0, (*badError)(nil)) }
func badHubErrors(yield func(int, error) bool) { yield(0, (*hubs.Error)(nil)) }

// badError cannot be used when it is nil.
type badError struct{ inner error }

func (e *badError) Error() string { return e.inner.Error() }
func (e *badError) Unwrap() error { return e.inner }

// unprintable cannot be used at all.
type unprintable struct{}

func (unprintable) Error() string { panic("in Error") }

// What the application's values do when they are encoded, decoded or printed ended
// the process: only calls themselves were protected.
func TestPanicsFailTheirCallOnly(t *testing.T) {
	t.Parallel()
	opts := []hubs.Option{
		hubs.Handle0("result", func(*hubs.Context) (badValue, error) { return badValue{}, nil }),
		hubs.HandleVoid1("argument", func(*hubs.Context, badValue) error { return nil }),
		hubs.HandleVoid0("send", func(c *hubs.Context) error { return c.Clients().All().Send(c, "m", badValue{}) }),
		hubs.HandleVoid0("sendToCaller", func(c *hubs.Context) error { return c.Clients().Caller().Send(c, "m", badValue{}) }),
		hubs.HandleVoid0("nilError", func(*hubs.Context) error { return (*badError)(nil) }),
		hubs.HandleVoid0("nilHubError", func(*hubs.Context) error { return (*hubs.Error)(nil) }),
		hubs.HandleVoid0("wrappedNilError", func(*hubs.Context) error { return errors.Join((*badError)(nil)) }),
		hubs.HandleVoid0("unprintable", func(*hubs.Context) error { return unprintable{} }),
		hubs.HandleVoid1("itemOfChan", func(_ *hubs.Context, in <-chan badValue) error {
			for range in {
			}
			return nil
		}),
		hubs.HandleVoid1("itemOfSeq", func(_ *hubs.Context, in iter.Seq2[badValue, error]) error {
			for _, err := range in {
				return err
			}
			return nil
		}),
		hubs.Handle0("stream", func(*hubs.Context) (iter.Seq2[badValue, error], error) { return badSeq, nil }),
		hubs.Handle0("streamOfNilError", func(*hubs.Context) (iter.Seq2[int, error], error) { return badErrors, nil }),
		hubs.Handle0("streamOfNilHubError", func(*hubs.Context) (iter.Seq2[int, error], error) { return badHubErrors, nil }),
	}
	const (
		unexpected = "An unexpected error occurred invoking "
		streaming  = "An error occurred on the server while streaming results."
	)
	for _, detailed := range []bool{false, true} {
		if detailed {
			opts = append(opts, hubs.WithDetailedErrors())
		}
		c := serve(t, callHub{}, opts...).connect()
		for _, tt := range []struct{ method, invocation, want string }{
			{"result", `"type":1,"arguments":[]`, unexpected},
			{"argument", `"type":1,"arguments":[1]`, "Failed to invoke "},
			{"send", `"type":1,"arguments":[]`, unexpected},
			{"sendToCaller", `"type":1,"arguments":[]`, unexpected},
			{"nilError", `"type":1,"arguments":[]`, unexpected},
			{"nilHubError", `"type":1,"arguments":[]`, unexpected},
			{"wrappedNilError", `"type":1,"arguments":[]`, unexpected},
			{"unprintable", `"type":1,"arguments":[]`, unexpected},
			{"itemOfChan", `"type":1,"arguments":[],"streamIds":["u"]`, unexpected},
			{"itemOfSeq", `"type":1,"arguments":[],"streamIds":["u"]`, unexpected},
			{"stream", `"type":4,"arguments":[]`, streaming},
			{"streamOfNilError", `"type":4,"arguments":[]`, streaming},
			{"streamOfNilHubError", `"type":4,"arguments":[]`, streaming},
		} {
			c.send(`{"invocationId":"1","target":"`+tt.method+`",`+tt.invocation+`}`, `{"type":2,"invocationId":"u","item":1}`)
			record, err := c.next()
			require.NoError(t, err, tt.method)
			require.Contains(t, record, `{"type":3,"invocationId":"1","error":"`+tt.want, tt.method)
			require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`), "undisturbed by %s", tt.method)
		}
	}
}

// An OnConnected that returned a nil pointer as its error ended the process.
func TestOnConnectedThatReturnsANilErrorRefusesTheClient(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"an error of a hub": (*hubs.Error)(nil),
		"another error":     (*badError)(nil),
		"unprintable":       unprintable{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, nil, hubs.WithOnConnected(func(*hubs.Context) error { return err })).connect()
			c.expect(`{"type":7,"error":"Connection closed with an error."}`)
			c.expectClosed(websocket.CloseNormalClosure)
		})
	}
}

// A function that finds users is called for a request, and its panic ends that
// request only: the client was once left waiting for the end of its handshake.
func TestUserIDThatPanicsEndsItsRequestOnly(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithUserID(func(r *http.Request) string {
		if r.Header.Get("User") == "mallory" {
			panic("who is that?")
		}
		return ""
	}))
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // net/http logs the panic
	_, _, err := websocket.DefaultDialer.Dial(s.url, http.Header{"User": {"mallory"}})
	require.Error(t, err)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, s.connect().call("Echo", `"x"`))
}

// A panic was logged twice: where it was caught, and as a failure of its method.
func TestPanicIsLoggedOnce(t *testing.T) {
	t.Parallel()
	logged := make(chan string, 100)
	s := serve(t, nil, hubs.WithLogger(slog.New(liveLog{func(text string) { logged <- text }})),
		hubs.HandleVoid0("panic", func(*hubs.Context) error { panic("of the test") }))
	require.Contains(t, s.connect().call("panic"), "An unexpected error")
	require.Equal(t, "client connected", await.Receive(t, logged, "the log of the connection"))
	require.Equal(t, "the application panicked", await.Receive(t, logged, "the log of the panic"))
	require.Empty(t, logged, "the answer comes after what is logged")
}

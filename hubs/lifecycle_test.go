package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// diary writes down what happens on a hub.
type diary chan string

func newDiary() diary { return make(diary, 100) }

func (d diary) onConnected(c *hubs.Context) error {
	d <- "connected"
	return nil
}

func (d diary) onDisconnected(_ *hubs.Context, cause error) {
	if errors.Is(cause, hubs.ErrConnectionLost) {
		cause = hubs.ErrConnectionLost // the details depend on who notices it
	}
	d <- fmt.Sprintf("disconnected: %v", cause)
}

// What a diary says of ends that the client has not wished.
const (
	lostEntry     = "disconnected: hubs: the connection was lost"
	inactiveEntry = "disconnected: transports: the connection was inactive for too long"
	abortedEntry  = "disconnected: transports: the connection was aborted"
	expiredEntry  = "disconnected: transports: the authentication of the connection has expired"
	shutdownEntry = "disconnected: transports: the server is shutting down"
)

// expect compares the events that come next.
func (d diary) expect(t testing.TB, events ...string) {
	t.Helper()
	for _, want := range events {
		require.Equal(t, want, await.Receive(t, d, "the event %q", want))
	}
}

func (d diary) options() []hubs.Option {
	return []hubs.Option{hubs.WithOnConnected(d.onConnected), hubs.WithOnDisconnected(d.onDisconnected)}
}

func TestHandshakeErrors(t *testing.T) {
	t.Parallel()
	const generic = "An unexpected error occurred during connection handshake."
	for _, tt := range []struct{ name, send, text, detail string }{
		{"unknown protocol", `{"protocol":"xml","version":1}`, "The protocol 'xml' is not supported.", ""},
		{"version too new", `{"protocol":"json","version":3}`, "The server does not support version 3 of the 'json' protocol.", ""},
		{"no JSON", `hello`, generic, " InvalidDataException: Error reading JSON."},
		{"not an object", `[]`, generic, " InvalidDataException: Unexpected JSON Token Type 'Array'. Expected a JSON Object."},
		{"no protocol", `{"version":1}`, generic, " InvalidDataException: Missing required property 'protocol'."},
		{"no version", `{"protocol":"json"}`, generic, " InvalidDataException: Missing required property 'version'."},
		{"too long", `{"protocol":"` + strings.Repeat("x", 32<<10) + `","version":1}`, "Handshake was canceled.", ""},
		{"too long without an end", strings.Repeat("x", 40<<10), "Handshake was canceled.", ""},
	} {
		for _, detailed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, detailed %v", tt.name, detailed), func(t *testing.T) {
				t.Parallel()
				var opts []hubs.Option
				want := tt.text
				if detailed {
					opts = append(opts, hubs.WithDetailedErrors())
					want += tt.detail
				}
				d := newDiary()
				c := serve(t, nil, append(opts, d.options()...)...).dial(nil)
				c.send(tt.send)
				c.expect(`{"error":"` + want + `"}`)
				c.expectClosed(websocket.CloseNormalClosure)
				require.Empty(t, d, "a client without handshake is never connected")
			})
		}
	}
}

func TestHandshakeSharesItsFrameWithMessages(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}).dial(nil)
	c.send(`{"version":1,"extra":[1],"protocol":"JSON"}`, `{"type":6}`, `{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}`)
	c.expect(`{}`, `{"type":3,"invocationId":"1","result":"x"}`)
}

func TestHandshakeInPieces(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}).dial(nil)
	for _, b := range "{\"protocol\":\"json\",\"version\":2}\x1e{\"type\":1,\"invocationId\":\"1\",\"target\":\"Echo\",\"arguments\":[\"x\"]}\x1e" {
		c.sendRaw(string(b))
	}
	c.expect(`{}`, `{"type":3,"invocationId":"1","result":"x"}`)
}

func TestClientThatSaysNothingIsTimedOut(t *testing.T) {
	t.Parallel()
	c := serve(t, nil, hubs.WithHandshakeTimeout(time.Millisecond)).dial(nil)
	c.expect(`{"error":"Handshake was canceled."}`)
	c.expectClosed(websocket.CloseNormalClosure)
}

func TestServerPings(t *testing.T) {
	t.Parallel()
	c := serve(t, nil, hubs.WithKeepAliveInterval(time.Millisecond)).connect()
	for range 2 {
		message, err := c.read()
		require.NoError(t, err)
		require.Equal(t, "{\"type\":6}\x1e", string(message))
	}
}

// A client that sends nothing for the client timeout is ended, whether it has ever
// pinged or not, and one that goes on pinging, or sending anything, is left alone.
func TestClientTimeout(t *testing.T) {
	for _, first := range []string{"", `{"type":6}`} {
		for _, by := range []string{`{"type":6}`, `{"type":1,"target":"Nothing","arguments":[]}`} {
			t.Run(first+" "+by, func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					d := newDiary()
					s := servePipes(t, callHub{}, append(d.options(), hubs.WithDetailedErrors())...)
					silent := s.connect()
					d.expect(t, "connected")
					lively := s.connect()
					d.expect(t, "connected")
					if first != "" {
						silent.send(first)
					}
					began := time.Now()
					sent := await.Go(t, func() (any, error) {
						for range 5 { // pings, 16 s apart
							if _, err := lively.readUntil(time.Now().Add(time.Minute)); err != nil {
								return nil, err
							}
							if err := lively.trySend(by); err != nil {
								return nil, err
							}
						}
						return nil, nil
					}, "what the other client sends")
					silent.expectWithin(time.Minute, `{"type":7,"error":"Connection closed with an error. OperationCanceledException: `+
						`The client has sent no message or ping within the client timeout.","allowReconnect":true}`)
					require.InDelta(t, hubs.DefaultClientTimeout, time.Since(began), float64(3*time.Second))
					silent.expectClosed(websocket.CloseNormalClosure)
					d.expect(t, "disconnected: "+hubs.ErrClientTimeout.Error())
					time.Sleep(2 * hubs.DefaultClientTimeout)
					sent()
					require.Equal(t, `{"type":3,"invocationId":"call","result":"still here"}`, lively.call("Echo", `"still here"`))
				})
			})
		}
	}
}

// A client that pings only when it receives something, and not before its own
// interval of 15 s is over, as one does whose timers are frozen, was skipped every
// other time when the server pinged just before that: its next chance came only when
// its timeout was over.
func TestPingsComeWhenThoseOfTheClientAreDue(t *testing.T) {
	for _, latency := range []time.Duration{0, 10 * time.Millisecond, 1250 * time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := servePipes(t, callHub{}).connect()
				c.send(`{"type":6}`)
				last := time.Now()
				for range 10 { // server pings
					message, err := c.readUntil(time.Now().Add(time.Minute))
					require.NoError(t, err)
					require.Equal(t, "{\"type\":6}\x1e", string(message))
					time.Sleep(latency) // until the client has it
					require.Greater(t, time.Since(last), 15*time.Second, "the client does not ping now")
					last = time.Now()
					time.Sleep(latency) // until the server has it
					c.send(`{"type":6}`)
				}
			})
		})
	}
}

// What comes by the tick behind the client timeout is in time.
func TestClientTimeoutHasATickToSpare(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := servePipes(t, callHub{}, hubs.WithKeepAliveInterval(time.Hour)).connect()
		for range 3 {
			time.Sleep(hubs.DefaultClientTimeout + 1500*time.Millisecond)
			require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
		}
	})
}

func TestProtocolErrorsCloseTheConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, send, detail string }{
		{"no JSON", `hello`, "Error reading JSON."},
		{"no type", `{}`, "Missing required property 'type'."},
		{"no target", `{"type":1,"arguments":[]}`, "Missing required property 'target'."},
		{"no arguments", `{"type":1,"target":"Echo"}`, "Missing required property 'arguments'."},
		{"not an object", `1`, "Unexpected JSON Token Type 'Number'. Expected a JSON Object."},
		{"too long", `{"type":1,"target":"Echo","arguments":["` + strings.Repeat("x", 32<<10) + `"]}`,
			"The maximum message size of 32768 bytes was exceeded."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			causes := make(chan error, 1)
			s := serve(t, callHub{}, hubs.WithDetailedErrors(),
				hubs.WithOnDisconnected(func(_ *hubs.Context, cause error) { causes <- cause }))
			other := s.connect()
			c := s.connect()
			c.send(tt.send)
			c.expect(`{"type":7,"error":"Connection closed with an error. InvalidDataException: ` + tt.detail + `","allowReconnect":true}`)
			c.expectClosed(websocket.CloseNormalClosure)
			require.EqualError(t, await.Receive(t, causes, "the cause of the end"), tt.detail)
			require.Equal(t, `{"type":3,"invocationId":"call","result":"undisturbed"}`, other.call("Echo", `"undisturbed"`))
		})
	}
}

func TestProtocolErrorWithoutDetails(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}).connect()
	c.send(`hello`)
	c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
	c.expectClosed(websocket.CloseNormalClosure)
}

func TestMessageSize(t *testing.T) {
	t.Parallel()
	const head, tail = `{"type":1,"invocationId":"1","target":"Echo","arguments":["`, `"]}`
	text := strings.Repeat("x", 1000-len(head)-len(tail)-1) // with the separator 1000 bytes
	c := serve(t, callHub{}, hubs.WithMaximumReceiveMessageSize(1000)).connect()
	c.send(head+text+tail, head+text+tail) // more than the limit in one frame
	c.expect(`{"type":3,"invocationId":"1","result":"`+text+`"}`, `{"type":3,"invocationId":"1","result":"`+text+`"}`)
	c.send(head + text + "x" + tail)
	c.expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)

	unlimited := serve(t, callHub{}, hubs.WithMaximumReceiveMessageSize(0)).connect()
	text = strings.Repeat("x", 1<<20)
	unlimited.send(head + text + tail)
	unlimited.expect(`{"type":3,"invocationId":"1","result":"` + text + `"}`)
}

func TestUnknownMessagesAreSkipped(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}).connect()
	c.send(`{"type":99,"whatever":{"a":[1,2,3]}}`, `{"type":8,"sequenceId":7}`, `{"type":9,"sequenceId":7}`,
		`{"type":5,"invocationId":"none"}`, `{"type":2,"invocationId":"none","item":1}`, `{"item":{"a":1},"invocationId":"none","type":2}`,
		`{"type":3,"invocationId":"none","result":1}`, `{"type":3,"invocationId":"none"}`)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
}

func TestOnConnectedRunsBeforeCalls(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, callHub{}, hubs.WithOnConnected(func(c *hubs.Context) error {
		if err := c.Clients().Caller().Send(c, "welcome"); err != nil {
			return err
		}
		<-release
		return c.Clients().Caller().Send(c, "ready")
	}))
	c := s.dial(nil)
	c.send(`{"protocol":"json","version":1}`, `{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}`)
	c.expect(`{}`, `{"type":1,"target":"welcome","arguments":[]}`)
	close(release)
	c.expect(`{"type":1,"target":"ready","arguments":[]}`, `{"type":3,"invocationId":"1","result":"x"}`)
}

func TestOnConnectedThatFailsRefusesTheClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		f          func() error
		detailed   bool
	}{
		{"error", "", func() error { return InvalidOperationException{"no"} }, false},
		{"detailed error", " InvalidOperationException: no", func() error { return InvalidOperationException{"no"} }, true},
		{"error for the client", " HubException: not today", func() error { return hubs.NewError("not today") }, false},
		{"panic", "", func() error { panic("boom") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDiary()
			opts := []hubs.Option{
				hubs.WithOnConnected(func(*hubs.Context) error { return tt.f() }),
				hubs.WithOnDisconnected(d.onDisconnected),
			}
			if tt.detailed {
				opts = append(opts, hubs.WithDetailedErrors())
			}
			s := serve(t, callHub{}, opts...)
			c := s.connect()
			c.expect(`{"type":7,"error":"Connection closed with an error.` + tt.text + `"}`)
			c.expectClosed(websocket.CloseNormalClosure)
			require.Empty(t, d, "OnDisconnected is not called")
		})
	}
}

func TestOnDisconnectedThatPanicsFailsTheTransport(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithOnDisconnected(func(*hubs.Context, error) { panic("boom") }))
	c := s.connect()
	c.send(`{"type":7}`)
	c.expect(`{"type":7}`)
	c.expectClosed(websocket.CloseInternalServerErr)
}

func TestCausesOfDisconnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		do    func(*testing.T, *server, *client)
		cause string
	}{
		{"client closes", func(_ *testing.T, _ *server, c *client) { c.close() }, "disconnected: <nil>"},
		{"client vanishes", func(_ *testing.T, _ *server, c *client) { c.drop() }, lostEntry},
		{"client says good-bye", func(_ *testing.T, _ *server, c *client) {
			c.send(`{"type":7}`)
			c.expect(`{"type":7}`)
			c.expectClosed(websocket.CloseNormalClosure)
		}, "disconnected: <nil>"},
		{"client says why", func(_ *testing.T, _ *server, c *client) {
			c.send(`{"type":7,"error":"bored"}`)
			c.expect(`{"type":7}`)
		}, "disconnected: bored"},
		{"client ends inside a message", func(_ *testing.T, _ *server, c *client) {
			c.sendRaw(`{"type":`)
			c.close()
		}, "disconnected: Connection terminated while reading a message."},
		{"hub method aborts", func(_ *testing.T, _ *server, c *client) {
			c.send(`{"type":1,"invocationId":"1","target":"abort","arguments":[]}`)
			c.expect(`{"type":7}`)
			c.expectClosed(websocket.CloseNormalClosure)
		}, abortedEntry},
		{"kicked by id", func(t *testing.T, s *server, c *client) {
			require.NoError(t, s.Clients().All().Send(context.Background(), "last"))
			require.NoError(t, s.Clients().All().Abort(context.Background(), nil), nil)
			c.expect(`{"type":1,"target":"last","arguments":[]}`, `{"type":7}`)
			c.expectClosed(websocket.CloseNormalClosure)
		}, abortedEntry},
		{"server shuts down", func(t *testing.T, s *server, c *client) {
			go func() { _ = s.Shutdown(context.Background()) }()
			c.expect(`{"type":7,"allowReconnect":true}`)
			c.expectClosed(websocket.CloseNormalClosure)
		}, shutdownEntry},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := newDiary()
			s := serve(t, nil, append(d.options(), hubs.HandleVoid0("abort", func(c *hubs.Context) error {
				c.Abort(nil)
				return nil
			}))...)
			c := s.connect()
			d.expect(t, "connected")
			tt.do(t, s, c)
			d.expect(t, tt.cause)
		})
	}
}

// OnDisconnected comes after the calls of the connection, whose contexts end
// first.
func TestOnDisconnectedComesAfterTheCalls(t *testing.T) {
	t.Parallel()
	d := newDiary()
	s := serve(t, nil, append(d.options(), hubs.HandleVoid0("wait", func(c *hubs.Context) error {
		d <- "waiting"
		<-c.Done()
		d <- fmt.Sprintf("done: %v", c.Err())
		return c.Err()
	}))...)
	c := s.connect()
	c.send(`{"type":1,"target":"wait","arguments":[]}`)
	d.expect(t, "connected")
	d.expect(t, "waiting")
	c.drop()
	d.expect(t, "done: context canceled")
	d.expect(t, lostEntry)
}

// A context derived from the hub's ends with it, and costs no goroutine.
func TestDerivedContextsEndWithTheCall(t *testing.T) {
	t.Parallel()
	contexts := make(chan context.Context, 2)
	c := serve(t, nil, hubs.HandleVoid0("derive", func(c *hubs.Context) error {
		derived, cancel := context.WithTimeout(c, time.Hour)
		t.Cleanup(cancel)
		contexts <- c
		contexts <- derived
		return derived.Err()
	})).connect()
	require.Equal(t, `{"type":3,"invocationId":"call","result":null}`, c.call("derive"))
	call := await.Receive(t, contexts, "the context of the call")
	await.Done(t, call.Done(), "the end of the call's context")
	derived := await.Receive(t, contexts, "the derived context")
	await.Done(t, derived.Done(), "the end of the derived context")
	require.ErrorIs(t, derived.Err(), context.Canceled)
}

func TestShutdownRefusesNewClients(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	shutDown(t, s.Hub)
	_, response, err := websocket.DefaultDialer.Dial(s.url, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	response, err = s.http.Client().Post(s.http.URL+"/hub/negotiate?negotiateVersion=1", "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
}

// Shutdown with a deadline gives up on calls that do not end.
func TestShutdownHasADeadline(t *testing.T) {
	t.Parallel()
	started, release := make(chan struct{}), make(chan struct{})
	s := serve(t, nil, hubs.HandleVoid0("hang", func(*hubs.Context) error {
		close(started)
		<-release
		return nil
	}))
	s.connect().send(`{"type":1,"target":"hang","arguments":[]}`)
	await.Done(t, started, "the start of the call")
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Shutdown(ctx), context.DeadlineExceeded)
	close(release)
}

// A client that never reads is disconnected for that, and delays nobody.
func TestSlowClientIsDisconnectedAndDelaysNobody(t *testing.T) {
	t.Parallel()
	causes := make(chan error, 10)
	s := serve(t, callHub{}, hubs.WithUserID(userHeader),
		hubs.WithEndpoint(transports.WithOutboxLimit(256<<10)),
		hubs.WithOnDisconnected(func(c *hubs.Context, cause error) {
			if c.UserID() == "slow" {
				causes <- cause
			}
		}))
	s.connectAs("slow")
	reader := s.connectAs("reader")
	text := strings.Repeat("x", 32<<10)
	message := `{"type":1,"target":"m","arguments":["` + text + `"]}`
	await.Until(t, func() bool {
		require.NoError(t, s.Clients().All().Send(context.Background(), "m", text))
		reader.expect(message)
		return len(causes) > 0
	}, "the slow client is disconnected")
	require.ErrorIs(t, await.Receive(t, causes, "the cause of the end"), transports.ErrSlowClient)
	await.Equal(t, 1, func() uint64 { return s.Stats().Ended["slow_client"] }, "the number of slow clients")
}

func TestErrorsKeepTheirTypes(t *testing.T) {
	t.Parallel()
	inner := errors.New("inner")
	err := hubs.Errorf("outer: %w", inner)
	require.EqualError(t, err, "outer: inner")
	require.ErrorIs(t, err, inner)
	require.NoError(t, errors.Unwrap(hubs.NewError("plain")))
	var malformed *protocol.Error
	require.NotErrorAs(t, err, &malformed)
}

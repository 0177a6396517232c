package hubs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// stubborn is a type that decodes from nothing.
type stubborn struct{}

func (*stubborn) UnmarshalJSON([]byte) error { return errors.New(strings.Repeat("no", 1000)) }

// brittle is a type whose decoding panics.
type brittle struct{}

func (*brittle) UnmarshalJSON([]byte) error { panic("broken") }

type booking struct{ Seats []int }

// bindingHub has methods with parameters of many types, as methods of a type.
type bindingHub struct{}

func (bindingHub) At(*hubs.Context, time.Time) {}

func (bindingHub) Variadic(*hubs.Context, string, ...int) {}

func (bindingHub) Seq(_ *hubs.Context, _ string, items iter.Seq2[int, error]) error {
	for _, err := range items {
		if err != nil {
			return err
		}
	}
	return nil
}

func (bindingHub) Channel(c *hubs.Context, items <-chan bool, _ string) {
	for range items {
	}
}

// swallow hides the failure of a stream.
func swallow(_ *hubs.Context, items iter.Seq2[int, error]) error {
	for range items {
	}
	return nil
}

var bindingHandlers = []hubs.Option{
	hubs.HandleVoid2("Book", func(*hubs.Context, string, booking) error { return nil }),
	hubs.HandleVoid1("Stubborn", func(*hubs.Context, stubborn) error { return nil }),
	hubs.HandleVoid2("Brittle", func(*hubs.Context, int, brittle) error { return nil }),
	hubs.HandleVoid1("Swallow", swallow),
}

// bindingFaults are calls whose arguments do not bind, and what is said of them.
var bindingFaults = []struct{ method, arguments, argument, cause string }{
	{"At", `"2026-11-31"`, "Argument 1 (time.Time): ", "parsing time"},
	{"Variadic", `"x",1,"two"`, "Argument 3 (int): ", "string"},
	{"Book", `"x",{"Seats":["one"]}`, "Argument 2 (hubs_test.booking): ", "Seats"},
	{"Stubborn", `1`, "Argument 1 (hubs_test.stubborn): nono", "no..."},
	{"Brittle", `1,1`, "Argument 2 (hubs_test.brittle): ", "panic: broken"},
}

// streamFaults are calls of which the second item of the stream does not bind.
var streamFaults = []struct{ method, arguments, items, argument string }{
	{"Seq", `"x"`, `1 "two"`, "Argument 2 (int): "},
	{"Channel", `"x"`, `true 2`, "Argument 1 (bool): "},
	{"Swallow", ``, `1 "two"`, "Argument 1 (int): "},
}

func TestBindingErrorsNameTheArgument(t *testing.T) {
	t.Parallel()
	for _, detailed := range []bool{false, true} {
		logger, book := newLogbook()
		opts := append([]hubs.Option{hubs.WithLogger(logger)}, bindingHandlers...)
		if detailed {
			opts = append(opts, hubs.WithDetailedErrors())
		}
		c := serve(t, bindingHub{}, opts...).connect()
		for _, tt := range bindingFaults {
			answer := c.call(tt.method, tt.arguments)
			line := book.expect(t, "level=DEBUG", `msg="invocation refused"`, "method="+tt.method)
			require.Contains(t, line, tt.argument)
			require.Contains(t, line, tt.cause)
			require.Equal(t, detailed, strings.Contains(answer, tt.argument), answer)
			require.Equal(t, detailed, strings.Contains(answer, tt.cause), answer)
			require.Less(t, len(answer), 700)
		}
		for i, tt := range streamFaults {
			first, second, _ := strings.Cut(tt.items, " ")
			c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":%q,"arguments":[%s],"streamIds":["u"]}`, i, tt.method, tt.arguments),
				`{"type":2,"invocationId":"u","item":`+first+`}`, `{"type":2,"invocationId":"u","item":`+second+`}`)
			answer, err := c.next()
			require.NoError(t, err)
			line := book.expect(t, "level=DEBUG", `msg="stream item refused"`, "method="+tt.method)
			require.Contains(t, line, tt.argument)
			require.Contains(t, line, "cannot unmarshal")
			if tt.method != "Swallow" {
				require.Equal(t, detailed, strings.Contains(answer, "Failed to bind Stream message. "+tt.argument), answer)
			}
		}
	}
}

func TestBindingErrorsOfClassicClientsNameTheArgument(t *testing.T) {
	t.Parallel()
	logger, book := newLogbook()
	h := newHub(t, bindingHub{}, append([]hubs.Option{hubs.WithLogger(logger)}, bindingHandlers...)...)
	b, err := h.Bridge()
	require.NoError(t, err)
	p := &bridge.Peer{ConnectionID: bridge.NewConnectionID(), Context: t.Context()}
	for _, tt := range bindingFaults {
		var arguments []json.RawMessage
		require.NoError(t, json.Unmarshal([]byte("["+tt.arguments+"]"), &arguments))
		_, err := b.Call(p, tt.method, arguments)
		require.ErrorIs(t, err, bridge.ErrArguments)
		require.ErrorContains(t, err, tt.argument)
		line := book.expect(t, "level=DEBUG", `msg="invocation refused"`, "method="+tt.method)
		require.Contains(t, line, tt.argument)
		require.Contains(t, line, tt.cause)
	}
	_, err = b.Call(p, "At", nil)
	require.ErrorIs(t, err, bridge.ErrArguments)
	book.expect(t, "level=DEBUG", "method=At", "provides 0 argument(s)")
	_, err = b.Call(p, "Missing", nil)
	require.ErrorIs(t, err, bridge.ErrNoMethod)
	book.expect(t, "level=DEBUG", "method=Missing", "no such method")
}

func TestRefusedHandshakesAreLoggedWithTheirCause(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ request, cause string }{
		{`{"protocol":"xml","version":1}` + "\x1e", "'xml' is not supported"},
		{`{"protocol":"json","version":3}` + "\x1e", "version 3"},
		{`{"protocol":1,"version":1}` + "\x1e", "protocol"},
		{`[]` + "\x1e", "JSON"},
		{`{"protocol":"json"}` + "\x1e", "version"},
		{strings.Repeat("x", 40<<10), "size of 32768 bytes"},
	} {
		logger, book := newLogbook()
		c := serve(t, callHub{}, hubs.WithLogger(logger)).dial(nil)
		c.sendRaw(tt.request)
		require.Contains(t, book.expect(t, "level=DEBUG", `msg="handshake refused"`, "connection="), tt.cause)
	}
}

func TestHandshakeTimeoutIsLogged(t *testing.T) {
	t.Parallel()
	logger, book := newLogbook()
	c := serve(t, nil, hubs.WithLogger(logger), hubs.WithHandshakeTimeout(time.Millisecond)).dial(nil)
	c.sendRaw(`{"protocol":"json"`) // without an end
	require.Contains(t, book.expect(t, "level=DEBUG", `msg="handshake refused"`), "handshake timeout")
}

func TestMalformedMessagesAreLoggedWithTheirCause(t *testing.T) {
	t.Parallel()
	logger, book := newLogbook()
	c := serve(t, callHub{}, hubs.WithLogger(logger)).connect()
	c.send(`{"type":1,"target":5}`)
	require.Contains(t, book.expect(t, "level=DEBUG", `msg="message refused"`), "target")
}

func TestCallsOfTheWrongKindAreLogged(t *testing.T) {
	t.Parallel()
	logger, book := newLogbook()
	c := serve(t, callHub{}, hubs.WithLogger(logger)).connect()
	c.send(`{"type":4,"invocationId":"1","target":"Echo","arguments":["x"]}`)
	book.expect(t, "level=DEBUG", `msg="invocation refused"`, "method=Echo", "non-streaming")
}

package main

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// The hubs of the classic contract, whose sections the comments name as "classic contract 4". Hubs without an explicit
// name there have the type's.

// pause waits, or returns an error when the call has ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// EchoHub sends and returns what it gets.
type EchoHub struct{}

var echo = hubs.NewEvent1[string]("echo")

// EchoCallback sends a text back to the caller.
func (*EchoHub) EchoCallback(c *hubs.Context, text string) error {
	return echo.Send(c, c.Clients().Caller(), text)
}

// EchoAndDelayCallback sends a text back to the caller two seconds before it is complete.
func (h *EchoHub) EchoAndDelayCallback(c *hubs.Context, text string) error {
	if err := h.EchoCallback(c, text); err != nil {
		return err
	}
	return pause(c, 2*time.Second)
}

// EchoReturn returns its argument.
func (*EchoHub) EchoReturn(_ *hubs.Context, text string) string { return text }

// SendToUser sends a text to a user.
func (*EchoHub) SendToUser(c *hubs.Context, user, text string) error {
	return echo.Send(c, c.Clients().User(user), text)
}

// ChatWithGroups is the hub groupChat.
type ChatWithGroups struct{}

// Send sends a text to a group.
func (*ChatWithGroups) Send(c *hubs.Context, group, text string) error {
	return c.Clients().Group(group).Send(c, "send", text)
}

// Join takes the caller into a group.
func (*ChatWithGroups) Join(c *hubs.Context, group string) error {
	return c.Groups().Add(c, c.ConnectionID(), group)
}

// Leave takes the caller out of a group.
func (*ChatWithGroups) Leave(c *hubs.Context, group string) error {
	return c.Groups().Remove(c, c.ConnectionID(), group)
}

// GroupJoiningHub takes each client into a group of its own.
type GroupJoiningHub struct{}

// OnConnected takes the client into its group, and sends to it.
func (h *GroupJoiningHub) OnConnected(c *hubs.Context) error {
	if err := c.Groups().Add(c, c.ConnectionID(), c.ConnectionID()); err != nil {
		return err
	}
	return h.PingGroup(c)
}

// PingGroup sends to the caller's group.
func (*GroupJoiningHub) PingGroup(c *hubs.Context) error {
	return c.Clients().Group(c.ConnectionID()).Send(c, "ping")
}

// connectDelay is how long the hubs take that are slow to connect.
const connectDelay = 5 * time.Second

// OnConnectedBufferHub sends to each client long before it is connected.
type OnConnectedBufferHub struct{}

// OnConnected sends twice and takes its time.
func (*OnConnectedBufferHub) OnConnected(c *hubs.Context) error {
	for i := range 2 {
		if err := c.Clients().Caller().Send(c, "bufferMe", i); err != nil {
			return err
		}
	}
	return pause(c, connectDelay)
}

// Ping calls the caller back.
func (*OnConnectedBufferHub) Ping(c *hubs.Context) error { return pong(c) }

// DelayedOnConnectedHub is slow to connect.
type DelayedOnConnectedHub struct{}

// OnConnected takes its time.
func (*DelayedOnConnectedHub) OnConnected(c *hubs.Context) error { return pause(c, connectDelay) }

func pong(c *hubs.Context) error { return c.Clients().Caller().Send(c, "pong") }

// ConnectionDataVerifierHub checks that every request of its clients names it.
type ConnectionDataVerifierHub struct{ invalid atomic.Int64 }

func (h *ConnectionDataVerifierHub) verify(c *hubs.Context) (bool, error) {
	data := c.Request().URL.Query().Get("connectionData")
	if strings.Contains(strings.ToLower(data), "connectiondataverifierhub") {
		return true, nil
	}
	h.invalid.Add(1)
	return false, c.Clients().Caller().Send(c, "fail", c.Request().URL.String())
}

// OnConnected checks the request.
func (h *ConnectionDataVerifierHub) OnConnected(c *hubs.Context) error {
	_, err := h.verify(c)
	return err
}

// OnReconnected checks the request.
func (h *ConnectionDataVerifierHub) OnReconnected(c *hubs.Context) error {
	_, err := h.verify(c)
	return err
}

// OnDisconnected checks the request.
func (h *ConnectionDataVerifierHub) OnDisconnected(c *hubs.Context, _ error) {
	_, _ = h.verify(c) // who is gone cannot be told
}

// Ping calls the caller back if its request is right.
func (h *ConnectionDataVerifierHub) Ping(c *hubs.Context) error {
	if valid, err := h.verify(c); !valid {
		return err
	}
	return pong(c)
}

// Invalid returns how many requests were wrong so far: of those that end a connection nobody could be told.
func (h *ConnectionDataVerifierHub) Invalid(*hubs.Context) int64 { return h.invalid.Load() }

// Status is the hub StatusHub, which tells everyone who comes and goes.
type Status struct{}

func (*Status) tell(c *hubs.Context, what string) error {
	return c.Hub().Clients().All().Send(c, what, c.ConnectionID(), time.Now().Format(time.DateTime))
}

// OnConnected tells of a new client.
func (h *Status) OnConnected(c *hubs.Context) error { return h.tell(c, "joined") }

// OnReconnected tells of a client that is back.
func (h *Status) OnReconnected(c *hubs.Context) error { return h.tell(c, "rejoined") }

// OnDisconnected tells of a client that has gone.
func (h *Status) OnDisconnected(c *hubs.Context, _ error) { _ = h.tell(c, "leave") }

// Ping calls the caller back.
func (*Status) Ping(c *hubs.Context) error { return pong(c) }

// RedirectTestHub tells how its clients came to it.
type RedirectTestHub struct{}

// EchoReturn returns its argument.
func (*RedirectTestHub) EchoReturn(_ *hubs.Context, text string) string { return text }

// GetQueryStringValue returns a value of the request's query, or null.
func (*RedirectTestHub) GetQueryStringValue(c *hubs.Context, key string) *string {
	values, found := c.Request().URL.Query()[key]
	if !found {
		return nil
	}
	return &values[0]
}

// GetAccessToken returns the request's access token, or null.
func (*RedirectTestHub) GetAccessToken(c *hubs.Context) *string {
	r := c.Request()
	token := r.URL.Query().Get("access_token")
	if token == "" {
		token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	if token == "" {
		return nil
	}
	return &token
}

// MyItemsHub tells everyone what each request of its clients has.
type MyItemsHub struct{}

// itemsUpdate is what MyItemsHub tells. Count grows with each event of a connection.
type itemsUpdate struct {
	Method  string              `json:"method"`
	Count   int64               `json:"count"`
	Headers http.Header         `json:"headers"`
	Query   map[string][]string `json:"query"`
}

func (*MyItemsHub) tell(c *hubs.Context, method string) error {
	counter, _ := c.Items().LoadOrStore("count", new(atomic.Int64))
	update := itemsUpdate{method, counter.(*atomic.Int64).Add(1), c.Request().Header, c.Request().URL.Query()}
	delete(update.Query, "connectionToken") // it would make everyone the caller
	return c.Hub().Clients().All().Send(c, "update", update)
}

// GetItems tells of the request of this call.
func (h *MyItemsHub) GetItems(c *hubs.Context) error { return h.tell(c, "GetItems") }

// OnConnected tells of the request that connects.
func (h *MyItemsHub) OnConnected(c *hubs.Context) error { return h.tell(c, "OnConnected") }

// OnDisconnected tells of the request that ends a connection.
func (h *MyItemsHub) OnDisconnected(c *hubs.Context, _ error) { _ = h.tell(c, "OnDisconnected") }

// ExamineHeadersHub tells the caller of its headers.
type ExamineHeadersHub struct{}

// Send sends headers of this call's request.
func (*ExamineHeadersHub) Send(c *hubs.Context) error {
	r := c.Request()
	return c.Clients().Caller().Send(c, "sendHeader", map[string]*string{
		"refererHeader": header(r, "Referer"), "testHeader": header(r, "test-header"),
	})
}

// ClientCallbackHub calls its caller with arguments that are not what the caller expects.
type ClientCallbackHub struct{}

// SendOneArgument calls a method of two arguments with one.
func (*ClientCallbackHub) SendOneArgument(c *hubs.Context) error {
	return c.Clients().Caller().Send(c, "twoArgsMethod", "arg1")
}

// SendArgumentsTypeMismatch calls a method with an argument of another type.
func (*ClientCallbackHub) SendArgumentsTypeMismatch(c *hubs.Context) error {
	return c.Clients().Caller().Send(c, "foo", "arg1")
}

// DateAsStringHub passes on texts that look like dates.
type DateAsStringHub struct{}

// DateAsString is a text that looks like a date.
type DateAsString struct{ DateAsString string }

// Invoke returns its argument and sends it back.
func (*DateAsStringHub) Invoke(c *hubs.Context, value DateAsString) (DateAsString, error) {
	return value, c.Clients().Caller().Send(c, "Callback", value)
}

// ValidTypedHub calls client methods that are declared.
type ValidTypedHub struct{}

var (
	typedEcho = hubs.NewEvent1[string]("Echo")
	typedPing = hubs.NewEvent0("Ping")
)

// Echo sends a text back.
func (*ValidTypedHub) Echo(c *hubs.Context, text string) error {
	return typedEcho.Send(c, c.Clients().Caller(), text)
}

// Ping calls the caller back.
func (*ValidTypedHub) Ping(c *hubs.Context) error { return typedPing.Send(c, c.Clients().Caller()) }

// InvalidTypedHub calls client methods in a way that cannot work.
type InvalidTypedHub struct{}

// Echo sends what is no JSON.
func (*InvalidTypedHub) Echo(c *hubs.Context, _ string) error {
	return c.Clients().Caller().Send(c, "Echo", func() {})
}

// Ping asks a client that does not answer for a result.
func (*InvalidTypedHub) Ping(c *hubs.Context) error {
	_, err := hubs.Invoke[bool](c, c.Clients().Caller(), "Ping")
	return err
}

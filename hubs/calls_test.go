package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

type InvalidOperationException struct{ message string }

func (e InvalidOperationException) Error() string { return e.message }

type point struct {
	X, Y int
}

// callHub has a method of every shape.
type callHub struct{ base }

type base struct{}

// Inherited has a context, so that it is meant for clients.
func (base) Inherited(*hubs.Context) string { return "inherited" }

// Secret has none, so that no client may call it.
func (callHub) Secret() string { return "secret" }

func (callHub) Nothing(*hubs.Context)                       {}
func (callHub) OnlyError(*hubs.Context) error               { return nil }
func (callHub) Value(*hubs.Context) int                     { return 42 }
func (callHub) Both(*hubs.Context) (string, error)          { return "both", nil }
func (callHub) Nil(*hubs.Context) *point                    { return nil }
func (callHub) Echo(_ *hubs.Context, s string) string       { return s }
func (callHub) Move(_ *hubs.Context, p point, by int) point { return point{p.X + by, p.Y + by} }
func (callHub) Sum(_ *hubs.Context, first int, more ...int) int {
	for _, n := range more {
		first += n
	}
	return first
}
func (callHub) Any(_ *hubs.Context, v any) string       { return fmt.Sprintf("%T", v) }
func (callHub) Fail(_ *hubs.Context, text string) error { return InvalidOperationException{text} }
func (callHub) FailPlainly(*hubs.Context) error         { return errors.New("boom") }
func (callHub) FailOpenly(*hubs.Context) (int, error)   { return 0, hubs.Errorf("no %s today", "tea") }
func (callHub) FailWrapped(*hubs.Context) error {
	return fmt.Errorf("inner: %w", hubs.NewError("out of tea"))
}
func (callHub) Panic(*hubs.Context)                    { panic("at the disco") }
func (callHub) Unencodable(*hubs.Context) (any, error) { return map[string]any{"f": func() {}}, nil }
func (callHub) ID(c *hubs.Context) string              { return c.ConnectionID() }
func (callHub) Transport(c *hubs.Context) string       { return c.Transport().String() }
func (callHub) Path(c *hubs.Context) string            { return c.Request().URL.Path }

func TestCalls(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{},
		hubs.Handle1("typed", func(_ *hubs.Context, p point) (int, error) { return p.X * p.Y, nil }),
		hubs.HandleVoid2("typedVoid", func(_ *hubs.Context, a, b int) error { return hubs.Errorf("%d", a+b) }),
		hubs.Handle0("value", func(*hubs.Context) (string, error) { return "typed goes first", nil }),
		hubs.Handle4("four", func(_ *hubs.Context, a, b, c, d string) (string, error) { return a + b + c + d, nil }),
	)
	c := s.connect()
	const (
		unexpected = "An unexpected error occurred invoking '%s' on the server."
		failed     = "Failed to invoke '%s' due to an error on the server."
	)
	result := func(json string) string { return `{"type":3,"invocationId":"call","result":` + json + `}` }
	failure := func(format string, args ...any) string {
		return `{"type":3,"invocationId":"call","error":"` + fmt.Sprintf(format, args...) + `"}`
	}
	for _, tt := range []struct {
		method string
		args   []string
		want   string
	}{
		{"Nothing", nil, result("null")},
		{"OnlyError", nil, result("null")},
		{"Nil", nil, result("null")},
		{"Both", nil, result(`"both"`)},
		{"Echo", []string{`"grüße <&> 'x'"`}, result("\"grüße <&> 'x'\"")},
		{"echo", []string{`"lower"`}, result(`"lower"`)},
		{"eCHO", []string{`"mixed"`}, result(`"mixed"`)},
		{"Inherited", nil, result(`"inherited"`)},
		{"Move", []string{`{"x":1,"Y":2,"z":3}`, `10`}, result(`{"X":11,"Y":12}`)},
		{"Sum", []string{`1`}, result(`1`)},
		{"Sum", []string{`1`, `2`, `3`}, result(`6`)},
		{"Any", []string{`{"a":1}`}, result(`"map[string]interface {}"`)},
		{"Transport", nil, result(`"WebSockets"`)},
		{"Path", nil, result(`"/hub"`)},
		{"typed", []string{`{"X":6,"Y":7}`}, result(`42`)},
		{"Value", nil, result(`"typed goes first"`)},
		{"Four", []string{`"a"`, `"b"`, `"c"`, `"d"`}, result(`"abcd"`)},
		{"typedVoid", []string{`1`, `2`}, failure(unexpected+" HubException: 3", "typedVoid")},

		{"Missing", nil, failure(failed+" HubException: Method does not exist.", "Missing")},
		{"Secret", nil, failure(failed+" HubException: Method does not exist.", "Secret")},
		{"OnConnected", nil, failure(failed+" HubException: Method does not exist.", "OnConnected")},
		{"echo", nil, failure(failed, "Echo")},
		{"Echo", []string{`1`}, failure(failed, "Echo")},
		{"Echo", []string{`"a"`, `"b"`}, failure(failed, "Echo")},
		{"Sum", nil, failure(failed, "Sum")},
		{"Sum", []string{`1`, `"2"`}, failure(failed, "Sum")},
		{"Fail", []string{`"text"`}, failure(unexpected, "Fail")},
		{"FailPlainly", nil, failure(unexpected, "FailPlainly")},
		{"FailOpenly", nil, failure(unexpected+" HubException: no tea today", "FailOpenly")},
		{"FailWrapped", nil, failure(unexpected+" HubException: out of tea", "FailWrapped")},
		{"Panic", nil, failure(unexpected, "Panic")},
		{"Unencodable", nil, failure(unexpected, "Unencodable")},
	} {
		require.Equal(t, tt.want, c.call(tt.method, tt.args...), "%s%v", tt.method, tt.args)
	}
}

func TestDetailedErrors(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}, hubs.WithDetailedErrors()).connect()
	for _, tt := range []struct {
		method string
		args   []string
		want   string
	}{
		{"Fail", []string{`"text"`}, "An unexpected error occurred invoking 'Fail' on the server. InvalidOperationException: text"},
		{"FailPlainly", nil, "An unexpected error occurred invoking 'FailPlainly' on the server. Error: boom"},
		{"FailOpenly", nil, "An unexpected error occurred invoking 'FailOpenly' on the server. HubException: no tea today"},
		{"Panic", nil, "An unexpected error occurred invoking 'Panic' on the server. Error: panic: at the disco"},
		{"Echo", nil, "Failed to invoke 'Echo' due to an error on the server. InvalidDataException: Invocation provides 0 argument(s) but target expects 1."},
		{"Echo", []string{`1`}, "Failed to invoke 'Echo' due to an error on the server. InvalidDataException: Error binding arguments. Make sure that the types of the provided values match the types of the hub method being invoked. Argument 1 (string): json: cannot unmarshal number into Go value of type string"},
	} {
		require.Equal(t, `{"type":3,"invocationId":"call","error":"`+tt.want+`"}`, c.call(tt.method, tt.args...))
	}
}

// A call without an id is answered by nothing, whatever happens.
func TestSendsAreNotAnswered(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}).connect()
	c.send(
		`{"type":1,"target":"Echo","arguments":["x"]}`,
		`{"type":1,"target":"Echo","arguments":[]}`,
		`{"type":1,"target":"Missing","arguments":[]}`,
		`{"type":1,"target":"Panic","arguments":[]}`,
		`{"type":1,"target":"Fail","arguments":["x"]}`,
		`{"arguments":["done"],"target":"Echo","invocationId":"7","type":1}`,
	)
	c.expect(`{"type":3,"invocationId":"7","result":"done"}`)
}

func TestContextShowsTheConnection(t *testing.T) {
	t.Parallel()
	type key struct{}
	var got struct {
		id, user, header string
		value            any
		items            string
	}
	s := serve(t, nil, hubs.WithUserID(userHeader),
		hubs.WithOnConnected(func(c *hubs.Context) error {
			c.Items().Store("room", "lobby")
			return nil
		}),
		hubs.HandleVoid0("look", func(c *hubs.Context) error {
			room, _ := c.Items().Load("room")
			got.id, got.user, got.header = c.ConnectionID(), c.UserID(), c.Request().Header.Get("User")
			got.value, got.items = c.Value(key{}), room.(string)
			return context.Cause(c.Request().Context())
		}))
	inner := s.http.Config.Handler
	s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "from middleware")))
	})
	c := s.connectAs("ada")
	require.Equal(t, `{"type":3,"invocationId":"call","result":null}`, c.call("look"))
	require.Equal(t, "ada", got.user)
	require.Equal(t, "ada", got.header)
	require.Equal(t, "lobby", got.items)
	require.Equal(t, "from middleware", got.value)
	require.Len(t, got.id, 22)
}

// wrongHub has one of each wrong signature.
type wrongHub struct{}

func (wrongHub) TwoValues(*hubs.Context) (int, int) { return 0, 0 }

//lint:ignore ST1008 that is what is wrong with it
func (wrongHub) ErrorFirst(*hubs.Context) (error, int)     { return nil, 0 }
func (wrongHub) TakesFunc(*hubs.Context, func())           {}
func (wrongHub) TakesChan(*hubs.Context, chan<- int)       {}
func (wrongHub) TakesReader(*hubs.Context, fmt.Stringer)   {}
func (wrongHub) ReturnsFunc(*hubs.Context) func()          { return nil }
func (wrongHub) Twice(*hubs.Context)                       {}
func (wrongHub) TWICE(*hubs.Context)                       {}
func (wrongHub) OnConnected()                              {}
func (wrongHub) OnDisconnected(*hubs.Context)              {}
func (wrongHub) notExported(*hubs.Context) (int, int, int) { return 0, 0, 0 }

func TestEveryWrongSignatureIsReported(t *testing.T) {
	t.Parallel()
	_ = wrongHub.notExported
	_, err := hubs.New(wrongHub{},
		hubs.Handle0("", func(*hubs.Context) (int, error) { return 0, nil }),
		hubs.Handle0("same", func(*hubs.Context) (int, error) { return 0, nil }),
		hubs.Handle0("Same", func(*hubs.Context) (int, error) { return 0, nil }))
	require.Error(t, err)
	for _, name := range []string{"TwoValues", "ErrorFirst", "TakesFunc", "TakesChan", "TakesReader", "ReturnsFunc",
		"TWICE", "OnConnected", "OnDisconnected", "needs a name", `"Same"`} {
		require.Contains(t, err.Error(), name)
	}
	require.NotContains(t, err.Error(), "notExported")
}

func TestBareWebSocketEndsNormally(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}).connect()
	c.close()
	c.expectClosed(websocket.CloseNormalClosure)
}

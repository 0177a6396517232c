package hubs_test

import (
	"fmt"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// wrongOptions are options that New refuses, with what the error says of each.
var wrongOptions = []struct {
	option hubs.Option
	says   string
}{
	{nil, "an option must not be nil"},
	{hubs.WithName(""), "the name must not be empty"},
	{hubs.WithLogger(nil), "the logger must not be nil"},
	{hubs.WithBus(nil), "the bus must not be nil"},
	{hubs.WithBus((*scaleout.Memory)(nil)), "the bus must not be nil"},
	{hubs.WithProtocols(), "at least one protocol"},
	{hubs.WithProtocols(protocol.NewJSON(), nil), "at least one protocol is needed, and none may be nil"},
	{hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack(), protocol.NewJSON()), `there are two protocols "json"`},
	{hubs.WithHandshakeTimeout(0), "the handshake timeout must be positive, not 0s"},
	{hubs.WithKeepAliveInterval(-time.Second), "the keep-alive interval must be positive, not -1s"},
	{hubs.WithClientTimeout(0), "the client timeout must be positive"},
	{hubs.WithNodeReplyTimeout(0), "the reply timeout of nodes must be positive"},
	{hubs.WithShutdownGrace(-1), "the shutdown grace must not be negative"},
	{hubs.WithMaximumReceiveMessageSize(-1), "the maximum message size must not be negative, not -1"},
	{hubs.WithMaximumParallelInvocations(0), "the number of parallel invocations must be positive, not 0"},
	{hubs.WithStreamBufferCapacity(0), "the stream buffer capacity must be positive"},
	{hubs.WithMaximumStreams(-4), "the number of streams must be positive, not -4"},
	{hubs.WithInputBufferSize(0), "the input buffer size must be positive"},
	{hubs.WithStatefulReconnectBufferSize(0), "the stateful reconnect buffer size must be positive"},
	{hubs.WithOnConnected(nil), "the function of WithOnConnected must not be nil"},
	{hubs.WithOnDisconnected(nil), "the function of WithOnDisconnected must not be nil"},
	{hubs.WithMethodAuthorization(nil), "the authorization of methods must not be nil"},
	{hubs.WithMethodAuthorization(func(*hubs.Context) error { return nil }, "Helo"), `there is no method "Helo"`},
	{hubs.WithUserID(nil), "identity"},
	{hubs.WithAuthorization(nil), "authorization"},
	{hubs.WithExpiration(nil), "expir"},
	{hubs.WithAllowedOrigins("a b"), "a b"},
	{hubs.HandleVoid0("", func(*hubs.Context) error { return nil }), "a method needs a name"},
	{hubs.Handle1[int, int]("noResult", nil), "method noResult: the function must not be nil"},
	{hubs.HandleVoid1[int]("noVoid", nil), "method noVoid: the function must not be nil"},
	{hubs.HandleStream1[int, int]("noStream", nil), "method noStream: the function must not be nil"},
	{hubs.Handle0("out", func(*hubs.Context) (func(), error) { return nil, nil }), "method out: a func() cannot be sent to a client"},
	{hubs.HandleVoid1("in", func(*hubs.Context, chan<- int) error { return nil }), "method in: parameter 1: a chan<- int cannot be sent by a client"},
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	for _, wrong := range wrongOptions {
		t.Run(wrong.says, func(t *testing.T) {
			t.Parallel()
			_, err := hubs.New(nil, wrong.option)
			require.ErrorContains(t, err, wrong.says)
		})
	}
}

// One round of corrections is enough.
func TestWrongOptionsAreReportedTogether(t *testing.T) {
	t.Parallel()
	var all []hubs.Option
	for _, wrong := range wrongOptions {
		all = append(all, wrong.option)
	}
	_, err := hubs.New(twoHooks{}, all...)
	for _, wrong := range wrongOptions {
		require.ErrorContains(t, err, wrong.says)
	}
	require.ErrorContains(t, err, "method hubs_test.twoHooks.Strange")
	for line := range strings.Lines(err.Error()) {
		require.Regexp(t, "^(hubs|transports): ", line)
	}
}

func TestOptionsWithoutEffect(t *testing.T) {
	t.Parallel()
	only := func(kinds ...transports.Kind) hubs.Option {
		return hubs.WithEndpoint(transports.WithTransports(kinds...))
	}
	const ws, sse, lp = transports.WebSockets, transports.ServerSentEvents, transports.LongPolling
	packed := hubs.WithProtocols(protocol.NewMessagePack())
	both := hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack())
	const noCarrier = `hubs: the protocol "messagepack" has no effect: no transport that is enabled carries it`
	const noPings = "hubs: WithKeepAliveInterval has no effect on long polling alone"
	const noBuffer = "hubs: WithStatefulReconnectBufferSize has no effect without WithStatefulReconnect"
	for name, tt := range map[string]struct {
		opts []hubs.Option
		says string // empty: nothing is wrong
	}{
		"MessagePack by SSE":               {[]hubs.Option{packed, only(sse)}, noCarrier},
		"MessagePack beside JSON by SSE":   {[]hubs.Option{only(sse), both}, noCarrier},
		"JSON by SSE":                      {[]hubs.Option{only(sse)}, ""},
		"MessagePack by WebSockets":        {[]hubs.Option{packed, only(ws)}, ""},
		"MessagePack by SSE and polling":   {[]hubs.Option{packed, only(sse, lp)}, ""},
		"pings by polling":                 {[]hubs.Option{hubs.WithKeepAliveInterval(time.Second), only(lp)}, noPings},
		"pings by SSE and polling":         {[]hubs.Option{hubs.WithKeepAliveInterval(time.Second), only(sse, lp)}, ""},
		"buffer without reconnect":         {[]hubs.Option{hubs.WithStatefulReconnectBufferSize(1)}, noBuffer},
		"buffer with reconnect":            {[]hubs.Option{hubs.WithStatefulReconnectBufferSize(1), hubs.WithStatefulReconnect()}, ""},
		"buffer with transports' option":   {[]hubs.Option{hubs.WithStatefulReconnectBufferSize(1), hubs.WithEndpoint(transports.WithStatefulReconnect())}, ""},
		"reconnect by SSE and polling":     {[]hubs.Option{hubs.WithStatefulReconnect(), only(sse, lp)}, "transports: WithStatefulReconnect has no effect without the transport WebSockets"},
		"reconnect by WebSockets and more": {[]hubs.Option{hubs.WithStatefulReconnect(), only(ws, lp)}, ""},
		"a node of one's own":              {[]hubs.Option{hubs.WithEndpoint(transports.WithNode(7))}, "hubs: transports.WithNode is the hub's to set, by its bus"},
		"all at once":                      {[]hubs.Option{hubs.WithKeepAliveInterval(time.Second), hubs.WithStatefulReconnectBufferSize(1), only(lp)}, noPings + "\n" + noBuffer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := hubs.New(nil, append(tt.opts, hubs.WithName("hub"))...)
			if tt.says == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, tt.says)
			}
		})
	}
}

type twoHooks struct{}

func (twoHooks) OnConnected(*hubs.Context) error  { return nil }
func (twoHooks) Strange(*hubs.Context) (int, int) { return 0, 0 }

func TestHooksBesideMethods(t *testing.T) {
	t.Parallel()
	_, err := hubs.New(twoHooks{}, hubs.WithOnConnected(func(*hubs.Context) error { return nil }))
	require.ErrorContains(t, err, "hubs: hubs_test.twoHooks has a method OnConnected: the option WithOnConnected would take no effect")
}

// byValue is generic only because vet would refuse a method with a Context by value.
type byValue[C any] struct{}

func (byValue[C]) Hello(C) {}

type wrongHook struct{}

func (wrongHook) OnDisconnected(*hubs.Context) {}

func TestWrongImplementations(t *testing.T) {
	t.Parallel()
	for says, impl := range map[string]any{
		"Hello: the first parameter must be a *hubs.Context":                                          byValue[hubs.Context]{},
		"method hubs_test.wrongHook.OnDisconnected must be func(*hubs.Context, error)":                wrongHook{},
		"method hubs_test.strangeHub.Both: a method returns nothing, a value, an error, or a value":   strangeHub{},
		"method hubs_test.strangeHub.Ask: parameter 2: field Deep.Channel: a chan int cannot be sent": strangeHub{},
	} {
		_, err := hubs.New(impl)
		require.ErrorContains(t, err, says)
	}
}

type strangeHub struct{}

func (strangeHub) Both(*hubs.Context) (int, string) { return 0, "" }
func (strangeHub) Ask(*hubs.Context, int, struct{ Deep []withChannel }) {
}

type withChannel struct{ Channel chan int }

// node refers to itself.
type node struct {
	Children []*node
	ByName   map[string]node
	Value    any
}

type hidden struct {
	Name     string
	Changed  func()   `json:"-"`
	internal chan int // what is not exported does not travel
}

var _ = hidden{}.internal

// asText has no encoding but its own.
type asText struct{ f *func() }

func (a asText) MarshalText() ([]byte, error)     { (*a.f)(); return nil, nil }
func (a *asText) UnmarshalText(text []byte) error { return nil }

type embedded struct {
	withChannel
	http.Header
}

// What no client can send or get was found by the first call, or never.
func TestTypesOfMethods(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, out error }{
		typeOf[int]("", ""),
		typeOf[any]("", ""),
		typeOf[*node]("", ""),
		typeOf[hidden]("", ""),
		typeOf[asText]("", ""),
		typeOf[map[asText]asText]("", ""),
		typeOf[map[int8][]byte]("", ""),
		typeOf[time.Time]("", ""),
		typeOf[protocol.Raw]("", ""),
		typeOf[complex128]("a complex128 cannot be sent by a client", "a complex128 cannot be sent to a client"),
		typeOf[[]func()]("a func() cannot be sent by a client", "a func() cannot be sent to a client"),
		typeOf[map[string]*withChannel]("field Channel: a chan int cannot be sent by a client", "field Channel: a chan int cannot be sent to a client"),
		typeOf[embedded]("field Channel: a chan int", "field Channel: a chan int"),
		typeOf[struct{ A [2]struct{ B map[bool]int } }]("field A.B: a map[bool]int cannot be sent", `field A.B: a map[bool]int cannot be sent: its keys are neither strings nor integers nor written as text; json:"-" leaves it out`),
		typeOf[fmt.Stringer]("a fmt.Stringer cannot be decoded", ""),
		typeOf[struct{ Err error }]("field Err: a error cannot be decoded", ""),
	} {
		require.NoError(t, test.in)
		require.NoError(t, test.out)
	}
}

// typeOf registers methods that take and return a T, alone and as a stream's items,
// and returns an error if New does not say what it should.
func typeOf[T any](in, out string) struct{ in, out error } {
	expect := func(says string, opts ...hubs.Option) error {
		for _, opt := range opts {
			if _, err := hubs.New(nil, opt); says == "" && err != nil {
				return err
			} else if says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
				return fmt.Errorf("want %q, got %v", says, err)
			}
		}
		return nil
	}
	return struct{ in, out error }{
		expect(in,
			hubs.HandleVoid1("m", func(*hubs.Context, T) error { return nil }),
			hubs.HandleVoid2("m", func(*hubs.Context, int, <-chan T) error { return nil }),
			hubs.HandleVoid1("m", func(*hubs.Context, iter.Seq2[T, error]) error { return nil })),
		expect(out,
			hubs.Handle0("m", func(*hubs.Context) (T, error) { return *new(T), nil }),
			hubs.HandleStream0("m", func(*hubs.Context) (iter.Seq2[T, error], error) { return nil, nil })),
	}
}

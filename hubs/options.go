package hubs

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// Defaults of the options, those of the reference server where it has them.
const (
	DefaultHandshakeTimeout            = 15 * time.Second
	DefaultKeepAliveInterval           = 15 * time.Second
	DefaultClientTimeout               = 30 * time.Second
	DefaultNodeReplyTimeout            = 10 * time.Second
	DefaultMaximumReceiveMessageSize   = 32 << 10
	DefaultMaximumParallelInvocations  = 1
	DefaultStreamBufferCapacity        = 10
	DefaultMaximumStreams              = 100
	DefaultInputBufferSize             = 64 << 10
	DefaultStatefulReconnectBufferSize = 100_000
)

// Option configures a [Hub]. One that has no effect beside the others is an error.
type Option func(*config) error

type config struct {
	name             string
	nameChosen       bool   // by WithName
	busName          string // empty: the bus is the hub's own
	logger           *slog.Logger
	detailedErrors   bool
	protocols        []protocol.Protocol
	handshakeTimeout time.Duration
	keepAlive        time.Duration // 0: the default
	clientTimeout    time.Duration
	nodeReplyTimeout time.Duration
	maxMessageSize   int // 0: unlimited
	parallelCalls    int
	streamCapacity   int
	maxStreams       int
	inputBuffer      int
	reconnectBuffer  int           // 0: the default
	shutdownGrace    time.Duration // 0: none
	endpoint         []transports.Option
	bus              scaleout.Bus // nil: one of the hub's own
	filters          []Filter
	authorized       []string // methods with an authorisation of their own
	typed            []*method
	onConnected      func(*Context) error
	onReconnected    func(*Context) error
	onDisconnected   func(*Context, error)
}

func newConfig(opts []Option) (*config, error) {
	c := &config{
		logger:           slog.Default(),
		protocols:        []protocol.Protocol{protocol.NewJSON()},
		handshakeTimeout: DefaultHandshakeTimeout,
		clientTimeout:    DefaultClientTimeout,
		nodeReplyTimeout: DefaultNodeReplyTimeout,
		maxMessageSize:   DefaultMaximumReceiveMessageSize,
		parallelCalls:    DefaultMaximumParallelInvocations,
		streamCapacity:   DefaultStreamBufferCapacity,
		maxStreams:       DefaultMaximumStreams,
		inputBuffer:      DefaultInputBufferSize,
		shutdownGrace:    DefaultShutdownGrace,
	}
	var errs []error
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, errors.New("hubs: an option must not be nil"))
			continue
		}
		errs = append(errs, opt(c))
	}
	return c, errors.Join(errs...)
}

// suit fits the options to the endpoint, and reports those that do not go with it.
func (c *config) suit(e *transports.Endpoint) error {
	var errs []error
	kinds := e.Transports()
	for _, p := range c.protocols {
		if p.Format() == protocol.Binary && !slices.ContainsFunc(kinds, transports.Kind.Binary) {
			errs = append(errs, fmt.Errorf("hubs: the protocol %q has no effect: no transport that is enabled carries it", p.Name()))
		}
	}
	if e.Node() != 0 {
		errs = append(errs, errors.New("hubs: transports.WithNode is the hub's to set, by its bus"))
	}
	if c.keepAlive == 0 {
		c.keepAlive = DefaultKeepAliveInterval
	} else if !slices.ContainsFunc(kinds, func(k transports.Kind) bool { return k != transports.LongPolling }) {
		errs = append(errs, errors.New("hubs: WithKeepAliveInterval has no effect on long polling alone"))
	}
	if c.reconnectBuffer == 0 {
		c.reconnectBuffer = DefaultStatefulReconnectBufferSize
	} else if !e.StatefulReconnect() {
		errs = append(errs, errors.New("hubs: WithStatefulReconnectBufferSize has no effect without WithStatefulReconnect"))
	}
	return errors.Join(errs...)
}

func positive[T int | time.Duration](name string, value T, field *T) error {
	if value <= 0 {
		return fmt.Errorf("hubs: %s must be positive, not %v", name, value)
	}
	*field = value
	return nil
}

func notNil[T any](name string, value T, field *T) error {
	if isNil(value) {
		return fmt.Errorf("hubs: %s must not be nil", name)
	}
	*field = value
	return nil
}

// isNil reports whether an interface holds nothing, or a nil pointer or function.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func:
		return r.IsNil()
	default:
		return false
	}
}

// WithLogger sets where the hub and its transports log. The default is
// [slog.Default]. The level Debug tells why requests and calls were refused.
// Payloads and tokens are never logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error { return notNil("the logger", logger, &c.logger) }
}

// WithDetailedErrors sends the type and text of every error to clients. It is
// meant for development: the texts may hold what clients must not know.
func WithDetailedErrors() Option {
	return func(c *config) error {
		c.detailedErrors = true
		return nil
	}
}

// WithProtocols sets the hub protocols that clients may choose from, such as
// [protocol.NewJSON] and [protocol.NewMessagePack], which Server-Sent Events do not carry.
// The default is JSON alone.
func WithProtocols(protocols ...protocol.Protocol) Option {
	return func(c *config) error {
		if len(protocols) == 0 || slices.ContainsFunc(protocols, func(p protocol.Protocol) bool { return isNil(p) }) {
			return errors.New("hubs: at least one protocol is needed, and none may be nil")
		}
		for i, p := range protocols {
			if slices.ContainsFunc(protocols[:i], func(other protocol.Protocol) bool { return other.Name() == p.Name() }) {
				return fmt.Errorf("hubs: there are two protocols %q: clients cannot tell them apart", p.Name())
			}
		}
		c.protocols = protocols
		return nil
	}
}

// WithHandshakeTimeout limits the wait for a client's handshake. The default is
// [DefaultHandshakeTimeout]. Timeouts have a granularity of one second.
func WithHandshakeTimeout(d time.Duration) Option {
	return func(c *config) error { return positive("the handshake timeout", d, &c.handshakeTimeout) }
}

// WithKeepAliveInterval sets how often clients are pinged: on the first tick, of which
// there is one a second, that is well after the interval; those that poll are not. The
// default is [DefaultKeepAliveInterval].
func WithKeepAliveInterval(d time.Duration) Option {
	return func(c *config) error { return positive("the keep-alive interval", d, &c.keepAlive) }
}

// WithClientTimeout ends connections whose client sends nothing for so long, by
// WebSockets or Server-Sent Events; one that polls shows by that that it is there.
// It should be at least twice the clients' ping interval: official clients ping
// every 15 seconds. The default is [DefaultClientTimeout]. It also counts for a
// client that has never sent a ping, which ASP.NET Core lets be silent for ever: a
// hub with clients that do not ping needs a timeout longer than their silence.
func WithClientTimeout(d time.Duration) Option {
	return func(c *config) error { return positive("the client timeout", d, &c.clientTimeout) }
}

// WithNodeReplyTimeout sets how long what asks other nodes waits for their replies:
// [Groups.Add] and [Groups.Remove] for connections of other nodes, [Target.Count],
// [Target.Connections] and [Hub.Nodes]. They then fail with an error that is
// [scaleout.ErrDown]; a change of a group may still take place. [Invoke] waits for a
// person perhaps, and so until its context is done. Either ends before if the other node
// leaves or is silent. The default is [DefaultNodeReplyTimeout].
func WithNodeReplyTimeout(d time.Duration) Option {
	return func(c *config) error { return positive("the reply timeout of nodes", d, &c.nodeReplyTimeout) }
}

// WithMaximumReceiveMessageSize limits a message from a client, in bytes with
// its framing. A longer one ends the connection; OnDisconnected
// then has a [*protocol.SizeError]. 0 means no limit: a client can then make the
// server hold as much memory as it likes. The default is
// [DefaultMaximumReceiveMessageSize].
func WithMaximumReceiveMessageSize(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("hubs: the maximum message size must not be negative, not %d", n)
		}
		c.maxMessageSize = n
		return nil
	}
}

// WithMaximumParallelInvocations sets how many calls of one client run at once;
// streams do not count. Above 1, calls may finish in another order than they
// came. The default is [DefaultMaximumParallelInvocations].
func WithMaximumParallelInvocations(n int) Option {
	return func(c *config) error { return positive("the number of parallel invocations", n, &c.parallelCalls) }
}

// WithStreamBufferCapacity sets how many items of each stream from a client may
// wait for the hub method without counting to the input buffer; all of a client's
// streams together have as much again for them. The default is
// [DefaultStreamBufferCapacity].
func WithStreamBufferCapacity(n int) Option {
	return func(c *config) error { return positive("the stream buffer capacity", n, &c.streamCapacity) }
}

// WithMaximumStreams limits the calls with streams, in either direction, that one
// client has at once, and likewise those that run outside the limit on parallel
// invocations since they have asked a client ([Invoke]). More are refused, and more
// questions fail, each with an error for the client that names the limit. An open call
// takes 5 to 10 KiB beside what its method needs, most of it the stacks of its goroutines:
// one, and one more for each stream from the client that the method takes as a channel.
// The default, [DefaultMaximumStreams], bounds that at about 1 MiB for a connection.
func WithMaximumStreams(n int) Option {
	return func(c *config) error { return positive("the number of streams", n, &c.maxStreams) }
}

// WithInputBufferSize sets how many bytes of one client's calls and stream items
// may wait to be handled. Above that nothing is read from the client until there
// is room, which holds it back: cancellations wait too, and that a client has gone is
// noticed within some seconds, as the loss of its connection. While a client is asked
// for a result ([Invoke]), 16 times as much may wait, since its answer comes behind
// that, and the calls that could make room may be those that wait for it. If that is
// not enough either, and there is no room for as long as the client timeout, those who
// have asked get [ErrUnheard], and the connection goes on. The default is
// [DefaultInputBufferSize].
func WithInputBufferSize(n int) Option {
	return func(c *config) error { return positive("the input buffer size", n, &c.inputBuffer) }
}

// WithBus joins the hub with the hubs of the same name ([WithName]) on the bus, in
// any number of processes, to one logical hub: a message sent on one reaches the
// clients of all. Two hubs of the same name on one Bus value, within one process, are
// joined too; tests can run several nodes that way. A program without clients can
// join to send: hubs.New(nil, WithBus(bus), WithName("chat")). The default is an
// in-memory bus that the hub shares with nobody.
func WithBus(bus scaleout.Bus) Option {
	return func(c *config) error { return notNil("the bus", bus, &c.bus) }
}

// WithStatefulReconnect lets clients that ask for it keep their connection, with
// its groups, calls and streams, when its WebSocket is lost and they come back
// within the disconnect timeout ([transports.WithDisconnectTimeout]). Neither
// side loses or repeats a message. A write that takes longer than the
// send timeout ([transports.WithSendTimeout]) ends the connection for good, as it
// does without.
func WithStatefulReconnect() Option { return WithEndpoint(transports.WithStatefulReconnect()) }

// WithStatefulReconnectBufferSize sets how many bytes of messages that a client
// has not acknowledged are kept for it. Above that, senders that can wait do so, and
// the client is disconnected if it acknowledges nothing for 5 s. That time begins
// when it has been sent everything, and begins anew with each WebSocket. The default
// is [DefaultStatefulReconnectBufferSize].
func WithStatefulReconnectBufferSize(n int) Option {
	return func(c *config) error { return positive("the stateful reconnect buffer size", n, &c.reconnectBuffer) }
}

// WithEndpoint passes options to the transports beneath the hub: which are enabled,
// how many connections there may be, how long they wait. [transports.WithNode] is none of
// them: the hub's bus says which node it is.
func WithEndpoint(opts ...transports.Option) Option {
	return func(c *config) error {
		c.endpoint = append(c.endpoint, opts...)
		return nil
	}
}

// WithOnConnected sets what runs when a client has connected, for hubs without
// an OnConnected method of their own.
func WithOnConnected(f func(*Context) error) Option {
	return func(c *config) error { return notNil("the function of WithOnConnected", f, &c.onConnected) }
}

// WithOnDisconnected sets what runs when a client has disconnected, for hubs
// without an OnDisconnected method of their own.
func WithOnDisconnected(f func(c *Context, cause error)) Option {
	return func(c *config) error { return notNil("the function of WithOnDisconnected", f, &c.onDisconnected) }
}

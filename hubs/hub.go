// Package hubs serves SignalR hubs: methods that clients call, and the clients,
// groups and users that a program sends to. A [Hub] is an http.Handler:
//
//	type Chat struct{}
//
//	func (*Chat) Send(c *hubs.Context, message string) error {
//		return c.Clients().All().Send(c, "messageReceived", message)
//	}
//
//	chat, err := hubs.New(&Chat{})
//	http.Handle("/chat", chat)
//	http.Handle("/chat/", chat)
package hubs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// Names of the methods that the hub itself calls.
const (
	onConnectedName    = "OnConnected"
	onReconnectedName  = "OnReconnected"
	onDisconnectedName = "OnDisconnected"
)

// Hub serves the clients of one hub. It is safe for concurrent use.
type Hub struct {
	config    *config
	logger    *slog.Logger
	methods   *methodTable
	protocols []protocol.Protocol
	encodings []*encoding // in the order of protocols
	endpoint  *transports.Endpoint
	registry  registry[*session]
	binders   sync.Pool // *binder
	results   resultTable
	farm      *farm
	hooks     context.Context // done when Shutdown waits no longer for OnDisconnected
	endHooks  context.CancelCauseFunc
	guests    atomic.Pointer[guests] // nil: no other protocol serves the hub

	implementation reflect.Type // nil: there is none
}

// New returns a hub. Clients can call exactly the exported methods of impl whose
// first parameter is a *[Context], and the functions registered with [Handle1]
// and its like; impl may be nil if there are only those. impl is shared by all
// calls, which run concurrently. Clients need not mind the case of names; a
// function takes the place of a method of the same name.
//
// A method returns nothing, an error, a value, or a value and an error. A value
// of type iter.Seq2[T, error] or <-chan T is a stream to the client, and a
// parameter of such a type is a stream from the client. Who sends into a channel
// must stop when the call's context is done: nobody may be there to receive. A
// variadic parameter takes any number of arguments.
//
// impl may also have the methods
//
//	OnConnected(c *hubs.Context) error
//	OnReconnected(c *hubs.Context) error
//	OnDisconnected(c *hubs.Context, cause error)
//
// OnConnected runs before the calls of a new client; an error refuses the
// client. OnDisconnected runs once for each client whose OnConnected succeeded,
// after its calls have returned; cause is nil if the client has closed the
// connection, and else tells why it has ended: [ErrConnectionLost], [ErrClientTimeout],
// [ErrAborted], [ErrExpired], [ErrShutdown] or [ErrSlowClient], by errors.Is, or what
// else has failed. Its context
// is not done, although the connection has ended: OnDisconnected can send to others
// and pass the context on. Sends to the caller itself reach nobody.
// OnReconnected runs when a client of package classic has come back, perhaps from
// another node; other clients come back unnoticed (see [WithStatefulReconnect]) or
// as new ones.
//
// Every option with a wrong value and every method with a wrong signature is
// reported in the error; so is every parameter or result that cannot travel, with
// the field that keeps it from doing so.
func New(impl any, opts ...Option) (*Hub, error) {
	config, err := newConfig(opts)
	errs := []error{err, config.setName(impl)}
	h := &Hub{config: config, protocols: config.protocols}
	h.hooks, h.endHooks = context.WithCancelCause(context.Background())
	h.registry.init()
	h.binders.New = func() any { return new(binder) }
	h.results.init()

	var reflected []*method
	if impl != nil {
		h.implementation = reflect.TypeOf(impl)
		reflected, err = reflectMethods(reflect.ValueOf(impl))
		errs = append(errs, err, h.lifecycle(impl))
	}
	h.methods, err = newMethodTable(config.typed, reflected)
	errs = append(errs, err, config.checkAuthorized(h.methods))
	if h.encodings, err = newEncodings(config.protocols); err != nil {
		errs = append(errs, err)
	}
	h.logger = config.logger.With("hub", config.name)
	trial, err := transports.NewEndpoint((*handler)(h), config.endpoint...) // to see whether the options are right
	if err == nil {
		err = config.suit(trial)
	}
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	if h.farm, err = newFarm(h, config.busName, config.bus); err != nil {
		return nil, err
	}
	endpoint := []transports.Option{transports.WithLogger(h.logger), transports.WithNode(uint32(h.farm.node.ID()))}
	if h.endpoint, err = transports.NewEndpoint((*handler)(h), append(endpoint, config.endpoint...)...); err != nil {
		return nil, errors.Join(err, h.farm.close(context.Background()))
	}
	return h, nil
}

// typeOf returns the type that implements a hub, behind a pointer or not.
func typeOf(impl any) reflect.Type {
	t := reflect.TypeOf(impl)
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// lifecycle finds the methods that the hub itself calls.
func (h *Hub) lifecycle(impl any) error {
	c := h.config
	return errors.Join(
		ownHook(impl, onConnectedName, "func(*hubs.Context) error", &c.onConnected),
		ownHook(impl, onReconnectedName, "func(*hubs.Context) error", &c.onReconnected),
		ownHook(impl, onDisconnectedName, "func(*hubs.Context, error)", &c.onDisconnected),
	)
}

// ownHook sets the hook to the implementation's method of that name, if it has one.
func ownHook[F any](impl any, name, signature string, hook *F) error {
	m := reflect.ValueOf(impl).MethodByName(name)
	if !m.IsValid() {
		return nil
	}
	own, ok := m.Interface().(F)
	if !ok {
		return fmt.Errorf("hubs: method %T.%s must be %s", impl, name, signature)
	}
	if !isNil(*hook) {
		return fmt.Errorf("hubs: %T has a method %s: the option With%s would take no effect", impl, name, name)
	}
	*hook = own
	return nil
}

// ServeHTTP serves the requests of the hub's clients. The hub must be reachable
// at a path and at that path's "/negotiate".
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.endpoint.ServeHTTP(w, r) }

// handler is the hub as its endpoint sees it.
type handler Hub

func (h *handler) Connect(c *transports.Connection) transports.Receiver {
	return newSession((*Hub)(h), c)
}

// Clients returns the clients of the hub, to send to from anywhere in the
// program.
func (h *Hub) Clients() Clients { return Clients{h} }

// Groups returns the groups of the hub.
func (h *Hub) Groups() Groups { return Groups{h} }

// Shutdown refuses new clients and tells all others to reconnect elsewhere: at once, or
// when their running calls and streams have ended, which have the time of
// [WithShutdownGrace] for that. No other calls start: they are answered with an error.
// Then it waits until all calls and OnDisconnected have returned and the connections are
// gone, and leaves the bus. When ctx is done first, the connections left are aborted and
// ctx's error is returned; the contexts of OnDisconnected are done then, and to leave a
// bus that does not answer may take a second more. What is sent by the hub afterwards
// fails with an error that is [ErrShutdown].
//
// Call it before [http.Server.Shutdown], which knows nothing of WebSockets and
// would wait for event streams and polls, and after [http.Server.SetKeepAlivesEnabled] with
// false: behind a load balancer for TCP, such as a service of Kubernetes, clients would come
// back to this process by the connections that they have.
func (h *Hub) Shutdown(ctx context.Context) error {
	err := h.endpoint.Shutdown(ctx)
	h.endHooks(transports.ErrShutdown)
	if left := h.farm.close(ctx); !errors.Is(err, left) {
		err = errors.Join(err, left)
	}
	return err
}

// hookContext returns a context for OnDisconnected, with the values of the
// connection's: it is done when release is called or Shutdown waits no longer.
func (h *Hub) hookContext(connection context.Context) (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(connection))
	stop := context.AfterFunc(h.hooks, func() { cancel(context.Cause(h.hooks)) })
	return ctx, func() {
		stop()
		cancel(errReturned)
	}
}

// Node is one process of the farm that serves a hub.
type Node struct {
	// ID is the number by which the bus knows the node.
	ID scaleout.NodeID
	// Connections is how many clients it has.
	Connections int
}

// Nodes returns the nodes that serve the hub, this one included, with their
// numbers of clients.
func (h *Hub) Nodes(ctx context.Context) ([]Node, error) {
	answers, err := h.farm.askAll(ctx, scaleout.Envelope{Kind: scaleout.Count, Topic: scaleout.Topic{Kind: scaleout.All}})
	nodes := make([]Node, 0, len(answers))
	for id, answer := range answers {
		nodes = append(nodes, Node{id, int(answer.Number)})
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes, err
}

// NodeID returns this process's number among the nodes that serve the hub.
func (h *Hub) NodeID() scaleout.NodeID { return h.farm.node.ID() }

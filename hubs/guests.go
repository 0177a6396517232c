package hubs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/hubs/internal/warn"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// Names of what an envelope carries for guests beside the body in JSON, from
// which their message is made.
const (
	bodyGuests = "guests" // a whole message, instead
	bodyState  = "state"  // goes with the message
)

// guests are the connections of another protocol. They live by the shared
// streams of the bus alone: what is published there they get, from whatever node,
// and what they have missed they read from the log.
type guests struct {
	hub      *Hub
	json     *encoding
	registry registry[*guest]
	warnings warn.Limiter

	mu        sync.Mutex
	delivered []scaleout.Position // by stream: the guests were given all up to here
	watchers  []func(connectionID string, message []byte)
}

// Bridge lets another protocol serve the hub too. Its type is for packages below
// this one, such as classic. The hub must have the JSON protocol.
func (h *Hub) Bridge() (bridge.Hub, error) {
	if g := h.guests.Load(); g != nil {
		return g, nil
	}
	i := slices.IndexFunc(h.encodings, func(e *encoding) bool { return e.protocol.Name() == "json" })
	if i < 0 {
		return nil, errors.New("hubs: a hub for other protocols must have the JSON protocol itself")
	}
	node := h.farm.node
	node.Keep()
	g := &guests{hub: h, json: h.encodings[i], delivered: make([]scaleout.Position, node.Streams())}
	g.registry.init()
	for stream := range g.delivered {
		g.delivered[stream] = node.Last(stream)
	}
	h.guests.CompareAndSwap(nil, g)
	return h.guests.Load(), nil
}

// Name implements [bridge.Hub].
func (g *guests) Name() (name string, chosen bool) {
	return g.hub.config.name, g.hub.config.nameChosen
}

// Logger implements [bridge.Hub].
func (g *guests) Logger() *slog.Logger { return g.hub.logger }

// Policy implements [bridge.Hub].
func (g *guests) Policy() transports.Policy { return g.hub.endpoint.Policy() }

// ShutdownGrace implements [bridge.Hub].
func (g *guests) ShutdownGrace() time.Duration { return g.hub.config.shutdownGrace }

// Streams implements [bridge.Hub].
func (g *guests) Streams() int { return len(g.delivered) }

// Methods implements [bridge.Hub].
func (g *guests) Methods() []bridge.Method {
	var methods []bridge.Method
	for _, m := range g.hub.methods.lower {
		if !m.isPlain() {
			continue
		}
		params := make([]reflect.Type, m.args)
		for i := range params {
			params[i] = m.params[i].of
		}
		methods = append(methods, bridge.Method{Name: m.name, Params: params, Variadic: m.variadic})
	}
	slices.SortFunc(methods, func(a, b bridge.Method) int { return cmp.Compare(a.Name, b.Name) })
	return methods
}

// isPlain reports whether the method has no streams.
func (m *method) isPlain() bool { return !m.streams && m.uploads == 0 }

// begin notices that a log was replaced, by a position that was there before.
func (g *guests) begin(e *scaleout.Envelope) {
	if e.Stream < 0 {
		return
	}
	g.mu.Lock()
	replaced := e.Position.Compare(g.delivered[e.Stream]) < 0
	g.mu.Unlock()
	if replaced {
		g.registry.each(scaleout.Topic{Kind: scaleout.All}, nil, func(m *guest) { m.startAnew(e.Stream) })
	}
}

// deliver hands an envelope to the guests it is for.
func (g *guests) deliver(e *scaleout.Envelope) {
	switch e.Kind {
	case scaleout.Message, scaleout.Abort:
		i := guestItem{stream: e.Stream, at: e.Position, topic: e.Topic, abort: e.Kind == scaleout.Abort}
		g.registry.each(e.Topic, e.Excluded, func(m *guest) {
			if i.text == nil {
				i.text = g.text(e)
			}
			m.put(i)
		})
		g.notify(e)
	case scaleout.Moved:
		if m := g.registry.find(e.Topic.Name); m != nil && e.Publisher != g.hub.farm.node.ID() && m.precedes(e) {
			m.leave() // before it misses something
			g.registry.remove(m)
		}
	}
	if e.Stream >= 0 {
		g.mu.Lock()
		g.delivered[e.Stream] = e.Position
		g.mu.Unlock()
	}
}

// notify calls the watchers if an envelope is a pushed message, or ends one guest.
func (g *guests) notify(e *scaleout.Envelope) {
	message := e.Body(bodyGuests)
	aborted := e.Kind == scaleout.Abort && bridge.IsConnectionID(e.Topic.Name)
	if e.Topic.Kind != scaleout.Connection || message == nil && !aborted {
		return
	}
	g.mu.Lock()
	watchers := g.watchers
	g.mu.Unlock()
	for _, heard := range watchers {
		heard(e.Topic.Name, message)
	}
}

// changeGroup changes the groups of a guest, if it is here, and returns the outcome
// to reply.
func (g *guests) changeGroup(e *scaleout.Envelope) (outcome uint8) {
	outcome = outcomeUnknown
	for _, id := range e.Connections {
		here := g.registry.changeGroup(e.Kind, id, e.Topic.Name)
		if here == outcomeUnknown {
			continue
		}
		outcome = here
		if m := g.registry.find(id); m != nil && here == outcomeAnswered {
			m.put(guestItem{stream: e.Stream, at: e.Position, topic: e.Topic, change: e.Kind})
		}
	}
	return outcome
}

// snapshot writes the positions up to which everything was delivered.
func (g *guests) snapshot(into []scaleout.Position) {
	g.mu.Lock()
	defer g.mu.Unlock()
	copy(into, g.delivered)
}

// text makes the guests' message out of an envelope; nil: it has none.
func (g *guests) text(e *scaleout.Envelope) []byte {
	if text := e.Body(bodyGuests); text != nil {
		return text
	}
	body := e.Body(g.json.protocol.Name())
	if body == nil {
		return nil
	}
	frame, _, err := g.json.protocol.Split(body, 0)
	if err != nil {
		return nil
	}
	message, err := g.json.protocol.Parse(frame)
	call, ok := message.(*protocol.Invocation)
	if err != nil || !ok {
		return nil
	}
	arguments := append(append([]byte{'['}, bytes.Join(call.Arguments, []byte{','})...), ']')
	return bridge.AppendInvocation(make([]byte, 0, len(body)), g.hub.config.name, call.Target, arguments, e.Body(bodyState))
}

// publish sends an envelope about a guest, wherever it is.
func (g *guests) publish(ctx context.Context, kind scaleout.Kind, connectionID string, bodies ...scaleout.Body) error {
	return g.hub.farm.node.Publish(ctx, &scaleout.Envelope{
		Kind:   kind,
		Topic:  scaleout.Topic{Kind: scaleout.Connection, Name: connectionID},
		Bodies: bodies,
	})
}

// Push implements [bridge.Hub].
func (g *guests) Push(ctx context.Context, connectionID string, message []byte) error {
	return g.publish(ctx, scaleout.Message, connectionID, scaleout.Body{Protocol: bodyGuests, Data: message})
}

// Watch implements [bridge.Hub].
func (g *guests) Watch(heard func(connectionID string, message []byte)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watchers = append(slices.Clip(g.watchers), heard)
}

// Abort implements [bridge.Hub].
func (g *guests) Abort(ctx context.Context, connectionID string) error {
	return g.publish(ctx, scaleout.Abort, connectionID)
}

// Moved implements [bridge.Hub].
func (g *guests) Moved(ctx context.Context, connectionID string) error {
	return g.publish(ctx, scaleout.Moved, connectionID)
}

// Connected implements [bridge.Hub].
func (g *guests) Connected(p *bridge.Peer) error {
	return g.run(p, onConnectedName, g.hub.config.connect)
}

// Reconnected implements [bridge.Hub].
func (g *guests) Reconnected(p *bridge.Peer) error {
	return g.run(p, onReconnectedName, g.hub.config.reconnect)
}

// Disconnected implements [bridge.Hub].
func (g *guests) Disconnected(p *bridge.Peer, cause error) error {
	return g.run(p, onDisconnectedName, func(c *Context) error {
		g.hub.config.disconnect(c, cause)
		return nil
	})
}

// run runs the application's code for an event.
func (g *guests) run(p *bridge.Peer, name string, code func(*Context) error) error {
	c := &Context{hub: g.hub, conn: visitor{g, p}}
	defer c.end(errReturned)
	err := g.hub.protect(p.ConnectionID, name, func() error { return code(c) })
	g.logFailure(c, name, err)
	return err
}

// Call implements [bridge.Hub].
func (g *guests) Call(p *bridge.Peer, name string, arguments []json.RawMessage) (json.RawMessage, error) {
	m := g.hub.methods.find(name)
	if m == nil || !m.isPlain() {
		g.logRefusal(p, name, bridge.ErrNoMethod)
		return nil, bridge.ErrNoMethod
	}
	if err := m.checkCount(len(arguments)); err != nil {
		return nil, g.refused(p, m, err)
	}
	raws := make([][]byte, len(arguments))
	for i, a := range arguments {
		raws[i] = a
	}
	c := &call{method: m}
	c.Context.hub, c.Context.conn, c.Context.call = g.hub, visitor{g, p}, c
	if err := c.bindArguments(raws, g.json); err != nil {
		return nil, g.refused(p, m, err)
	}
	defer c.end(errReturned)
	var result json.RawMessage
	err := g.hub.protect(p.ConnectionID, m.name, func() error {
		value, err := c.call()
		if err != nil || m.result == nil {
			return err
		}
		result, err = g.json.protocol.AppendValue(nil, value) // by the application's own marshalers
		return err
	})
	g.logFailure(&c.Context, m.name, err)
	return result, err
}

// logFailure logs an error of the application's; nil: there is none.
func (g *guests) logFailure(c *Context, method string, err error) {
	if err == nil {
		return
	}
	level := slog.LevelWarn
	if c.Err() != nil {
		level = slog.LevelDebug // the client has left
	}
	g.hub.logFailure(c, level, c.ConnectionID(), method, err)
}

// refused returns the error of a call whose arguments do not fit its method.
func (g *guests) refused(p *bridge.Peer, m *method, cause error) error {
	g.logRefusal(p, m.name, cause)
	return &bridge.ArgumentsError{Cause: cause}
}

func (g *guests) logRefusal(p *bridge.Peer, method string, cause error) {
	g.hub.logger.Debug("invocation refused", "connection", p.ConnectionID, "method", method, "error", cause)
}

package hubs

import (
	"context"
	"errors"
	"slices"

	"github.com/go-signalr/signalr/scaleout"
)

// Clients selects clients of a hub. It is safe for concurrent
// use.
type Clients struct{ hub *Hub }

// All selects every client.
func (c Clients) All() Target { return Target{hub: c.hub, selector: selectAll} }

// AllExcept selects every client but those with the given connection ids.
func (c Clients) AllExcept(connectionIDs ...string) Target {
	return Target{hub: c.hub, selector: selectAll, except: connectionIDs}
}

// Client selects one client by its connection id.
func (c Clients) Client(connectionID string) Target {
	return c.Clients(connectionID)
}

// Clients selects clients by their connection ids, each once.
func (c Clients) Clients(connectionIDs ...string) Target {
	return Target{hub: c.hub, selector: selectConnections, names: distinct(connectionIDs)}
}

// Group selects the members of a group.
func (c Clients) Group(group string) Target { return c.Groups(group) }

// Groups selects the members of several groups. A member of two of them gets a
// message twice.
func (c Clients) Groups(groups ...string) Target {
	return Target{hub: c.hub, selector: selectGroups, names: groups}
}

// GroupExcept selects the members of a group but those with the given connection
// ids.
func (c Clients) GroupExcept(group string, connectionIDs ...string) Target {
	return Target{hub: c.hub, selector: selectGroups, names: []string{group}, except: connectionIDs}
}

// User selects all connections of a user.
func (c Clients) User(userID string) Target { return c.Users(userID) }

// Users selects all connections of several users.
func (c Clients) Users(userIDs ...string) Target {
	return Target{hub: c.hub, selector: selectUsers, names: distinct(userIDs)}
}

// CallerClients selects clients from within a hub method. It is safe for
// concurrent use.
type CallerClients struct {
	allClients
	caller *Context
}

// allClients is Clients under a name that leaves the method Clients reachable.
type allClients = Clients

// Caller selects the client that made the call. A send to it waits while the
// client's outbox is full.
func (c CallerClients) Caller() Target {
	return Target{hub: c.hub, selector: selectConnections, names: []string{c.caller.ConnectionID()}, caller: c.caller}
}

// Others selects every client but the caller.
func (c CallerClients) Others() Target { return c.AllExcept(c.caller.ConnectionID()) }

// OthersInGroup selects the members of a group but the caller.
func (c CallerClients) OthersInGroup(group string) Target {
	return c.GroupExcept(group, c.caller.ConnectionID())
}

func distinct(names []string) []string {
	if len(names) < 2 {
		return names
	}
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

type selector uint8

const (
	selectAll selector = iota + 1
	selectConnections
	selectGroups
	selectUsers
)

// Target is a choice of clients. Whether any client matches is found out only
// when it is used. It is safe for concurrent use.
type Target struct {
	hub      *Hub
	selector selector
	names    []string  // connections, groups or users
	except   []string  // connections
	caller   *Context  // the target is this call's own connection
	pipeline *Pipeline // nil: each send waits
}

var (
	errNoTarget        = errors.New("hubs: the target is empty: get one from Clients")
	errForeignPipeline = errors.New("hubs: the pipeline is of another hub")
)

// Send calls a method of the clients, without an answer. What one goroutine sends
// to one client arrives in that order, and before the answer of the call that it
// was sent in; where nodes share a Redis Cluster, in that order for each target.
//
// Send returns when the message is queued, without waiting for any client but
// the caller of the current call, if that is the target: a client that does not
// read in time is disconnected instead ([transports.ErrSlowClient]). With a bus
// between nodes it waits until the message is on the bus and has come back to
// this node ([Target.Via] does not wait); what the bus returns then is
// [scaleout.ErrDown] and its like, in a *[SendError] if the target has several names.
// That nobody matches, or has gone, is not an error. Arguments that cannot be encoded
// are.
func (t Target) Send(ctx context.Context, method string, args ...any) error {
	if t.hub == nil {
		return errNoTarget
	}
	if method == "" {
		return errors.New("hubs: a client method needs a name")
	}
	m := &broadcast{hub: t.hub, method: method, args: args}
	if t.caller != nil {
		return t.caller.conn.sendBack(ctx, m)
	}
	if t.pipeline != nil && t.pipeline.window.farm != t.hub.farm {
		return errForeignPipeline
	}
	if err := m.prepare(); err != nil {
		return err
	}
	return t.hub.farm.send(ctx, &t, func(topic scaleout.Topic) (*scaleout.Envelope, error) {
		return t.hub.farm.message(m, topic, t.except)
	})
}

// Abort ends the connections of the clients, on all nodes, after what has been sent to
// them so far. They do not reconnect by themselves.
//
// cause, which may be nil, tells why. The text of an *[Error] reaches the client: the
// official JavaScript client passes it to onclose, behind "Server returned an error on
// close: ". Of another error it gets a general text, unless the hub has
// [WithDetailedErrors]. OnDisconnected and the contexts of calls are told an error that
// wraps [ErrAborted] and cause; on another node, where only the text arrives, an *[Error]
// or another error with the same text. Clients of package classic, and OnDisconnected for
// them, are not told the cause: their protocol has no field for it.
//
// A client can always connect anew: only [WithAuthorization] keeps a user out. Clients of
// package classic cannot come back as the connection that has ended, but what is left to
// them after a restart, that package says.
func (t Target) Abort(ctx context.Context, cause error) error {
	if t.hub == nil {
		return errNoTarget
	}
	if t.pipeline != nil && t.pipeline.window.farm != t.hub.farm {
		return errForeignPipeline
	}
	cause = settled(cause)
	return t.hub.farm.send(ctx, &t, func(topic scaleout.Topic) (*scaleout.Envelope, error) {
		return abortEnvelope(topic, t.except, cause), nil
	})
}

// broadcast is one message to any number of clients. It is encoded once for each
// protocol that one of them uses.
type broadcast struct {
	hub    *Hub
	method string
	args   []any
	frames [][]byte // by encoding.index
}

// prepare encodes the message for the protocols in use here, and for the first in
// any case, to see whether it can be encoded. The application's own marshalers
// run here, where no lock is held.
func (b *broadcast) prepare() error {
	for i, e := range b.hub.encodings {
		if i == 0 || e.connections.Load() > 0 {
			if _, err := b.frame(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// bodies encodes the message for every protocol given, since nodes elsewhere may
// have clients of any.
func (b *broadcast) bodies(encodings []*encoding) ([]scaleout.Body, error) {
	bodies := make([]scaleout.Body, len(encodings))
	for i, e := range encodings {
		frame, err := b.frame(e)
		if err != nil {
			return nil, err
		}
		bodies[i] = scaleout.Body{Protocol: e.protocol.Name(), Data: frame}
	}
	return bodies, nil
}

func (b *broadcast) frame(e *encoding) ([]byte, error) {
	if b.frames == nil {
		b.frames = make([][]byte, len(b.hub.encodings))
	}
	if b.frames[e.index] == nil {
		frame, err := e.invocation("", b.method, b.args)
		if err != nil {
			return nil, err
		}
		b.frames[e.index] = frame
	}
	return b.frames[e.index], nil
}

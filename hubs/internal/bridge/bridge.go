// Package bridge is what packages that serve a hub by another protocol share
// with package hubs, and users of hubs do not see: hubs/classic is the one there
// is.
//
// A connection of another protocol is a guest. It belongs to no node: its client
// may come back to any, with a cursor, one position for each stream of the hub's
// bus, after which it has received nothing yet. So what is sent to it goes by the
// shared streams, whose log is read for what it has missed.
package bridge

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// Errors of [Hub.Call] for calls that do not reach a method.
var (
	ErrNoMethod     = errors.New("hubs: there is no such method for this protocol")
	ErrArguments    = errors.New("hubs: the arguments do not fit the method")
	ErrUnauthorized = errors.New("hubs: the user may not call the method")
)

// ArgumentsError is an ErrArguments with its cause.
type ArgumentsError struct{ Cause error }

// Error implements error.
func (e *ArgumentsError) Error() string { return e.Cause.Error() }

// Is reports whether target is ErrArguments.
func (e *ArgumentsError) Is(target error) bool { return target == ErrArguments }

// Hub is a hub as another protocol sees it. It is safe for concurrent use.
type Hub interface {
	// Name returns the hub's name, and whether the application has chosen it
	// (hubs.WithName): else it is the type's.
	Name() (name string, chosen bool)
	// Logger returns the hub's logger.
	Logger() *slog.Logger
	// Policy returns what the hub demands of requests: whoever else serves it
	// demands the same.
	Policy() transports.Policy
	// ShutdownGrace returns for how long calls may go on when the application shuts
	// down (hubs.WithShutdownGrace).
	ShutdownGrace() time.Duration
	// Methods returns the methods without streams, ordered by name.
	Methods() []Method

	// Connected, Reconnected and Disconnected run the application's code of
	// that name within the hub's filters. A panic in it is an error.
	Connected(*Peer) error
	Reconnected(*Peer) error
	Disconnected(p *Peer, cause error) error
	// Call calls a method with arguments in JSON and returns its result in
	// JSON; nil: the method has none. The error is one of this package's, or
	// the method's own. A panic in it is an error.
	Call(p *Peer, method string, arguments []json.RawMessage) (json.RawMessage, error)

	// Attach makes a guest reachable on this node: as one of all, by its id, as
	// its user and as a member of the groups, which are those it was in at the
	// cursor. After the cursor follow the messages it gets; without one (nil) those
	// sent from now on. wake is called when [Member.Take] may have more, by
	// goroutines that must not be held up.
	Attach(p *Peer, groups []string, cursor []scaleout.Position, wake func()) Member
	// Streams returns how many positions a cursor has.
	Streams() int
	// Push sends a whole message of the other protocol to a guest of any node.
	Push(ctx context.Context, connectionID string, message []byte) error
	// Watch has heard called with every message that is pushed from then on, on
	// this node or another, whether the guest is here or not, and with nil for a
	// guest that is aborted by its id. heard must neither block nor publish.
	Watch(heard func(connectionID string, message []byte))
	// Abort ends a guest of any node: its member there gets Aborted.
	Abort(ctx context.Context, connectionID string) error
	// Moved says that a guest is about to be on this node: members of other
	// nodes get Left, but for those that come back with a cursor of this one.
	Moved(ctx context.Context, connectionID string) error
}

// Method is a hub method as another protocol can call it.
type Method struct {
	Name     string
	Params   []reflect.Type
	Variadic bool // there may be more arguments than Params
}

// Peer is the connection of a guest as application code sees it while one
// request is handled. Nothing in it is changed after it was handed over.
type Peer struct {
	ConnectionID string
	UserID       string
	Request      *http.Request
	Transport    transports.Kind
	// Items are what the application keeps with the connection.
	Items *sync.Map
	// Context is done when the connection ends, and has the values that the
	// protocol gives to application code.
	Context context.Context
	// State returns what goes with messages to the caller, in JSON; nil:
	// nothing does.
	State func() json.RawMessage
	// Abort ends the connection.
	Abort func()
	// GroupRoom limits the sum of GroupSize over the names of the connection's
	// groups; 0: there is no limit.
	GroupRoom int
}

// GroupSize returns how much of [Peer.GroupRoom] a group takes: its name and the
// length in front of it.
func GroupSize(name string) int {
	const length = 3 // bytes of a varint below 2 MiB
	return length + len(name)
}

// Member is a guest of this node. Take, Cursor and Groups are for one goroutine
// at a time.
type Member interface {
	// Take returns up to most messages for the client, the next ones in the
	// order of each stream, and whether there are more. It may have to ask the
	// broker for what the client has missed; when it fails, nothing was taken.
	Take(ctx context.Context, most int) (Batch, error)
	// Cursor returns the position in each stream after which Take has returned
	// nothing yet.
	Cursor() []scaleout.Position
	// Groups returns the groups of the guest as of what Take has returned,
	// ordered by name, if they are others than when Groups was called last, or
	// than those given to Attach.
	Groups() (names []string, changed bool)
	// Detach makes the guest unreachable on this node.
	Detach()
}

// Batch is what a guest gets next.
type Batch struct {
	// Messages are whole messages of the other protocol, made by
	// [AppendInvocation] or given to [Hub.Push]. They are shared and must not
	// be changed.
	Messages [][]byte
	// More means that Take has more already.
	More bool
	// Aborted means that the application, of whatever node, ended the
	// connection, after Messages. The cursor stays before that: who comes back with
	// it is ended again.
	Aborted bool
	// Unproven means that the log does not reach back to the cursor given to
	// Attach, so that nobody knows what groups the guest is in now, or whether it
	// was ended. Nothing was taken, and nothing will be.
	Unproven bool
	// LogBytes is about how much of the logs was read for it, whether it was for
	// the guest or not.
	LogBytes int
	// Left means that the guest is on another node now, which sends it
	// everything from the cursor on: nothing was taken.
	Left bool
}

// NewConnectionID returns an id for a guest, in the form of a GUID. It is hard to
// guess.
func NewConnectionID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	text := make([]byte, 0, connectionIDSize)
	for i, end := range []int{4, 6, 8, 10, 16} {
		start := []int{0, 4, 6, 8, 10}[i]
		if i > 0 {
			text = append(text, '-')
		}
		text = hex.AppendEncode(text, b[start:end])
	}
	return string(text)
}

const connectionIDSize = 36

// IsConnectionID reports whether an id is that of a guest: ids of other
// connections are shorter.
func IsConnectionID(id string) bool { return len(id) == connectionIDSize }

// AppendInvocation appends a call of a client method to b. arguments is an array;
// state, which may be nil, an object.
func AppendInvocation(b []byte, hub, method string, arguments, state []byte) []byte {
	b = append(b, `{"H":`...)
	b = appendString(b, hub)
	b = append(b, `,"M":`...)
	b = appendString(b, method)
	b = append(b, `,"A":`...)
	b = append(b, arguments...)
	if state != nil {
		b = append(b, `,"S":`...)
		b = append(b, state...)
	}
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // never fails for strings
	return append(b, text...)
}

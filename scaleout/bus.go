// Package scaleout joins the nodes of a farm, the processes that serve one hub
// together, by a message bus.
//
// The bus is a small, fixed number of ordered streams. A [Topic] (everyone, a
// group, a user) belongs to one stream, so that its messages have one order on
// all nodes; every node follows every stream from its last position and delivers
// to its own connections, the publisher's node included. Each node also has a
// stream of its own, which only it reads, for what concerns one connection or
// one node.
//
// What a bus guarantees: as long as the streams reach back, every node delivers
// every envelope exactly once and in the order of its stream, also after having
// been away. What it does not: an envelope whose Publish failed may have been
// delivered nevertheless, and one that its broker lost, because it was trimmed
// too early or the broker failed over, is gone; such losses are noticed by the
// sequence of each publisher, and told ([Receiver.Lost]).
//
// A reader with a position, such as a client that was away, gets what has followed
// from the log of any node ([Node.Reader]), if the node keeps one ([Node.Keep]).
//
// This package has the bus in memory ([NewMemory]), for one process; the package
// redis below it joins processes. Whoever writes another bus finds in bustest
// what it must do.
package scaleout

import (
	"context"
	"errors"
)

// NodeID identifies a node among all that run; it is not 0. It is chosen at
// random when a node joins and never used again.
type NodeID uint32

// Position is the place of an envelope in its stream. Later envelopes of a stream
// have greater positions; positions of different streams do not compare.
type Position struct{ Major, Minor uint64 }

// Compare returns -1, 0 or +1, as p is before, at or after q.
func (p Position) Compare(q Position) int {
	switch {
	case p == q:
		return 0
	case p.Major < q.Major, p.Major == q.Major && p.Minor < q.Minor:
		return -1
	default:
		return 1
	}
}

// Bus joins nodes. It is safe for concurrent use.
type Bus interface {
	// Join makes a new node of the farm that serves a hub. Farms of different
	// hubs never meet. From when Join returns, receiver gets what others
	// publish.
	Join(hub string, receiver Receiver) (Node, error)
}

// Node is one member of a farm. It is safe for concurrent use.
type Node interface {
	// ID returns the node's id.
	ID() NodeID
	// Publish appends an envelope to the stream of its topic and returns when
	// this node has delivered it too. While the broker is away, Publish waits
	// its turn, up to the limits of the bus; the error is then [ErrDown],
	// [ErrFull], or ctx's. The envelope must not be changed or published again.
	Publish(ctx context.Context, e *Envelope) error
	// Send appends an envelope to the stream of one node, this one included.
	// The error is [ErrNoNode] if that node has left or never was, or as for
	// Publish. A node that is silent ([Receiver.NodeSilent]) gets the envelope
	// when it is back, unless that takes longer than the bus keeps it: then that
	// node learns that it has missed something ([Loss.Own]).
	// Send does not wait for the delivery.
	Send(ctx context.Context, to NodeID, e *Envelope) error
	// Start begins what Publish does or, if to is not 0, Send, and returns before it
	// is done: envelopes that are begun one after the other keep that order. wait,
	// which must be called once, waits for the outcome. What is wrong at once, such
	// as [ErrFull], is returned as err, without a wait.
	Start(ctx context.Context, to NodeID, e *Envelope) (wait func() error, err error)
	// Nodes returns the nodes that have not left and are not silent, as far as
	// this one knows, itself first.
	Nodes() []NodeID
	// Health returns the state of the node's connection to the bus and, unless it
	// is [Connected], the cause.
	Health() (Health, error)
	// Streams returns the number of shared streams, for [Topic.Stream]. It is
	// the same on all nodes and never changes.
	Streams() int
	// Keep makes the node keep the recent part of every shared stream in
	// memory, for readers, from now on and as far as the limits of the bus go.
	// Before, nothing is kept, so that a farm without readers pays nothing.
	// What was published before is not fetched: a node that is to serve
	// readers calls Keep before it has any. Further calls do nothing.
	Keep()
	// Last returns the position of the newest envelope of a shared stream that
	// this node has begun to deliver. Before the first it is the position from
	// which the node follows the stream. It is never that of an envelope that
	// is not in the log yet: an envelope is first added to the log, then Last
	// returns its position, and then it is delivered.
	Last(stream int) Position
	// Reader returns a reader of a shared stream that begins after a position.
	Reader(stream int, after Position) Reader
	// Close leaves the farm. The receiver is not called any more after Close
	// has returned. When ctx is done first, the others are not notified, and take
	// the node for silent; Close then returns ctx's error.
	Close(ctx context.Context) error
}

// Reader reads a shared stream, in order. It is not safe for concurrent use, and holds
// nothing that would have to be closed.
//
// Who reads up to where the live traffic begins misses nothing and gets nothing
// twice, if it first registers with its receiver (which sets aside what comes), then
// takes [Node.Last], then reads until it is past that, and then goes on live, without
// what is not past the position it has read.
type Reader interface {
	// Next returns up to most envelopes, the oldest first, that follow on those
	// returned before, as far as the node has begun to deliver them; none if there
	// are none yet. They are shared and must not be changed; Local is nil. What is
	// not in the node's memory is read from the broker, if the bus has one: the error
	// is then [ErrDown] if it is away, or ctx's, and Next can be called again.
	//
	// gap reports that the log does not reach back to where the reader is, or has
	// never had that position, as after all data was lost: the envelopes then begin
	// with the oldest there is, so that nobody waits for ever for what will not
	// come. Where a position cannot be told from one that was given out, as it
	// lies between two of these, reading goes on from there. A position that
	// this node has not come to yet, but another has, is no gap.
	Next(ctx context.Context, most int) (envelopes []*Envelope, gap bool, err error)
}

// Receiver is told what happens on the bus. Its methods are called by one
// goroutine per stream and must not block or publish.
type Receiver interface {
	// Deliver takes an envelope. It is shared with other receivers and must
	// not be changed.
	Deliver(e *Envelope)
	// NodeLeft says that a node has left: nothing more will come from it. It is
	// called once for each.
	NodeLeft(id NodeID)
	// NodeSilent says that nothing has come from a node for too long: it has died, is
	// held up, or cannot reach the bus. It may come back, and be silent again.
	NodeSilent(id NodeID)
	// Lost says that envelopes are missing, and why.
	Lost(l Loss)
}

// Selective is a [Receiver] that does not want everything. A bus need not parse, and not
// deliver, a [Message] or [Abort] to a [Group] or [User] that it does not want, unless the
// node keeps the log of the stream ([Node.Keep]).
type Selective interface {
	Receiver
	// Wants reports whether an envelope to a topic concerns this node. It is called as
	// Deliver is, just before it would be, and must not keep name.
	Wants(kind TopicKind, name []byte) bool
}

// Loss is a gap in a stream.
type Loss struct {
	// Reason is "gap" if the log does not reach back to the last position
	// read, "epoch" if the broker's data was replaced, or "sequence" if a
	// publisher's numbers jump.
	Reason string
	// Own reports that the envelopes were meant for this node alone ([Node.Send]).
	Own bool
	// Publisher is the node whose envelopes are missing; 0: unknown.
	Publisher NodeID
	// Count is how many are missing; 0: unknown. What a gap or a new epoch has
	// cost is told by the sequence, when the publishers are heard again.
	Count uint64
}

// Health is the state of a node's connection to its bus.
type Health int

// The states, from good to bad.
const (
	// Connected means that the bus answers.
	Connected Health = iota
	// Probing means that a request has failed or is overdue, and is tried again.
	Probing
	// Stale means that the node has heard nothing for a while: what others
	// publish may be delayed here.
	Stale
	// Down means that the bus cannot be reached, or refuses what this node has to
	// read or to write.
	Down
)

// String returns "connected", "probing", "stale" or "down".
func (h Health) String() string {
	return [...]string{"connected", "probing", "stale", "down"}[h]
}

// Errors of Publish and Send.
var (
	// ErrDown means that the broker was away for longer than the bus waits.
	ErrDown = errors.New("scaleout: the message bus cannot be reached")
	// ErrFull means that too much waits for the broker.
	ErrFull = errors.New("scaleout: too much waits for the message bus")
	// ErrNoNode means that a node has left, or that there never was one.
	ErrNoNode = errors.New("scaleout: there is no such node")
	// ErrClosed means that the node has left the farm.
	ErrClosed = errors.New("scaleout: the node has left the farm")
)

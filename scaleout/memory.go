package scaleout

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// memoryStreams is how many streams a bus in memory has. Topics of one stream
// wait for each other while they are delivered, which takes a small part of the
// time in which their connections are written to; and the cursor of a reader has
// a position for each stream.
const memoryStreams = 4

// Memory is a bus within one process. Publish delivers to all nodes itself,
// before it returns; nothing waits and nothing is lost. It is the bus of a hub
// that is given no other, and joins hubs of one process in tests.
//
// The nodes of a hub share one log, which is kept from the first [Node.Keep] of
// any of them. Its positions begin with the time at which the farm began, so
// that one of an earlier process is known as such.
type Memory struct {
	limits LogLimits

	mu    sync.Mutex
	farms map[string]*memoryFarm
}

// MemoryOption is a setting of [NewMemory].
type MemoryOption func(*Memory)

// WithLogLimits sets what is kept of each stream for readers; the defaults of
// [LogLimits] if it is not given.
func WithLogLimits(limits LogLimits) MemoryOption {
	return func(m *Memory) { m.limits = limits }
}

// NewMemory returns a bus without nodes.
func NewMemory(opts ...MemoryOption) *Memory {
	m := &Memory{farms: make(map[string]*memoryFarm)}
	for _, opt := range opts {
		opt(m)
	}
	return m
}

var _ Bus = (*Memory)(nil)

// memoryFarm is the nodes of one hub.
type memoryFarm struct {
	streams [memoryStreams]memoryStream

	mu    sync.RWMutex
	nodes []*memoryNode
}

// memoryStream gives envelopes their order. Its lock is held during delivery.
type memoryStream struct {
	log *Log // of a shared stream

	mu   sync.Mutex
	last Position
}

func newMemoryFarm(limits LogLimits) *memoryFarm {
	f := &memoryFarm{}
	start := Position{Major: uint64(time.Now().UnixMilli())}
	for i := range f.streams {
		f.streams[i].last, f.streams[i].log = start, NewLog(limits, start)
	}
	return f
}

// settle returns when the delivery that is under way has ended.
func (s *memoryStream) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

type memoryNode struct {
	farm     *memoryFarm
	id       NodeID
	receiver Receiver
	own      memoryStream

	mu        sync.Mutex
	sequences [memoryStreams]uint64
	closed    bool
}

// Join makes a node. It never fails.
func (m *Memory) Join(hub string, receiver Receiver) (Node, error) {
	if err := m.limits.Validate(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	farm := m.farms[hub]
	if farm == nil {
		farm = newMemoryFarm(m.limits)
		m.farms[hub] = farm
	}
	m.mu.Unlock()
	n := &memoryNode{farm: farm, receiver: receiver}
	farm.mu.Lock()
	defer farm.mu.Unlock()
	for n.id == 0 || farm.find(n.id) != nil {
		n.id = NodeID(rand.Uint32())
	}
	farm.nodes = append(slices.Clip(farm.nodes), n) // members hands the old list out
	return n, nil
}

// find returns a node; the farm is locked.
func (f *memoryFarm) find(id NodeID) *memoryNode {
	for _, n := range f.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// members returns the nodes of the moment.
func (f *memoryFarm) members() []*memoryNode {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.nodes // never changed in place
}

func (n *memoryNode) ID() NodeID { return n.id }

func (n *memoryNode) Health() (Health, error) { return Connected, nil }

func (n *memoryNode) Nodes() []NodeID {
	ids := []NodeID{n.id}
	for _, other := range n.farm.members() {
		if other != n {
			ids = append(ids, other.id)
		}
	}
	return ids
}

func (n *memoryNode) Publish(ctx context.Context, e *Envelope) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	i := e.Topic.Stream(memoryStreams)
	s := &n.farm.streams[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return ErrClosed
	}
	n.sequences[i]++
	e.Publisher, e.Sequence = n.id, n.sequences[i]
	n.mu.Unlock()
	s.last.Minor++
	e.Stream, e.Position = i, s.last
	s.log.Append(e)
	for _, member := range n.farm.members() {
		member.receiver.Deliver(e)
	}
	return nil
}

func (n *memoryNode) Send(ctx context.Context, to NodeID, e *Envelope) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n.left() {
		return ErrClosed
	}
	n.farm.mu.RLock()
	receiver := n.farm.find(to)
	n.farm.mu.RUnlock()
	if receiver == nil {
		return ErrNoNode
	}
	receiver.own.mu.Lock()
	defer receiver.own.mu.Unlock()
	if receiver.left() {
		return ErrNoNode
	}
	receiver.own.last.Minor++
	e.Publisher, e.Sequence = n.id, 0 // nothing is lost on the way, so that nobody counts
	e.Stream, e.Position = -1, receiver.own.last
	receiver.receiver.Deliver(e)
	return nil
}

// Start has nothing to wait for: what is published here is delivered at once.
func (n *memoryNode) Start(ctx context.Context, to NodeID, e *Envelope) (wait func() error, err error) {
	if to == 0 {
		err = n.Publish(ctx, e)
	} else {
		err = n.Send(ctx, to, e)
	}
	if err != nil {
		return nil, err
	}
	return done, nil
}

func done() error { return nil }

// left reports whether the node was closed.
func (n *memoryNode) left() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.closed
}

func (n *memoryNode) Streams() int { return memoryStreams }

func (n *memoryNode) Keep() {
	for i := range n.farm.streams {
		n.farm.streams[i].log.Keep()
	}
}

func (n *memoryNode) Last(stream int) Position { return n.farm.streams[stream].log.Last() }

func (n *memoryNode) Reader(stream int, after Position) Reader {
	return &memoryReader{node: n, log: n.farm.streams[stream].log, after: after}
}

type memoryReader struct {
	node  *memoryNode
	log   *Log
	after Position
}

func (r *memoryReader) Next(ctx context.Context, most int) ([]*Envelope, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	if r.node.left() {
		return nil, false, ErrClosed
	}
	envelopes, ok := r.log.Read(r.after, most)
	if !ok {
		envelopes, r.after = r.log.Oldest(most), Position{}
	}
	if len(envelopes) > 0 {
		r.after = envelopes[len(envelopes)-1].Position
	}
	return envelopes, !ok, nil
}

func (n *memoryNode) Close(context.Context) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	farm := n.farm
	farm.mu.Lock()
	nodes := slices.Clone(farm.nodes)
	farm.nodes = slices.DeleteFunc(nodes, func(other *memoryNode) bool { return other == n })
	others := farm.nodes
	farm.mu.Unlock()
	for i := range farm.streams {
		farm.streams[i].settle()
	}
	n.own.settle()
	for _, other := range others {
		other.receiver.NodeLeft(n.id)
	}
	return nil
}

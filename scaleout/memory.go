package scaleout

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
)

// memoryStreams is how many streams a bus in memory has. Topics of one stream
// wait for each other while they are delivered.
const memoryStreams = 16

// Memory is a bus within one process. Publish delivers to all nodes itself,
// before it returns; nothing waits and nothing is lost. It is the bus of a hub
// that is given no other, and joins hubs of one process in tests.
type Memory struct {
	mu    sync.Mutex
	farms map[string]*memoryFarm
}

// NewMemory returns a bus without nodes.
func NewMemory() *Memory { return &Memory{farms: make(map[string]*memoryFarm)} }

var _ Bus = (*Memory)(nil)

// memoryFarm is the nodes of one hub.
type memoryFarm struct {
	streams [memoryStreams]memoryStream

	mu    sync.RWMutex
	nodes []*memoryNode
}

// memoryStream gives envelopes their order. Its lock is held during delivery.
type memoryStream struct {
	mu   sync.Mutex
	last uint64
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
	m.mu.Lock()
	farm := m.farms[hub]
	if farm == nil {
		farm = &memoryFarm{}
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

func (n *memoryNode) Health() Health { return Connected }

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
	s.last++
	e.Stream, e.Position = i, Position{Minor: s.last}
	for _, member := range n.farm.members() {
		member.receiver.Deliver(e)
	}
	return nil
}

func (n *memoryNode) Send(ctx context.Context, to NodeID, e *Envelope) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n.mu.Lock()
	closed := n.closed
	n.mu.Unlock()
	if closed {
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
	receiver.mu.Lock()
	left := receiver.closed
	receiver.mu.Unlock()
	if left {
		return ErrNoNode
	}
	receiver.own.last++
	e.Publisher, e.Sequence = n.id, 0 // nothing is lost on the way, so that nobody counts
	e.Stream, e.Position = -1, Position{Minor: receiver.own.last}
	receiver.receiver.Deliver(e)
	return nil
}

func (n *memoryNode) Close() error {
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
		other.receiver.NodeDown(n.id)
	}
	return nil
}

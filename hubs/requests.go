package hubs

import (
	"errors"
	"fmt"
	"sync"

	"github.com/go-signalr/signalr/scaleout"
)

// Why a request to another node ends without a reply.
var (
	errNodeSilent  = fmt.Errorf("hubs: another node is silent, and may be cut off: %w", scaleout.ErrDown)
	errRequestLost = fmt.Errorf("hubs: a request to another node, or its reply, may be lost: %w", scaleout.ErrDown)
	errNoReply     = fmt.Errorf("hubs: another node has not replied in time: %w", scaleout.ErrDown)
)

// requests are what waits for replies of other nodes.
type requests struct {
	mu      sync.Mutex
	last    uint64
	pending map[uint64]*request
}

// request waits for the reply of one node, or of all.
type request struct {
	to scaleout.NodeID // 0: all, which may all reply
	// settle is called with each reply, or with the error for which a node gives none.
	// It must not block.
	settle func(reply)
}

// reply is what a node has replied, or why it does not.
type reply struct {
	from     scaleout.NodeID // 0: any
	envelope *scaleout.Envelope
	err      error
}

// add expects replies until the request is removed.
func (r *requests) add(q *request) (number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending == nil {
		r.pending = make(map[uint64]*request)
	}
	r.last++
	r.pending[r.last] = q
	return r.last
}

// addTo expects one reply of a node until the request is removed.
func (r *requests) addTo(to scaleout.NodeID) (number uint64, replies <-chan reply) {
	one := make(chan reply, 1)
	return r.add(&request{to, func(got reply) {
		select {
		case one <- got:
		default: // there is one already
		}
	}}), one
}

func (r *requests) remove(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, number)
}

func (r *requests) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pending)
}

// replied takes the reply of a node.
func (r *requests) replied(e *scaleout.Envelope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.pending[e.Request]; q != nil {
		q.settle(reply{from: e.Publisher, envelope: e})
	}
}

// fail ends what waits for a node; 0: for any.
func (r *requests) fail(node scaleout.NodeID, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.pending {
		if node == 0 || q.to == 0 || q.to == node {
			q.settle(reply{from: node, err: err})
		}
	}
}

// isUnreachable reports whether a request has failed as its node cannot be reached now,
// so that a survey of all nodes goes on without it.
func isUnreachable(err error) bool {
	return errors.Is(err, scaleout.ErrNoNode) || errors.Is(err, errNodeSilent)
}

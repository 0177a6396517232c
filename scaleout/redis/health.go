package redis

import (
	"sync"
	"sync/atomic"

	"github.com/go-signalr/signalr/scaleout"
)

// health is the state of a node: the worst of its followers'.
type health struct {
	node *node

	now atomic.Int32 // may be asked for by who is told of a change

	mu     sync.Mutex
	states map[*follower]scaleout.Health
}

func newHealth(n *node) *health {
	return &health{node: n, states: make(map[*follower]scaleout.Health)}
}

func (h *health) get() scaleout.Health { return scaleout.Health(h.now.Load()) }

// set sets the state of a follower. The lock is held while the change is told,
// so that changes are told in order.
func (h *health) set(f *follower, state scaleout.Health) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states[f] = state
	worst := scaleout.Connected
	for _, s := range h.states {
		worst = max(worst, s)
	}
	was := h.get()
	if worst == was {
		return
	}
	h.node.log().Info("redis: the health of the connection changed", "from", was.String(), "to", worst.String())
	h.now.Store(int32(worst))
	h.node.bus.options.health(h.node.id, worst)
}

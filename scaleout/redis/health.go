package redis

import (
	"sync"

	"github.com/go-signalr/signalr/scaleout"
)

// health is the state of a node: the worst of its followers'.
type health struct {
	node *node

	mu     sync.Mutex
	states map[*follower]scaleout.Health
	now    scaleout.Health
}

func newHealth(n *node) *health {
	return &health{node: n, states: make(map[*follower]scaleout.Health)}
}

func (h *health) get() scaleout.Health {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

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
	if worst == h.now {
		return
	}
	h.node.log().Info("redis: the health of the connection changed", "from", h.now.String(), "to", worst.String())
	h.now = worst
	h.node.bus.options.health(h.node.id, worst)
}

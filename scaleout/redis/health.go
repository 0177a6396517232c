package redis

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/go-signalr/signalr/scaleout"
)

// health is the state of a node: the worst of what its parts report, which are the
// followers, the lanes and the members.
type health struct {
	node *node

	now atomic.Pointer[condition] // may be asked for by who is told of a change

	mu     sync.Mutex
	states map[any]condition
}

// condition is a state and, unless all is well, the cause of it.
type condition struct {
	state scaleout.Health
	cause error
}

func newHealth(n *node) *health {
	h := &health{node: n, states: make(map[any]condition)}
	h.now.Store(&condition{})
	return h
}

func (h *health) get() (scaleout.Health, error) {
	c := h.now.Load()
	return c.state, c.cause
}

// set sets the state of a part. The lock is held while the change is reported, so that
// changes are reported in order.
func (h *health) set(part any, state scaleout.Health, cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if state == scaleout.Connected {
		delete(h.states, part)
	} else {
		h.states[part] = condition{state, cause}
	}
	var worst condition
	for _, c := range h.states {
		if cmp.Compare(c.state, worst.state) > 0 {
			worst = c
		}
	}
	was := h.now.Swap(&worst)
	if worst.state == was.state {
		return
	}
	h.node.log().Info("redis: the health of the connection changed",
		"from", was.state.String(), "to", worst.state.String(), "cause", worst.cause)
	h.node.bus.options.health(h.node.id, worst.state, worst.cause)
}

// unreachable returns the error of a caller for whom Redis was away or has refused, and
// for which cause, if that is known.
func unreachable(cause error) error {
	if cause == nil || errors.Is(cause, scaleout.ErrDown) {
		return cmp.Or(cause, scaleout.ErrDown)
	}
	return fmt.Errorf("%w: %w", scaleout.ErrDown, cause)
}

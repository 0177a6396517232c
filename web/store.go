package main

import (
	"context"
	"sync"
)

// store keeps a state. It is safe for concurrent use.
type store interface {
	// update has step change the state, which nobody else changes meanwhile. It
	// may call step several times, each time with a state that knows nothing of
	// the others. A step that returns an error has not changed anything that
	// matters; update returns its error.
	update(ctx context.Context, step func(*state) error) error
}

// memory keeps the state of one process. Its zero value is empty.
type memory struct {
	mu    sync.Mutex
	state state
}

func (m *memory) update(_ context.Context, step func(*state) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return step(&m.state)
}

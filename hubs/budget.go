package hubs

import (
	"sync"
	"sync/atomic"
)

// budget holds a client back while too many of its bytes wait. It is safe for
// concurrent use.
type budget struct {
	over atomic.Bool // more than the limit is in use

	mu     sync.Mutex
	used   int
	limit  int
	closed bool
	room   chan struct{} // closed when there is room again; nil: nobody waits
}

// add counts n bytes more, or fewer.
func (b *budget) add(n int) {
	if n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += n
	if over := b.used > b.limit; over != b.over.Load() {
		b.over.Store(over)
	}
	if b.used <= b.limit {
		b.wake()
	}
}

// try counts n bytes more if they fit.
func (b *budget) try(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.limit {
		return false
	}
	b.used += n
	return true
}

// full reports whether wait would wait.
func (b *budget) full() bool {
	if !b.over.Load() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used > b.limit && !b.closed
}

// wait returns when no more than the limit is in use, or the budget is closed.
func (b *budget) wait() {
	b.mu.Lock()
	for b.used > b.limit && !b.closed {
		if b.room == nil {
			b.room = make(chan struct{})
		}
		room := b.room
		b.mu.Unlock()
		<-room
		b.mu.Lock()
	}
	b.mu.Unlock()
}

// close ends all waiting.
func (b *budget) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.wake()
}

func (b *budget) wake() {
	if b.room != nil {
		close(b.room)
		b.room = nil
	}
}

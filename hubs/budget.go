package hubs

import (
	"sync"
	"sync/atomic"
)

// budget holds a client back while too many of its bytes wait. It is safe for
// concurrent use, and takes its lock only where somebody may wait.
type budget struct {
	limit int // set before it is used
	used  atomic.Int64

	mu     sync.Mutex
	closed bool
	room   chan struct{} // closed when there is room again; nil: nobody waits
}

// add counts n bytes more, or fewer.
func (b *budget) add(n int) {
	now, limit := b.used.Add(int64(n)), int64(b.limit)
	if now <= limit && now-int64(n) > limit { // it made room
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wake()
	}
}

// try counts n bytes more if they fit.
func (b *budget) try(n int) bool {
	for {
		used := b.used.Load()
		if used+int64(n) > int64(b.limit) {
			return false
		}
		if b.used.CompareAndSwap(used, used+int64(n)) {
			return true
		}
	}
}

// over reports whether more than the limit is in use.
func (b *budget) over() bool { return b.used.Load() > int64(b.limit) }

// full reports whether wait would wait.
func (b *budget) full() bool {
	if !b.over() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.closed
}

// wait returns when no more than the limit is in use, or the budget is closed.
func (b *budget) wait() {
	b.mu.Lock()
	for b.over() && !b.closed {
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

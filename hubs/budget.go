package hubs

import (
	"sync"
	"sync/atomic"
	"time"
)

// budget holds a client back while too many of its bytes wait. It is safe for
// concurrent use, and takes its lock only where somebody may wait.
type budget struct {
	limit atomic.Int64
	used  atomic.Int64

	mu     sync.Mutex
	closed bool
	room   chan struct{} // closed when there is room again; nil: nobody waits
}

// add counts n bytes more, or fewer.
func (b *budget) add(n int) {
	now := b.used.Add(int64(n))
	limit := b.limit.Load()                   // afterwards, and the other way round in over: one of the two sees the other
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
		if used+int64(n) > b.limit.Load() {
			return false
		}
		if b.used.CompareAndSwap(used, used+int64(n)) {
			return true
		}
	}
}

// setLimit changes the limit, also while somebody waits.
func (b *budget) setLimit(n int64) {
	if b.limit.Swap(n) < n {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wake()
	}
}

// over reports whether more than the limit is in use.
func (b *budget) over() bool {
	limit := b.limit.Load()
	return b.used.Load() > limit
}

// full reports whether wait would wait.
func (b *budget) full() bool {
	if !b.over() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.closed
}

// wait returns true when no more than the limit is in use, or the budget is closed,
// and false when timeout comes first.
func (b *budget) wait(timeout <-chan time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.over() && !b.closed {
		if b.room == nil {
			b.room = make(chan struct{})
		}
		room := b.room
		b.mu.Unlock()
		inTime := true
		select {
		case <-room:
		case <-timeout:
			inTime = false
		}
		b.mu.Lock()
		if !inTime {
			return false
		}
	}
	return true
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

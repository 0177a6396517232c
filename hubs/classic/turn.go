package classic

import "sync"

// turn lets one goroutine at a time do a connection's work. Whoever is woken for
// it does not wait: a goroutine that exists only while there is work does it.
// Others may take the turn in between; they go first.
type turn struct {
	work func()

	mu      sync.Mutex
	free    sync.Cond // on mu
	taken   bool
	waiting int
	again   bool // there is work
}

func (t *turn) init(work func()) {
	t.work = work
	t.free.L = &t.mu
}

// wake lets the work be done once more.
func (t *turn) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken {
		t.again = true
		return
	}
	t.taken = true
	go t.run()
}

func (t *turn) run() {
	for {
		t.work()
		t.mu.Lock()
		if t.waiting > 0 || !t.again {
			t.taken = false
			t.free.Broadcast()
			t.mu.Unlock()
			return
		}
		t.again = false
		t.mu.Unlock()
	}
}

// take waits until nobody has the turn, and takes it.
func (t *turn) take() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting++
	for t.taken {
		t.free.Wait()
	}
	t.waiting--
	t.taken = true
}

// give gives the turn back after take.
func (t *turn) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.again && t.waiting == 0 {
		t.again = false
		go t.run()
		return
	}
	t.taken = false
	t.free.Broadcast()
}

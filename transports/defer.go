package transports

import (
	"sync"
	"sync/atomic"
	"time"
)

// Worker is work of a [Receiver]'s that may take long.
type Worker interface {
	// Work runs once for each call of [Connection.Defer].
	Work()
}

// Defer has work done for what the client has sent, by the goroutine that calls
// Receive where that is a WebSocket's: after it has received all that it has read
// already. This saves waking a goroutine for each message. What is sent to the
// client meanwhile leaves together, in one frame. When the work takes longer than a
// few milliseconds, what has been sent leaves, and another goroutine goes on
// receiving. It must be called during Receive.
func (c *Connection) Defer(work Worker) {
	c.StartDeferred() // there is one at a time
	c.deferred = work
}

// Gather lets what is sent gather until all has been received that a WebSocket has read
// already, or StartDeferred is called: many short messages cost much less together than
// each by itself. It must be called during Receive.
func (c *Connection) Gather() {
	if c.webSocket.Load() != nil {
		c.gathers = true
		c.out.hold()
	}
}

// StartDeferred lets a goroutine of its own do what was deferred, and sends what has
// gathered, since the one that receives has to wait. It must be called during Receive.
func (c *Connection) StartDeferred() {
	if c.gathers {
		c.gathers = false
		if c.out.release() {
			c.writeNow()
		}
	}
	if work := c.deferred; work != nil {
		c.deferred = nil
		go work.Work()
	}
}

const (
	// patience is how long a reader may work; it may become twice as long. Looking
	// more often costs noticeably.
	patience = 3 * time.Millisecond
	// restless is for how many times of patience nobody has to work before the
	// goroutine that watches ends.
	restless = 4

	seats  = 256 // readers that work at once; others leave the work to a goroutine
	probes = 4   // seats that a reader tries
)

// reader is one goroutine that reads from a WebSocket, as long as no other one
// takes its place.
type reader struct {
	t    *webSocket
	seat int
	turn atomic.Uint32 // counts its works, to tell them apart
}

// watch looks after the readers that work: it costs each two atomic operations,
// and one goroutine for all, which ends by itself soon after the last work.
type watch struct {
	next  atomic.Uint32
	seats [seats]atomic.Pointer[reader]

	awake atomic.Bool // the goroutine runs
	mu    sync.Mutex
	hurry chan struct{} // holds a token when the goroutine should end
	ended chan struct{} // closed by the goroutine at its end; nil: there is none
}

// seat returns where a new reader begins to look for a seat.
func (w *watch) seat() int { return int(w.next.Add(1) % seats) }

// enter notes that a reader works. It returns false if there is no seat.
func (w *watch) enter(r *reader) bool {
	r.turn.Add(1)
	for range probes {
		r.seat %= seats
		if w.seats[r.seat].CompareAndSwap(nil, r) {
			if !w.awake.Load() {
				w.start()
			}
			return true
		}
		r.seat++
	}
	return false
}

// leave notes that a reader has done its work. It returns false if another one has
// taken its place.
func (w *watch) leave(r *reader) bool { return w.seats[r.seat].CompareAndSwap(r, nil) }

func (w *watch) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil {
		w.hurry, w.ended = make(chan struct{}, 1), make(chan struct{})
		w.awake.Store(true)
		go w.run(w.hurry)
	}
}

// end reports whether nobody works any more, and that the goroutine ends then.
func (w *watch) end() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.awake.Store(false) // who works from now on starts it anew
	for i := range w.seats {
		if w.seats[i].Load() != nil {
			w.awake.Store(true)
			return false
		}
	}
	close(w.ended)
	w.ended = nil
	return true
}

// shutDown waits until the goroutine has ended. Nobody works any more.
func (w *watch) shutDown() {
	w.mu.Lock()
	hurry, ended := w.hurry, w.ended
	w.mu.Unlock()
	if ended == nil {
		return
	}
	select {
	case hurry <- struct{}{}:
	default:
	}
	<-ended
}

// run looks who has worked since it last looked.
func (w *watch) run(hurry <-chan struct{}) {
	type visit struct {
		r    *reader
		turn uint32
	}
	var last [seats]visit
	ticker := time.NewTicker(patience)
	defer ticker.Stop()
	for idle := 0; idle <= restless || !w.end(); idle++ {
		select {
		case <-ticker.C:
		case <-hurry:
			idle = restless
		}
		for i := range w.seats {
			r := w.seats[i].Load()
			if r == nil {
				last[i] = visit{}
				continue
			}
			idle = 0
			now := visit{r, r.turn.Load()}
			if last[i] == now && w.seats[i].CompareAndSwap(r, nil) {
				r.t.takeOver()
			}
			last[i] = now
		}
	}
}

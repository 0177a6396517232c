package transports

import (
	"context"
	"sync"
)

// outbox is the queue between all who send to a connection and the one writer
// of its transport. Messages are shared with other connections and never
// changed.
//
// The writer is woken once when there is something to take, and is then
// responsible for the outbox until take finds nothing.
type outbox struct {
	mu     sync.Mutex
	queue  [][]byte
	first  [1][]byte     // memory for the queue of a connection that is idle
	moved  bool          // first may be in the hands of an earlier transport's writer
	size   int           // bytes in queue
	buffer int           // senders that can wait do so above this size
	limit  int           // senders that cannot wait fail above this size; 0: never
	awake  bool          // the writer was woken and has not yet found nothing
	held   bool          // it counts as awake, but writes when the outbox is released
	state  outboxState   //
	away   bool          // between two transports: what is put is dropped, its sender keeps it
	writer int           // which transport's writer may take
	room   chan struct{} // closed when those who wait for room should look again; nil: nobody waits
}

// Small messages are bounded by their number, since they take more memory than
// their bytes: that of messages of smallMessage bytes that fill the outbox.
const (
	smallMessage = 32
	fewMessages  = 1024 // are always allowed
)

// heldSize is how many bytes an outbox that is held gathers at most.
const heldSize = 16 << 10

type outboxState uint8

const (
	outboxOpen      outboxState = iota
	outboxSealed                // takes no more
	outboxFinishing             // takes no more, and the writer ends the transport after the last message
	outboxDead                  // what was queued is gone
)

// put queues a message, with seal as the last one. wake says that the caller has
// to wake the writer. A message that does not fit is ErrSlowClient.
func (o *outbox) put(msg []byte, seal bool) (wake bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state != outboxOpen {
		return false, ErrClosed
	}
	if o.away {
		o.seal(seal)
		return false, nil
	}
	// A single message larger than the limit is fine when nothing waits.
	full := o.size > 0 && o.size+len(msg) > o.limit || len(o.queue) >= max(o.limit/smallMessage, fewMessages)
	if o.limit > 0 && full {
		return false, ErrSlowClient
	}
	o.seal(seal)
	return o.add(msg), nil
}

func (o *outbox) seal(seal bool) {
	if seal {
		o.state = outboxSealed
		o.wakeWaiting()
	}
}

func (o *outbox) add(msg []byte) (wake bool) {
	o.queue = append(o.queue, msg)
	o.size += len(msg)
	if o.held && o.size >= min(heldSize, o.buffer) {
		o.held = false
		return true
	}
	wake = !o.awake
	o.awake = true
	return wake
}

// hold lets messages gather until release, or until there are many. Then the one
// who caused that has to wake the writer.
func (o *outbox) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.awake && !o.away {
		o.awake, o.held = true, true
	}
}

// release ends hold. wake is as for put.
func (o *outbox) release() (wake bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	wake = o.held
	o.held = false
	return wake
}

// take returns all that is queued and gives spare, an earlier result, back to
// the queue. With nothing queued the writer is asleep again, and the state says
// whether it should end the transport. The writer of an earlier transport gets
// nothing any more.
func (o *outbox) take(spare [][]byte, writer int) ([][]byte, outboxState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if writer != o.writer {
		return nil, outboxDead
	}
	clear(spare) // lets go of the messages written
	if len(o.queue) == 0 {
		o.awake = false
		o.queue = nil // idle connections keep no more memory than first
		if !o.moved {
			o.queue = o.first[:0]
		}
		return nil, o.state
	}
	batch := o.queue
	o.queue = spare[:0]
	o.size = 0
	o.wakeWaiting()
	return batch, o.state
}

// finish lets the writer drain the outbox and end the transport. wake is as for
// put.
func (o *outbox) finish() (wake bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.state >= outboxFinishing {
		return false
	}
	o.state = outboxFinishing
	o.wakeWaiting()
	if o.away {
		return false
	}
	wake = !o.awake || o.held
	o.awake, o.held = true, false
	return wake
}

// queued returns the bytes in the queue.
func (o *outbox) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.size
}

// flushed reports whether the writer has nothing left to write.
func (o *outbox) flushed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.awake
}

// detach empties the outbox of a transport that is lost.
func (o *outbox) detach() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away, o.awake, o.held, o.moved = true, false, false, true
	o.writer++
	o.queue, o.size = nil, 0
	o.wakeWaiting()
}

// nextWriter returns the number of the transport that is attached next.
func (o *outbox) nextWriter() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writer
}

// attach lets the outbox fill again. wake is as for put.
func (o *outbox) attach() (wake bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = false
	o.awake = o.state == outboxFinishing // since there was no transport to end
	return o.awake
}

// lift takes the limit away.
func (o *outbox) lift() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.limit = 0
}

// kill drops what is queued and refuses all that comes.
func (o *outbox) kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.state = outboxDead
	o.queue, o.size = nil, 0
	o.wakeWaiting()
}

// putWait queues a message when the outbox holds no more than its buffer size, so
// that senders that wait never overfill it. wake is as for put.
func (o *outbox) putWait(ctx context.Context, msg []byte) (wake bool, err error) {
	for {
		o.mu.Lock()
		if o.state != outboxOpen {
			o.mu.Unlock()
			return false, ErrClosed
		}
		if o.away || o.size <= o.buffer {
			wake = !o.away && o.add(msg)
			o.mu.Unlock()
			return wake, nil
		}
		if o.room == nil {
			o.room = make(chan struct{})
		}
		room := o.room
		o.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

func (o *outbox) wakeWaiting() {
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}

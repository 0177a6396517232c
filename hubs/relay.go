package hubs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// maxBufferWait is how long the buffer of stateful reconnect may be over its
// limit (reference 7.5).
const maxBufferWait = 5 * time.Second

// relay makes a session outlive its transports: stateful reconnect (reference
// 7). It numbers the messages in both directions, keeps those sent until the
// client has acknowledged them, sends them again on a new transport, and drops
// those received twice. It is safe for concurrent use.
type relay struct {
	conn  *transports.Connection
	limit int // bytes, above which senders wait

	mu        sync.Mutex
	sent      int64     // number of the newest message sent
	queue     [][]byte  // the messages sent and not acknowledged; the last one is number sent
	size      int       // bytes in queue
	overSince time.Time // when size went over the limit; zero: it is not
	room      chan struct{}
	ended     bool

	next  int64 // number of the next message to be received
	high  int64 // highest number received
	acked int64 // highest number acknowledged to the client
}

func newRelay(conn *transports.Connection, limit int) *relay {
	return &relay{conn: conn, limit: limit, next: 1}
}

// send numbers a message and sends it.
func (r *relay) send(frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sendLocked(frame)
}

func (r *relay) sendLocked(frame []byte) {
	if r.ended {
		return
	}
	r.sent++
	r.queue = append(r.queue, frame)
	r.size += len(frame)
	if r.size > r.limit && r.overSince.IsZero() {
		r.overSince = time.Now()
	}
	_ = r.conn.Send(frame) // what does not arrive is sent again
}

// sendWait is send for senders that can wait: until the client has acknowledged
// enough.
func (r *relay) sendWait(ctx context.Context, frame []byte) error {
	for {
		r.mu.Lock()
		if r.ended {
			r.mu.Unlock()
			return transports.ErrClosed
		}
		if r.size <= r.limit {
			r.sendLocked(frame)
			r.mu.Unlock()
			return nil
		}
		if r.room == nil {
			r.room = make(chan struct{})
		}
		room := r.room
		r.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sendUncounted sends a message that is not repeated: a ping, say.
func (r *relay) sendUncounted(frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.conn.Send(frame) // the next one may arrive
}

// sendLast sends the last message, uncounted.
func (r *relay) sendLast(frame []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.conn.SendLast(frame) // a connection that ended is told nothing
}

// end lets go of what is kept and of those who wait.
func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	r.queue, r.size = nil, 0
	r.wake()
}

// replay begins a new transport: it says which message comes next, and sends all
// that are not acknowledged.
func (r *relay) replay(e *encoding, attach func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.sent - int64(len(r.queue)) + 1
	frame, err := e.message(&protocol.Sequence{SequenceID: first})
	if err != nil {
		return err
	}
	attach()
	for _, f := range append([][]byte{frame}, r.queue...) {
		if err := r.conn.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// receive counts a message from the client and reports whether it is new.
func (r *relay) receive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	number := r.next
	r.next++
	if number > r.high {
		r.high = number
		return true
	}
	// The client has not got the acknowledgement: it is repeated.
	r.acked = min(r.acked, r.high-1)
	return false
}

// sequence is the client's word on which message comes next.
func (r *relay) sequence(number int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > r.next {
		return &protocol.Error{Detail: "Sequence ID greater than amount of messages we've received."}
	}
	if number < 1 {
		return &protocol.Error{Detail: fmt.Sprintf("Sequence ID %d is not a message's.", number)}
	}
	r.next = number
	return nil
}

// ack is the client's word that it has all messages up to a number.
func (r *relay) ack(number int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > r.sent {
		return &protocol.Error{Detail: "Ack of a message that was not sent."}
	}
	n := len(r.queue) - int(r.sent-number)
	if n <= 0 {
		return nil // of messages acknowledged before
	}
	for _, f := range r.queue[:n] {
		r.size -= len(f)
	}
	clear(r.queue[:n])
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil // idle connections keep no memory
	}
	if r.size <= r.limit {
		r.overSince = time.Time{}
		r.wake()
	}
	return nil
}

// tick returns the number to acknowledge to the client, 0 if there is none, and
// whether the buffer has been over its limit for too long.
func (r *relay) tick(now time.Time) (ack int64, stuck bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.high > r.acked {
		r.acked = r.high
		ack = r.high
	}
	return ack, !r.overSince.IsZero() && now.Sub(r.overSince) > maxBufferWait
}

func (r *relay) wake() {
	if r.room != nil {
		close(r.room)
		r.room = nil
	}
}

// counted reports whether a message from the client has a number (reference 7.2).
func counted(m protocol.Message) bool {
	switch m.(type) {
	case *protocol.Invocation, *protocol.StreamItem, *protocol.Completion, *protocol.CancelInvocation:
		return true
	default:
		return false
	}
}

// Detached implements [transports.Resumer].
func (s *session) Detached() { s.away.Store(true) }

// Resumed implements [transports.Resumer]. What was received of a message when
// the transport was lost comes again as a whole.
func (s *session) Resumed(attach func()) {
	s.partial = nil
	s.inside.Store(false)
	s.lastReceived.Store(time.Now().UnixNano())
	s.away.Store(false)
	if err := s.relay.replay(s.encoding, attach); err != nil {
		s.fail(err)
	}
}

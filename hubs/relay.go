package hubs

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// maxSilence is the number of ticks, about a second apart, for which the buffer may
// stay over its limit while the client acknowledges nothing, although it could. Ticks
// are counted rather than time measured: a server that did not run has read no
// acknowledgements either.
const maxSilence = 5

// maxOverrun is how many bytes more than its limit the buffer holds for senders
// that cannot wait for acknowledgements.
const maxOverrun = transports.DefaultOutboxLimit

// maxDoubtful is how many acknowledged messages are repeated at most.
const maxDoubtful = 10_000

// maxUncounted is more bytes than wait for a client that are not counted: pings,
// and what a replay begins with.
const maxUncounted = 512 << 10

// relay makes a session outlive its transports: stateful reconnect. It numbers the
// messages in both directions, keeps those sent until the client has acknowledged them,
// sends them again on a new transport, and drops those received twice. It is safe for
// concurrent use.
//
// It holds its first messages back until the client has sent something: the
// official JavaScript client counts nothing that it reads together with the
// answer to its handshake, and would take it for new when it is repeated. That
// client pings as soon as it counts; for others a tick is enough.
type relay struct {
	conn  wire
	limit int // bytes, above which senders wait

	mu       sync.Mutex
	counts   bool     // the client counts what it receives
	deaf     bool     // nothing is read from the client, and so no acknowledgement
	detached bool     // there is no transport
	silent   int      // ticks since the client could first acknowledge, and has not, with size over the limit
	sent     int64    // number of the newest message sent
	taken    int64    // highest number that the client has acknowledged
	replayed int64    // what sent was when messages were last sent again
	doubtful int64    // how many of the acknowledged messages a replay has to repeat
	queue    [][]byte // the messages that are not acknowledged; the last one is number sent
	size     int      // bytes in queue
	room     chan struct{}
	ended    bool

	next  int64 // number of the next message to be received
	high  int64 // highest number received
	acked int64 // highest number acknowledged to the client
}

// wire is what a relay needs of a [transports.Connection].
type wire interface {
	Send(msg []byte) error
	SendLast(msg []byte) error
	Queued() int
	Flushed() bool
}

func newRelay(conn wire, limit int) *relay {
	return &relay{conn: conn, limit: limit, next: 1}
}

// send numbers a message and sends it, unless there is no room for it at all.
func (r *relay) send(frame []byte) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size > 0 && r.size+len(frame)-maxOverrun > r.limit {
		return false
	}
	r.sendLocked(frame)
	return true
}

func (r *relay) sendLocked(frame []byte) {
	if r.ended {
		return
	}
	r.sent++
	r.queue = append(r.queue, frame)
	r.size += len(frame)
	if r.counts {
		_ = r.conn.Send(frame) // what does not arrive is sent again
	}
}

// start sends what was held back.
func (r *relay) start() {
	if r.counts {
		return
	}
	r.counts = true
	for _, f := range r.queue {
		_ = r.conn.Send(f) // what does not arrive is sent again
	}
}

// setDeaf says whether nothing is read from the client at the moment, which also
// holds acknowledgements back. Senders do not wait for them then, or only when the
// buffer is quite full: their calls return, and make room for what the client has
// sent.
func (r *relay) setDeaf(deaf bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = deaf
	r.silent = 0
	r.wake()
}

// detach notes that the transport is lost.
func (r *relay) detach() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.detached = true
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
		if r.size <= r.limit || r.deaf && r.size-maxOverrun <= r.limit {
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
	r.start()
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
//
// It begins earlier when acknowledgements are in doubt. After the last replay had
// begun the client may have acknowledged messages of the transport before, and
// then have lost the new one before they came again. It would not know their
// numbers to be used, and official clients take it for an error when the next
// replay begins behind them. These messages are repeated without what was in
// them: the client has it, and drops repetitions unseen.
func (r *relay) replay(e *encoding, attach func()) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	frame, err := e.message(&protocol.Sequence{SequenceID: r.taken + 1 - r.doubtful})
	if err != nil {
		return err
	}
	if r.doubtful > 0 {
		frame = append(frame, bytes.Repeat(e.empty, int(r.doubtful))...)
	}
	attach()
	r.detached, r.silent = false, 0
	r.counts = true
	r.replayed = r.sent
	for _, f := range append([][]byte{frame}, r.queue...) {
		if err := r.conn.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// receive counts a message from the client and reports whether it is new.
func (r *relay) receive(message protocol.Message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start()
	if !counted(message) {
		return true
	}
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
	if number > r.high+1 { // next may be behind, if the last replay was cut short
		return &protocol.Error{Detail: "Sequence ID greater than amount of messages we've received."}
	}
	if number < 1 {
		return &protocol.Error{Detail: fmt.Sprintf("Sequence ID %d is not a message's.", number)}
	}
	r.next = number
	return nil
}

// ack is the client's word that it has all messages up to a number. It cannot
// have those that still wait for their transport: a client that takes its word
// for them, and reads slowly, would make the server keep what nothing bounds.
func (r *relay) ack(number int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > r.sent {
		return &protocol.Error{Detail: fmt.Sprintf("Ack of message %d, but only %d were sent.", number, r.sent)}
	}
	if r.ended || number <= r.taken {
		return nil
	}
	n := number - r.taken
	for _, f := range r.queue[:n] {
		r.size -= len(f)
	}
	if r.conn.Queued() > r.size+maxUncounted {
		return &protocol.Error{Detail: fmt.Sprintf("Ack of message %d, which waits to be sent.", number)}
	}
	clear(r.queue[:n])
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil // idle connections keep no memory
	}
	r.taken = number
	if number > r.replayed { // sent once only, and behind all that was sent again
		r.doubtful = 0
	} else if r.doubtful += n; r.doubtful > maxDoubtful {
		r.doubtful = 0 // rather a client that begins anew than a replay without end
	}
	r.silent = 0
	r.wake()
	return nil
}

// tick returns the number to acknowledge to the client, 0 if there is none, and
// whether the client has been silent for too long. It is called once a second.
func (r *relay) tick() (ack int64, stuck bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start()
	if r.high > r.acked {
		r.acked = r.high
		ack = r.high
	}
	if r.size <= r.limit || r.excused() {
		r.silent = 0
	} else {
		r.silent++
	}
	return ack, r.silent > maxSilence
}

// excused reports whether the client cannot acknowledge anything at the moment: it
// has no transport, has not been sent everything (the official client acknowledges
// nothing while messages that it has already are repeated), or is not read from. A
// client that does not read what it is sent runs into the send timeout instead.
func (r *relay) excused() bool {
	deaf := r.deaf && r.size-maxOverrun <= r.limit // else those who wait for room are what makes it deaf
	return r.detached || deaf || !r.conn.Flushed()
}

func (r *relay) wake() {
	if r.room != nil {
		close(r.room)
		r.room = nil
	}
}

// counted reports whether a message from the client has a number.
func counted(m protocol.Message) bool {
	switch m.(type) {
	case *protocol.Invocation, *protocol.StreamItem, *protocol.Completion, *protocol.CancelInvocation:
		return true
	default:
		return false
	}
}

// Detached implements [transports.Resumer].
func (s *session) Detached() {
	s.relay.detach()
	s.away.Store(true)
	s.giveUpDraining()
}

// Resumed implements [transports.Resumer]. What was received of a message when
// the transport was lost comes again as a whole.
func (s *session) Resumed(attach func()) {
	s.partial = nil
	s.inside.Store(false)
	s.lastReceived.Store(s.age(time.Now()))
	s.away.Store(false)
	if err := s.relay.replay(s.encoding, attach); err != nil {
		s.fail(err)
	}
}

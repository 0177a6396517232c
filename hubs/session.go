package hubs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// session is a hub's end of one connection. It is the connection's Receiver:
// bytes come in by Receive (receive.go), calls go through a queue (queue.go), and
// end runs once, whatever the reason.
//
// Lock order: resultTable.mu, session.mu, then one of Context.mu, upload.mu,
// budget.mu, registry.mu and the locks of conn; upload.mu before budget.mu.
type session struct {
	hub    *Hub
	conn   *transports.Connection
	ctx    context.Context // done when the connection ends
	cancel context.CancelCauseFunc

	encoding *encoding // nil until the handshake
	relay    *relay    // nil unless stateful reconnect is on; set by the handshake
	items    atomic.Pointer[sync.Map]

	// Receive's own.
	partial []byte      // the beginning of a message
	inside  atomic.Bool // partial is not empty

	deferred *call // runs after Receive; see Work

	// For the timeouts, by the monotonic clock: times are nanoseconds since opened.
	opened       time.Time
	lastPing     atomic.Int64 // sent
	lastReceived atomic.Int64 // the last time that a tick found something received
	received     atomic.Bool  // something was received since the last tick
	busy         atomic.Bool  // in Receive: the client timeout does not run
	overdue      bool         // the last tick found the client timeout over; Tick's own
	shaken       atomic.Bool  // the handshake is done
	away         atomic.Bool  // there is no transport at the moment

	input   budget         // bytes received that wait for hub methods
	ahead   budget         // bytes of the first items of each upload, which do not hold the client back
	running sync.WaitGroup // goroutines of calls

	ending atomic.Bool // phase is phaseEnding

	mu          sync.Mutex
	phase       phase
	waiting     []*call            // calls for which there was no slot
	active      []*call            // calls that hold a slot
	firstActive [1]*call           // memory for active
	slots       int                // free
	outside     map[*call]struct{} // calls with streams, which need no slot
	streams     map[string]*call   // those with a stream to the client, by invocation id
	uploads     map[string]*upload // the streams from the client that have not ended
	unslotted   int                // calls of outside that run
	asking      int                // calls that have given their slot up, to wait for a client
	byID        map[string]*call   // those, and calls of outside without a stream to the client
	didConnect  bool               // OnConnected has succeeded
	draining    bool               // no call starts any more
	drained     chan struct{}      // closed when none runs any more; nil: nobody waits

	ended sync.WaitGroup // until end is done

	asked map[string]struct{} // ids of calls to the client; resultTable's own, under its lock

	entry // in the registry; its userID is set by the handshake
}

// phase is how far a session has come.
type phase uint8

const (
	phaseHandshake  phase = iota
	phaseConnecting       // OnConnected runs, calls wait
	phaseConnected
	phaseEnding
)

func newSession(h *Hub, conn *transports.Connection) *session {
	s := &session{
		entry:  entry{id: conn.ID()},
		hub:    h,
		conn:   conn,
		opened: time.Now(),
		slots:  h.config.parallelCalls,
	}
	s.ended.Add(1)
	s.active = s.firstActive[:0]
	s.input.setLimit(int64(h.config.inputBuffer))
	s.ahead.setLimit(int64(h.config.inputBuffer))
	s.ctx, s.cancel = context.WithCancelCause(conn.Request().Context())
	return s
}

// Tick checks the timeouts.
func (s *session) Tick(now time.Time) {
	t := s.age(now)
	if !s.shaken.Load() {
		if t > int64(s.hub.config.handshakeTimeout) {
			s.refuseHandshake(textHandshakeCanceled, errHandshakeTimeout)
		}
		return
	}
	if s.conn.Transport() == transports.LongPolling {
		return // the polls themselves show that both sides live
	}
	if s.relay != nil && s.tickRelay() || s.away.Load() {
		return
	}
	if s.received.Swap(false) { // a clock that is read once a second will do
		s.lastReceived.Store(t)
	}
	if s.hasTimedOut(t) && !s.isEnding() { // else a ping shows whether the transport still lives
		s.fail(ErrClientTimeout)
		return
	}
	// Never before the interval is over: a client that pings only when it receives
	// something, and not before its own interval is over, would skip every other time.
	// Hence the margin: ticks come once a second, and each a little late.
	const margin = 500 * time.Millisecond
	if t-s.lastPing.Load() > int64(s.hub.config.keepAlive+margin) {
		s.lastPing.Store(t)
		s.sendUncounted(s.encoding.ping)
	}
}

// hasTimedOut reports whether the client has been silent for too long. What has come
// by the tick after that is still in time: it may have been under way, or this
// process may have been held up.
func (s *session) hasTimedOut(t int64) bool {
	before := s.overdue
	s.overdue = !s.busy.Load() && t-s.lastReceived.Load() > int64(s.hub.config.clientTimeout)
	return before && s.overdue
}

// age returns for how long the session has lasted, in nanoseconds.
func (s *session) age(now time.Time) int64 { return int64(now.Sub(s.opened)) }

// tickRelay acknowledges what has come, and reports whether it has ended the
// session.
func (s *session) tickRelay() bool {
	ack, stuck := s.relay.tick()
	if stuck {
		s.fail(errUnacknowledged)
		return true
	}
	if ack > 0 {
		if frame, err := s.encoding.message(&protocol.Ack{SequenceID: ack}); err == nil {
			s.sendUncounted(frame)
		}
	}
	return false
}

// errUnacknowledged ends a session whose client does not acknowledge.
var errUnacknowledged error = &endError{ErrSlowClient, errors.New("hubs: the client has not acknowledged enough messages for too long")}

// Close ends the session because its transport ended, or is about to.
func (s *session) Close(ended error) {
	switch cause := causeOf(ended); {
	case errors.Is(cause, ErrShutdown), errors.Is(cause, ErrExpired):
		s.end(&protocol.Close{AllowReconnect: true}, cause)
	case cause == nil && s.inside.Load():
		s.end(nil, errTruncated)
	default:
		if errors.Is(cause, ErrSlowClient) && !s.isEnding() {
			s.hub.logger.Debug("client is too slow and was disconnected", "connection", s.conn.ID(), "reason", cause)
		}
		s.end(nil, cause)
	}
	s.ended.Wait()
}

// abort ends the session by the application's wish, for a reason that may be nil.
func (s *session) abort(reason error) {
	if reason == nil {
		s.end(&protocol.Close{}, ErrAborted)
		return
	}
	s.end(&protocol.Close{Error: s.abortText(reason)}, &endError{ErrAborted, reason})
}

// abortText returns what a client is told of the reason: as it is, if it is meant for
// clients.
func (s *session) abortText(reason error) string {
	if hubError := (*Error)(nil); errors.As(reason, &hubError) && hubError != nil {
		return hubError.text
	}
	return textClosed + detail(reason, s.hub.config.detailedErrors)
}

// textClosed is what a client is told when its connection fails.
const textClosed = "Connection closed with an error."

// fail ends the session because of an error. The client may connect anew.
func (s *session) fail(err error) {
	text := textClosed + detail(err, s.hub.config.detailedErrors)
	s.end(&protocol.Close{Error: text, AllowReconnect: true}, err)
}

// end ends the session once: the client is told with closing,
// unless that is nil, calls are cancelled, and OnDisconnected runs after they
// have returned. It does not wait.
func (s *session) end(closing *protocol.Close, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == phaseEnding:
		return
	case closing == nil:
	case s.phase == phaseHandshake:
		_ = s.conn.SendLast(protocol.AppendHandshakeResponse(nil, textHandshakeCanceled)) // or nobody is left to be told
	default:
		s.sendLast(closing)
	}
	s.endLocked(cause)
}

func (s *session) endLocked(cause error) {
	s.phase = phaseEnding
	s.ending.Store(true)
	s.noteReturn()
	s.conn.Ending(cause)
	if s.relay != nil {
		s.conn.AllowResume(false)
		s.relay.end()
	}
	go func() {
		defer s.ended.Done()
		s.cancel(cause)
		s.input.close()
		s.dropWaiting()
		s.delist()
		s.hub.results.drop(s, outcomeLost)
		s.running.Wait()
		s.disconnected(cause, s.conn.Finish)
	}()
}

// disconnected runs OnDisconnected if OnConnected has succeeded, and then finish. A
// panic in it fails the transport.
func (s *session) disconnected(cause error, finish func(error)) {
	if !s.wasConnected() {
		finish(nil)
		return
	}
	s.hub.logger.Debug("client disconnected", "connection", s.conn.ID(), "cause", cause)
	ctx, release := s.hub.hookContext(s.ctx)
	c := &Context{hub: s.hub, conn: departed{s, ctx}}
	s.protectThen(onDisconnectedName, func() error {
		s.hub.config.disconnect(c, cause)
		return nil
	}, func(err error) {
		c.end(errReturned)
		release()
		finish(err)
	})
}

// send queues a frame without waiting. A connection that has ended drops it
// silently; one whose client is too slow ends.
func (s *session) send(frame []byte) {
	if s.relay != nil {
		if !s.relay.send(frame) {
			go s.fail(errUnacknowledged) // the caller may hold the session
		}
		return
	}
	_ = s.conn.Send(frame)
}

// sendWait queues a frame when the client has taken most of what is queued
// already.
func (s *session) sendWait(ctx context.Context, frame []byte) error {
	if s.relay != nil {
		return s.relay.sendWait(ctx, frame)
	}
	return s.conn.SendWait(ctx, frame)
}

// write is sendWait for a goroutine that has nothing else to do, and does the
// write itself where it can.
func (s *session) write(ctx context.Context, frame []byte) error {
	if s.relay != nil {
		return s.relay.sendWait(ctx, frame)
	}
	return s.conn.Write(ctx, frame)
}

// sendUncounted queues a ping or an acknowledgement.
func (s *session) sendUncounted(frame []byte) {
	if s.relay != nil {
		s.relay.sendUncounted(frame)
		return
	}
	_ = s.conn.Send(frame)
}

func (s *session) sendLast(m protocol.Message) {
	frame, err := s.encoding.message(m)
	if err != nil {
		s.logFailure("", err)
		return
	}
	if s.relay != nil {
		s.conn.AllowResume(false) // this Close is final
		s.relay.sendLast(frame)
		return
	}
	_ = s.conn.SendLast(frame) // a connection that ended is told nothing
}

package hubs

import (
	"io"
	"log/slog"
	"slices"

	"github.com/go-signalr/signalr/protocol"
)

// connect accepts the handshake, registers the session and runs OnConnected, as
// the first work of the connection: what the client sends meanwhile waits.
func (s *session) connect(resumable bool) {
	s.mu.Lock()
	if s.phase != phaseHandshake {
		s.mu.Unlock()
		return
	}
	s.phase = phaseConnecting
	if resumable {
		s.relay = newRelay(s.conn, s.hub.config.reconnectBuffer)
		s.conn.AllowResume(true)
	}
	s.running.Add(1)
	// Others can reach the client before it knows that it is connected, and what
	// they send comes after the response.
	_ = s.conn.SendThen(protocol.AppendHandshakeResponse(nil, ""), s.enlist)
	s.mu.Unlock()
	s.shaken.Store(true)
	if s.hub.config.connectsSilently() {
		s.connected()
	} else {
		go s.connected()
	}
}

// connected runs OnConnected and then the calls that have come meanwhile.
func (s *session) connected() {
	defer s.running.Done()
	c := &Context{hub: s.hub, conn: s}
	s.protectThen(onConnectedName, func() error { return s.hub.config.connect(c) }, func(err error) {
		c.end(errReturned)
		s.admitClient(err)
	})
}

// admitClient is the outcome of OnConnected.
func (s *session) admitClient(err error) {
	if err != nil {
		level := slog.LevelWarn
		if s.isEnding() {
			level = slog.LevelDebug // the client has left meanwhile
		}
		s.logFailureAt(level, onConnectedName, err)
		s.end(&protocol.Close{Error: textClosed + detail(err, s.hub.config.detailedErrors)}, err)
		return
	}
	s.hub.logger.Debug("client connected", "connection", s.conn.ID(), "transport", s.conn.Transport().String())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.didConnect = true
	if s.phase != phaseConnecting {
		return
	}
	s.phase = phaseConnected
	waiting := s.waiting
	s.waiting = nil
	for _, c := range waiting {
		s.input.add(-c.cost)
		s.admit(c, false)
	}
	s.noteReturn()
}

func (s *session) wasConnected() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.didConnect
}

func (s *session) isEnding() bool { return s.ending.Load() }

// callOverhead is about what a waiting call takes in memory beside its arguments,
// in bytes.
const callOverhead = 256

// invocation takes a call from the client.
func (s *session) invocation(inv *protocol.Invocation, size int) {
	c, refused := s.bindInvocation(inv, size)
	if refused == nil {
		c.cost = size
		c.cost += callOverhead
		refused = s.accept(c)
	}
	if refused != nil {
		s.logRefusal(inv.Target, refused)
		s.refuseCall(&call{id: inv.InvocationID, cost: size, uncommon: &uncommon{refused: refused}})
	}
}

func (s *session) logRefusal(method string, refused *refusal) {
	s.hub.logger.Debug("invocation refused", "connection", s.conn.ID(), "method", method, "error", refused.reason())
}

// mustWait reports whether a call could not run if it came now. Calls with streams from
// the client do not wait for others, and their streams are made with their arguments.
func (s *session) mustWait(c *call) bool {
	if c.method.uploads > 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == phaseConnecting || c.inline() && s.slots == 0
}

// refuseCall answers a call that does not run. Like every call, it waits until
// OnConnected has returned.
func (s *session) refuseCall(c *call) {
	s.mu.Lock()
	waits := s.phase == phaseConnecting
	if waits {
		s.wait(c)
	}
	s.mu.Unlock()
	if !waits {
		s.refuse(c.id, c.refused(), s.answerFromReader)
	}
}

// accept enters a call and its streams into the session's books and starts it, or
// lets it wait.
func (s *session) accept(c *call) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == phaseEnding {
		return nil
	}
	if s.draining {
		return c.drained()
	}
	if !c.inline() {
		if len(s.outside) >= s.hub.config.maxStreams {
			return &refusal{c.method.failedText(), Errorf("There are too many streams: %d at most.", s.hub.config.maxStreams)}
		}
		if c.method.streams && s.streams[c.id] != nil {
			return &refusal{"Invocation ID '" + c.id + "' is already in use.", nil}
		}
		for i, u := range c.uploads() {
			if s.uploads[u.id] != nil || hasUpload(c.uploads()[:i], u.id) {
				return &refusal{c.method.failedText(), Errorf("Stream ID '%s' is already in use.", u.id)}
			}
		}
		if s.outside == nil {
			s.outside = make(map[*call]struct{})
			s.streams = make(map[string]*call)
			s.uploads = make(map[string]*upload)
		}
		s.outside[c] = struct{}{}
		if c.method.streams {
			s.streams[c.id] = c
		} else {
			s.note(c)
		}
		for _, u := range c.uploads() {
			s.uploads[u.id] = u
		}
	}
	if s.phase == phaseConnected {
		s.admit(c, true)
	} else {
		s.wait(c)
	}
	return nil
}

// note lets a call be found by its id, of which there may be many at once. The session
// is locked.
func (s *session) note(c *call) {
	if s.byID == nil {
		s.byID = make(map[string]*call)
	}
	if c.id != "" {
		s.byID[c.id] = c
	}
}

func (s *session) forget(c *call) {
	if s.byID[c.id] == c { // or the id is in use again
		delete(s.byID, c.id)
	}
}

func hasUpload(uploads []*upload, id string) bool {
	for _, u := range uploads {
		if u.id == id {
			return true
		}
	}
	return false
}

// admit starts a call if it may run now. Where that is found out while it is
// received, the goroutine that receives runs it afterwards, unless calls of the
// client's may overlap. The session is locked.
func (s *session) admit(c *call, receiving bool) {
	switch {
	case c.refused() != nil:
		s.refuse(c.id, c.refused(), s.send)
	case !c.inline():
		s.running.Add(1)
		s.unslotted++
		go s.runUnslotted(c)
	case s.draining: // it has waited for OnConnected
		s.refuse(c.id, c.drained(), s.send)
	case s.slots > 0:
		s.slots--
		s.active = append(s.active, c)
		s.running.Add(1)
		if receiving && s.hub.config.parallelCalls == 1 {
			s.deferred = c
			s.conn.Defer(s)
		} else {
			go s.work(c, s.noneWaiting)
		}
	default:
		s.wait(c)
	}
}

// runUnslotted runs a call with streams, or answers one that has waited for OnConnected
// until a shutdown.
func (s *session) runUnslotted(c *call) {
	defer s.running.Done()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.unslotted--
		s.noteReturn()
	}()
	s.run(c, func() bool { return true })
}

// wait lets a call wait, which counts to the input buffer. The session is locked.
func (s *session) wait(c *call) {
	s.input.add(c.cost)
	s.waiting = append(s.waiting, c)
}

// Work implements [transports.Worker]: it runs the call that was deferred, and
// those behind it. The connection sends their answers afterwards.
func (s *session) Work() {
	c := s.deferred
	s.deferred = nil
	s.work(c, func() bool { return false })
}

// work runs a call, and then others while some wait and there is a slot. Plain
// calls have no goroutine beside the one that runs it.
func (s *session) work(c *call, last func() bool) {
	defer s.running.Done()
	defer func() {
		if c == nil {
			return
		}
		if c = s.next(c); c != nil { // the last call has ended this goroutine
			s.running.Add(1)
			go s.work(c, s.noneWaiting)
		}
	}()
	for c != nil {
		s.run(c, last)
		c = s.next(c)
	}
}

func (s *session) noneWaiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) == 0
}

// next takes done off the books and returns the call to run in its slot.
func (s *session) next(done *call) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done.slotGiven {
		s.asking--
		s.forget(done)
		s.noteReturn()
		return nil
	}
	s.deactivate(done)
	s.noteReturn()
	done.slotGiven = true // it has none to give any more
	if len(s.waiting) == 0 || s.phase == phaseEnding {
		s.slots++
		s.waiting = nil // idle connections keep no memory
		if len(s.active) == 0 {
			s.active = s.firstActive[:0]
		}
		return nil
	}
	return s.startWaiting()
}

func (s *session) deactivate(c *call) {
	i := slices.Index(s.active, c)
	s.active[i] = s.active[len(s.active)-1]
	s.active[len(s.active)-1] = nil
	s.active = s.active[:len(s.active)-1]
}

// startWaiting moves the call that has waited longest to the active ones.
func (s *session) startWaiting() *call {
	c := s.waiting[0]
	s.waiting[0] = nil
	s.waiting = s.waiting[1:]
	s.input.add(-c.cost)
	s.active = append(s.active, c)
	return c
}

// giveSlot lets the calls behind c run while c waits for a client; c does not get
// the slot back. A client that never answers must not have any number
// of calls by that: it is an error when there are too many.
func (s *session) giveSlot(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.slotGiven || !c.inline() {
		return nil
	}
	if most := s.hub.config.maxStreams; s.asking >= most {
		return Errorf("There are too many calls that wait for clients: %d at most.", most)
	}
	c.slotGiven = true
	s.deactivate(c)
	s.asking++
	s.note(c)
	if len(s.waiting) == 0 || s.phase == phaseEnding {
		s.slots++
		return nil
	}
	s.running.Add(1)
	go s.work(s.startWaiting(), s.noneWaiting)
	return nil
}

// release takes the streams of a call that has returned off the books.
func (s *session) release(c *call) {
	if c.inline() {
		return
	}
	s.mu.Lock()
	delete(s.outside, c)
	s.forget(c)
	if s.streams[c.id] == c {
		delete(s.streams, c.id)
	}
	for _, u := range c.uploads() {
		if s.uploads[u.id] == u { // or the id is in use again
			delete(s.uploads, u.id)
		}
	}
	s.mu.Unlock()
	for _, u := range c.uploads() {
		u.discard()
	}
}

// dropWaiting forgets the calls that will not run any more, when the session
// ends.
func (s *session) dropWaiting() {
	s.mu.Lock()
	s.waiting = nil
	uploads := make([]*upload, 0, len(s.uploads))
	for _, u := range s.uploads {
		uploads = append(uploads, u)
	}
	s.mu.Unlock()
	for _, u := range uploads {
		u.end(errDisconnected)
	}
}

// cancelCall cancels a call of the client; one that does not exist any more is
// ignored.
func (s *session) cancelCall(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, calls := range []map[string]*call{s.streams, s.byID} {
		if c := calls[id]; c != nil {
			c.end(errCancelled)
			return
		}
	}
	for _, calls := range [][]*call{s.active, s.waiting} {
		for _, c := range calls {
			if c.id == id {
				c.end(errCancelled)
				return
			}
		}
	}
}

func (s *session) findUpload(id string) *upload {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploads[id]
}

// endUpload is the client's end of a stream.
func (s *session) endUpload(u *upload, failure string) {
	s.mu.Lock()
	delete(s.uploads, u.id)
	s.mu.Unlock()
	if failure != "" {
		u.end(NewError(failure))
	} else {
		u.end(io.EOF)
	}
}

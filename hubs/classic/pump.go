package classic

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/go-signalr/signalr/scaleout"
)

// takeTimeout limits a question to the broker for what a client has missed.
const takeTimeout = 10 * time.Second

// commandMark begins what nodes push to each other about a client, which is not
// for the client. No message of the protocol begins so.
const (
	commandMark    = '\x00'
	commandStarted = "\x00started"
	commandStopped = "\x00stopped" // by the client's wish; the node that has it ends it
	commandGone    = "\x00gone"    // it has stopped, and was ended
	commandAborted = "\x00aborted" // the application has ended it; the response that waits for the client follows
)

// attach makes the connection reachable on this node from a point on. The caller has the
// turn.
func (c *connection) attach(q *request, p point) {
	c.detach()
	names, streams := q.layout(c)
	c.shape = shapeOf(names, streams)
	if c.log != nil {
		c.sources = []source{{Member: c.log.attach(p.positions[""])}}
	}
	for _, h := range q.hubs {
		if h.hub == nil {
			continue // raw connections have the log alone
		}
		groups := p.groups[h.name]
		peer := c.peer(h, c.request, c.ctx, q.transport)
		peer.GroupRoom = c.endpoint.tokens.groupRoom(c.id, q.hubs)
		c.sources = append(c.sources, source{h.hub.Attach(peer, groups, p.positions[h.name], c.turn.wake), h.name, h.user, groups})
	}
	c.unsure = false
	c.written = ""
}

// layout returns what a cursor of the connection is about: hubs and their numbers
// of streams.
func (q *request) layout(c *connection) (names []string, streams func(int) int) {
	if c.log != nil { // no hub has anything for it
		return []string{""}, func(int) int { return 1 }
	}
	for _, h := range q.hubs {
		names = append(names, h.name)
	}
	return names, func(i int) int { return q.hubs[i].hub.Streams() }
}

// pass is the connection's work: it brings to the client what there is for it.
func (c *connection) pass() {
	c.mu.Lock()
	s, barriers := c.stream, c.barriers
	ended := c.ended
	c.barriers = nil
	c.mu.Unlock()
	written := false
	switch {
	case ended:
	case s != nil:
		written = c.flush(s)
	default:
		c.lookAhead()
	}
	if written {
		for _, b := range barriers {
			close(b)
		}
		return
	}
	c.mu.Lock()
	c.barriers = append(barriers, c.barriers...)
	c.mu.Unlock()
}

// barrier returns a channel that is closed when what is there for the client now
// is written.
func (c *connection) barrier() <-chan struct{} {
	b := make(chan struct{})
	c.mu.Lock()
	c.barriers = append(c.barriers, b)
	c.mu.Unlock()
	c.turn.wake()
	return b
}

// flush writes what there is to a stream, the results of calls behind the
// messages that were sent before, and reports whether it could.
func (c *connection) flush(s *stream) bool {
	for {
		results, due, stale := c.takeResults(s)
		err := c.flushMessages(s, due, stale)
		if err != nil && !errors.Is(err, errUnread) {
			s.drop(results)
			return false
		}
		for i, result := range results {
			sendErr := s.out.send(result)
			s.release()
			if sendErr != nil {
				s.drop(results[i+1:])
				c.lose(s)
				return false
			}
		}
		if len(results) == 0 {
			return err == nil
		}
	}
}

// flushMessages writes messages until there is none. due says that a keep-alive
// is, and stale another cursor. The error is [errUnread] if there may be more that could not be read, and
// else means that the stream has ended.
func (c *connection) flushMessages(s *stream, due, stale bool) error {
	for more := true; more; due, stale = false, false {
		var r response
		var err error
		r, more, err = c.collect(s)
		switch {
		case errors.Is(err, errStopped), isFinal(err) && len(r.messages) == 0: // nothing more is for the client
		case c.mustWrite(s, &r, due && s.transport != longPolling || stale):
			if writeErr := c.write(s, &r); writeErr != nil {
				return writeErr
			}
		case due:
			if writeErr := s.out.keepAlive(); writeErr != nil {
				c.lose(s)
				return writeErr
			}
		}
		if err != nil {
			return c.stop(s, err)
		}
		if s.isEnded() {
			if s.reason == endAnswered {
				return nil
			}
			return errEnded
		}
	}
	return nil
}

func (c *connection) takeResults(s *stream) (results [][]byte, due, stale bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	results, s.results = s.results, nil
	due, c.due = c.due, false
	if stale, c.stale = c.stale, false; stale {
		c.refreshed = time.Now()
	}
	return results, due, stale
}

// noteCursor notes that the client has a cursor of now.
func (c *connection) noteCursor() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refreshed = time.Now()
}

// mustWrite reports whether a response has something for the client, and gives it
// its cursor. If refresh is set, a cursor that has moved is something.
func (c *connection) mustWrite(s *stream, r *response, refresh bool) bool {
	something := len(r.messages) > 0 || r.init || r.groups != "" || s.greet.Load()
	if !something && !refresh {
		return false
	}
	r.cursor = c.cursor(r.groups)
	return something || r.cursor != c.written
}

// write writes a response. A poll has its answer then.
func (c *connection) write(s *stream, r *response) error {
	if s.transport == longPolling {
		r.delay = int(c.endpoint.opts.longPollDelay / time.Millisecond)
	}
	if err := s.out.send(r.append(make([]byte, 0, r.room()))); err != nil {
		c.lose(s)
		return err
	}
	c.written = r.cursor
	c.noteCursor()
	c.sent.Add(uint64(len(r.messages)))
	s.init = false
	s.greet.Store(false)
	if r.groups != "" {
		c.mark, c.proven, c.regrouped = mark(r.groups), r.accepted, false
	}
	if s.transport == longPolling {
		c.release(s)
		s.end(endAnswered)
	}
	return nil
}

// lose gives up a stream that could not be written to.
func (c *connection) lose(s *stream) {
	c.unsure = true
	c.release(s)
	s.end(endLost)
}

// errUnread means that the broker does not tell what a client has missed.
var errUnread = errors.New("classic: what a client has missed cannot be read")

// stop handles what has stopped a flush: news of the connection's end, or a broker
// that does not answer.
func (c *connection) stop(s *stream, err error) error {
	switch {
	case errors.Is(err, errAborted), errors.Is(err, errUnproven):
		if !s.isEnded() {
			failure := response{cursor: cmp.Or(c.written, s.cursorText), failure: failureOf(err)}
			_ = s.out.send(failure.append(nil)) // it has to go anyway
			if s.transport == longPolling {
				s.end(endAnswered) // a poll has one response
			}
		}
		c.end(err)
	case isNews(err):
		c.endFor(err, s)
	default:
		c.retry.Store(true) // at the next beat
		if !s.isEnded() {   // else nobody waits for it any more
			c.endpoint.warn("what a client has missed cannot be read", "connection", c.id, "error", err)
		}
		return errUnread
	}
	return err
}

// Texts that clients show which have to go.
const (
	textAborted  = "The connection was closed by the server."
	textUnproven = "The connection was away for too long to be resumed."
)

// failureOf returns what a client shows of the end of its connection; "": nothing.
func failureOf(cause error) string {
	switch {
	case errors.Is(cause, errAborted):
		return textAborted
	case errors.Is(cause, errUnproven):
		return textUnproven
	default:
		return ""
	}
}

// collect makes a response of what comes next.
func (c *connection) collect(s *stream) (r response, more bool, err error) {
	r.init = s.init
	r.add(c.parked...)
	c.parked = nil
	more, err = c.gather(s.ctx, &r, s.transport.atOnce(), maxPollBytes)
	r.groups, r.accepted = c.groupsToken()
	return r, more, err
}

// gather adds what the members have, beginning with another one each time.
func (c *connection) gather(ctx context.Context, r *response, most, bytes int) (more bool, err error) {
	const atOnce = 64 // so that a few long messages are noticed soon
	n := len(c.sources)
	for i := range n {
		src := c.sources[(c.next+i)%n]
		for {
			room := most - len(r.messages)
			if room <= 0 || r.size >= bytes {
				c.next = (c.next + i + 1) % n
				return true, err
			}
			b, takeErr := src.Take(ctx, min(room, atOnce))
			c.endpoint.reads.charge(c.id, b.LogBytes, time.Now())
			switch {
			case takeErr != nil:
				err = takeErr
			case b.Left:
				return false, errLeft
			case b.Unproven:
				return false, errUnproven
			}
			switch cause := c.accept(r, b.Messages); {
			case cause != nil:
				return false, cause
			case b.Aborted:
				return false, errAborted
			}
			if takeErr != nil || !b.More {
				break
			}
		}
	}
	if n > 0 {
		c.next = (c.next + 1) % n
	}
	if err == nil && c.aborting.Load() {
		return false, errAborted
	}
	return false, err
}

// accept adds messages, and obeys those that are not for the client. It returns why
// the connection has to end if one says so.
func (c *connection) accept(r *response, messages [][]byte) (cause error) {
	for _, m := range messages {
		switch {
		case len(m) == 0 || m[0] != commandMark:
			r.add(m)
		case string(m) == commandStarted:
			c.noteStarted()
		case cause == nil:
			_, cause = endIn(m)
		}
	}
	return cause
}

// lookAhead notices, while nothing can be written, what ends the connection. The
// client comes back with its own cursor, so that messages need not be kept; only
// those of a poll that is about to come are.
func (c *connection) lookAhead() {
	if c.log != nil { // its messages wait there
		if c.aborting.Load() {
			c.end(errAborted)
		}
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, takeTimeout)
	defer cancel()
	c.mu.Lock()
	polls := c.transport == longPolling
	c.mu.Unlock()
	var err error
	if polls && !c.unsure {
		r := response{}
		r.add(c.parked...)
		_, err = c.gather(ctx, &r, maxPollMessages, maxPollBytes)
		c.parked = r.messages
		if errors.Is(err, errAborted) && len(r.messages) > 0 {
			r.cursor = c.cursor("")
			c.leave(r.append(nil))
		}
	} else {
		err = c.discard(ctx)
	}
	if isNews(err) {
		c.endFor(err, nil)
	}
}

// leave keeps a response for a client whose connection is about to end.
func (c *connection) leave(last []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.last = last
	}
}

// endFor ends the connection for news of its end, which the stream s was to be served
// when it came. A client that was on another node and has come back meanwhile keeps the
// connection: its new stream, which waits for the turn, attaches anew. The caller has
// the turn.
func (c *connection) endFor(news error, s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.newest; errors.Is(news, errLeft) && n != nil && n != s && !n.isEnded() {
		c.unsure = true
		return
	}
	c.endLocked(news)
}

// discard takes all there is and keeps nothing.
func (c *connection) discard(ctx context.Context) error {
	if c.log != nil {
		return nil
	}
	c.unsure = true
	c.parked = nil
	for more := true; more; {
		var err error
		r := response{}
		if more, err = c.gather(ctx, &r, maxPollMessages, maxPollBytes); err != nil {
			return err
		}
	}
	return nil
}

// cursor returns the text of what the client has, once it has what was taken and the
// groups token, if there is another one; "": there is not.
func (c *connection) cursor(groups string) string {
	c.noteGroups()
	m := c.mark
	switch {
	case groups != "":
		m = mark(groups)
	case c.regrouped: // the client has no token that goes with it
		m = noMark
	}
	positions := make([][]scaleout.Position, len(c.sources))
	for i, s := range c.sources {
		positions[i] = s.Cursor()
	}
	var buffer [256]byte
	return string(appendSigned(buffer[:0], cursor{c.shape, positions}, func(dst, text []byte) []byte {
		return c.endpoint.tokens.sign(dst, c.id, m, text)
	}))
}

// noteGroups notices whether the groups have changed.
func (c *connection) noteGroups() {
	for i := range c.sources {
		if names, others := c.sources[i].Groups(); others {
			c.sources[i].groups = names
			c.regrouped = true
		}
	}
}

// groupsToken returns the token of the groups if the client needs another one: its
// groups have changed, or it was accepted since. accepted is what the token says of that.
func (c *connection) groupsToken() (token string, accepted bool) {
	c.noteGroups()
	accepted = c.isStarted()
	if !c.regrouped && (c.proven || !accepted) {
		return "", false
	}
	m := membership{accepted: accepted, groups: make(map[string][]string, len(c.sources))}
	for _, s := range c.sources {
		if s.hub != "" {
			m.hubs = append(m.hubs, s.hub)
			m.groups[s.hub] = s.groups
		}
	}
	// If it fails, it does for now: what has made room for a group may come behind
	// it, by another stream.
	token, _ = c.endpoint.tokens.sealGroups(c.id, m)
	return token, accepted
}

// reusable reports whether a request can go on with the members of the one
// before: its client has exactly what was written to it.
func (c *connection) reusable(q *request, s *stream) bool {
	if c.sources == nil || c.unsure || !sameHubs(c.sources, q.hubs) {
		return false
	}
	if c.written == "" { // nothing was written yet
		return s.cursorText == ""
	}
	return q.transport == longPolling && s.cursorText == c.written
}

func sameHubs(sources []source, hubs []listed) bool {
	i := 0
	for _, s := range sources {
		if s.hub == "" {
			continue
		}
		if i == len(hubs) || hubs[i].name != s.hub || hubs[i].user != s.user {
			return false
		}
		i++
	}
	return i == len(hubs) || hubs[0].hub == nil
}

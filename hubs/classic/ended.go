package classic

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// An endpoint remembers this many ids of connections that clients have stopped, and
// as many of those that the application has ended, for this long. They are apart:
// no client can have another one forgotten by stopping many of its own.
const (
	maxTombstones    = 1 << 15
	tombstoneTimeout = 24 * time.Hour
)

// tombstone marks a connection that has ended for good. Its client may still have
// requests under way, by other sockets and to other nodes, or not know what it was
// told; none of them revives the connection.
type tombstone struct {
	cause error // see isFinal
	until time.Time
	told  bool // the response to a request has said so
	// pending says that the connection is aborted behind what was sent to it before.
	// Its client may come for that to a node that has heard of the Abort alone.
	pending bool
}

// tombstones are those of an endpoint, by id.
type tombstones struct {
	timeout          time.Duration
	byID             map[string]*tombstone
	stopped, aborted []string // ids, the oldest first
}

func (t *tombstones) init(o *options) {
	t.byID = make(map[string]*tombstone)
	t.timeout = max(tombstoneTimeout, 2*o.disconnectTimeout)
	if o.tokenLifetime > 0 { // then the connection token is of no use any more
		t.timeout = min(t.timeout, o.tokenLifetime+o.disconnectTimeout)
	}
}

// add marks a connection, if it is not marked yet, and drops the oldest marks.
func (t *tombstones) add(id string, cause error, now time.Time) {
	if t.byID[id] != nil {
		return
	}
	order := &t.stopped
	if errors.Is(cause, errAborted) {
		order = &t.aborted
	}
	for len(*order) > 0 {
		oldest := (*order)[0]
		if len(*order) < maxTombstones && now.Before(t.byID[oldest].until) {
			break
		}
		delete(t.byID, oldest)
		*order = (*order)[1:]
	}
	*order = append(*order, id)
	t.byID[id] = &tombstone{cause: cause, until: now.Add(t.timeout)}
}

// lastResponse is what a client has still to get of a connection that has ended.
type lastResponse struct {
	text  []byte
	until time.Time
}

// dismissed is the error of a request to receive by a connection that has ended.
type dismissed struct {
	cause error
	last  []byte // what the client has still to get; nil: nothing
}

func (d *dismissed) Error() string { return d.cause.Error() }

// text returns what the client still gets: at the end, that it need not come back.
// Who has stopped by itself is told nothing.
func (d *dismissed) text(cursor string) []byte {
	if d.last != nil {
		return d.last
	}
	r := response{cursor: cursor, failure: failureOf(d.cause)}
	return r.append(nil)
}

// errConnectionEnded refuses requests of connections that have ended. Clients that
// do not understand the response before, those older than 2.4, give up after some of
// these.
var errConnectionEnded = &refusal{status: http.StatusBadRequest, text: textEnded}

// errNoConnection refuses requests of connections that are nowhere.
var errNoConnection = &refusal{status: http.StatusBadRequest, text: "There is no such connection."}

// bury marks a connection that has ended for good. last is what its client has still
// to get, nil if nothing is.
func (e *Endpoint) bury(id string, cause error, last []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.buryLocked(id, cause, last)
}

// buryLocked is bury with the table locked.
func (e *Endpoint) buryLocked(id string, cause error, last []byte) {
	now := time.Now()
	switch t := e.ended.byID[id]; {
	case t == nil:
		e.ended.add(id, cause, now)
	case t.pending:
		t.pending, t.cause = false, cause
	default:
		return
	}
	if last != nil && !e.stopped { // else it comes for it to nobody
		e.unread[id] = lastResponse{last, now.Add(e.opts.disconnectTimeout)}
		e.startBeat()
	}
}

// dropUnread drops the responses that clients have not come for.
func (e *Endpoint) dropUnread(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, last := range e.unread {
		if now.After(last.until) {
			delete(e.unread, id)
		}
	}
	e.endBeat()
}

// causeOfEnd returns why a connection has ended for good, nil if it has not. anew says
// that the connection does not come for what was sent to it before.
func (e *Endpoint) causeOfEnd(id string, anew bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t := e.ended.byID[id]; t != nil && (anew || !t.pending) {
		return t.cause
	}
	return nil
}

// hasEnded reports whether a connection has ended for good, or is about to.
func (e *Endpoint) hasEnded(id string) bool {
	if e.causeOfEnd(id, true) != nil {
		return true
	}
	c := e.lookup(id)
	return c != nil && c.isOver()
}

// final returns what its client has still to get of a connection that has ended for
// good, and why it has ended, nil if it has not.
func (c *connection) final() (last []byte, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended && isFinal(c.cause) {
		cause = c.cause
	}
	return c.last, cause
}

// isOver reports whether the connection has ended for good.
func (c *connection) isOver() bool {
	_, cause := c.final()
	return cause != nil
}

// dismissal returns the error of a request to receive by a connection that has ended
// for good; nil if it has not. c is the connection, if it is in the table still. The
// table is locked.
func (e *Endpoint) dismissal(q *request, c *connection) error {
	id := q.id
	if c != nil {
		if last, cause := c.final(); cause != nil {
			e.buryLocked(id, cause, last)
		}
	}
	t := e.ended.byID[id]
	if t == nil || t.pending && !q.isConnect() {
		return nil
	}
	if t.told {
		return errConnectionEnded
	}
	d := &dismissed{cause: t.cause, last: e.unread[id].text}
	delete(e.unread, id)
	t.told = d.last == nil // else the next request is told
	return d
}

// serveAbort ends a connection by its client's wish, wherever it is.
func (e *Endpoint) serveAbort(q *request) error {
	if !e.stopHere(q.id) && e.farm && e.raw == nil {
		for _, h := range e.channels(q.hubs) {
			if err := h.Push(q.r.Context(), q.id, []byte(commandStopped)); err != nil {
				return err
			}
		}
	}
	q.w.Header().Set("Content-Type", "text/plain")
	return nil
}

// stopHere ends a connection of this node by its client's wish. false: it is not
// here, and must not come.
func (e *Endpoint) stopHere(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.connections[id]; c != nil {
		c.end(errStopped)
		if c.isOver() {
			return true
		}
	}
	e.buryLocked(id, errStopped, nil)
	return false
}

// tellEnd tells the other nodes that the connection has ended for good.
func (c *connection) tellEnd(cause error, last []byte) {
	e := c.endpoint
	if !e.farm || e.raw != nil || errors.As(cause, new(*elsewhere)) || errors.Is(cause, errUnproven) {
		return
	}
	command := commandGone
	if errors.Is(cause, errAborted) {
		command = commandAborted + string(last)
	}
	e.later(func(ctx context.Context) {
		if err := e.channel(c.hubs).Push(ctx, c.id, []byte(command)); err != nil {
			e.warn("other nodes cannot be told that a connection has ended", "connection", c.id, "error", err)
		}
	})
}

// endIn returns what the client of a connection that has to end by a command has
// still to get, and why it has to end, nil if it has not.
func endIn(command []byte) (last []byte, cause error) {
	text := string(command)
	switch {
	case text == commandStopped:
		return nil, errStopped
	case text == commandGone:
		return nil, &elsewhere{errStopped}
	case strings.HasPrefix(text, commandAborted):
		if text = text[len(commandAborted):]; text != "" {
			last = []byte(text)
		}
		return last, &elsewhere{errAborted}
	}
	return nil, nil
}

// heard notes what the nodes of the farm say of connections, here or elsewhere; no
// message: the application aborts one.
func (e *Endpoint) heard(id string, message []byte) {
	if message == nil {
		e.hearAbort(id)
		return
	}
	if !e.farm || len(message) == 0 || message[0] != commandMark {
		return
	}
	last, cause := endIn(message)
	if cause == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.connections[id]
	if c != nil {
		last = nil // it has its own
	}
	e.buryLocked(id, cause, last)
	if c != nil && c.log != nil { // others come across it where they take their messages
		c.end(cause)
	}
}

// hearAbort marks a connection that the application aborts. The node that it is on, or
// comes back to, ends it.
func (e *Endpoint) hearAbort(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended.byID[id] == nil {
		e.ended.add(id, errAborted, time.Now())
		e.ended.byID[id].pending = true
	}
	if c := e.connections[id]; c != nil && c.log != nil { // others come across it where they take their messages
		c.abort()
	}
}

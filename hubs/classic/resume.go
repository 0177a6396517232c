package classic

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-signalr/signalr/scaleout"
)

// point is from where a connection goes on: the positions, and the groups that it was in
// there, by hub. A hub without positions has what is sent from now on.
type point struct {
	groups    map[string][]string
	positions map[string][]scaleout.Position
}

// errUnproven is the cause of a connection that cannot be resumed: the logs do not reach
// back to where its client was.
var errUnproven = errors.New("classic: nobody knows any more what has happened to the connection meanwhile")

// resume makes the connection reachable on this node, by where its client says that it
// is (classic reference 9.5). The client is believed what it has been given, a cursor and
// the groups token of the same time; what has happened since, the application's Abort
// included, is in the logs. If these do not reach back, or the client has lost what it was
// given, the connection goes on from what this node knows of it. If it knows nothing, the
// connection begins anew, where the application has not accepted it yet, and else cannot
// be resumed ([errUnproven]). Another error is that the broker does not tell.
//
// The other nodes are told before the client gets anything. The caller has the turn.
func (c *connection) resume(q *request, s *stream, known bool) error {
	client := s.point(c, q)
	regrouped := false
	if c.log != nil || q.isConnect() { // nothing has to be proven
		if c.admitted, s.anew = true, client == nil; s.anew {
			client = &point{}
		}
		c.attach(q, *client)
	} else {
		here, err := c.here(q)
		if err == nil {
			regrouped, err = c.prove(q, s, client, here)
		}
		if err != nil {
			return err
		}
	}
	c.mark, c.proven, c.regrouped = s.mark, s.accepted, regrouped
	if s.anew || regrouped || !q.isPoll() {
		s.greet.Store(true)
	}
	first := !known && q.isConnect() && q.transport == webSockets // which clients try before all others
	if !first && c.log == nil && c.endpoint.farm {
		c.moved(q)
	}
	return nil
}

// prove attaches the connection at the first point since when the logs tell everything:
// that of the client, if it has one, or that of this node. It reports whether the groups
// may be others than those of the client's token.
func (c *connection) prove(q *request, s *stream, client *point, here *point) (regrouped bool, err error) {
	for _, p := range []*point{client, here} {
		if p == nil {
			continue
		}
		c.attach(q, *p)
		err := c.probe(s)
		if errors.Is(err, errUnproven) {
			continue
		}
		if err != nil && !c.admitted {
			c.detach()
			return false, err
		}
		c.admitted = true
		return p == here, nil
	}
	c.detach()
	if s.accepted || c.isBegun() {
		return false, errUnproven
	}
	c.attach(q, point{})
	c.admitted, s.anew = true, true
	return s.member != nil, nil
}

// probe takes what there is for the client first. It has no error for a connection that
// was aborted: its client still gets what was sent to it before.
func (c *connection) probe(s *stream) error {
	ctx, cancel := context.WithTimeout(s.ctx, takeTimeout)
	defer cancel()
	var r response
	_, err := c.gather(ctx, &r, s.transport.atOnce(), maxPollBytes)
	c.parked = r.messages
	switch {
	case errors.Is(err, errAborted):
		c.aborting.Store(true)
		s.doomed = true
		return nil
	case errors.Is(err, errLeft): // which is noticed next
		return nil
	}
	return err
}

// allow refuses a request to receive by if too much was read of the logs for the
// connection and the request might need more.
func (c *connection) allow(q *request, s *stream) error {
	if q.isConnect() || c.endpoint.reads.allows(c.id, time.Now()) {
		return nil
	}
	c.turn.take()
	reusable := c.reusable(q, s)
	c.turn.give()
	if reusable {
		return nil
	}
	s.end(endLost)
	c.release(s)
	return errReads
}

// point returns where the client says that it is; nil: it does not know any more.
func (s *stream) point(c *connection, q *request) *point {
	if !s.genuine {
		return nil
	}
	names, streams := q.layout(c)
	if c.log == nil && s.member != nil && s.cursor.shape != shapeOf(names, streams) {
		names = s.member.hubs // it may not use all of these any more
		streams = func(i int) int {
			if h := c.endpoint.find(names[i]); h != nil {
				return h.hub.Streams()
			}
			return 0
		}
	}
	if s.cursor.shape != shapeOf(names, streams) || len(s.cursor.positions) != len(names) {
		return nil
	}
	p := &point{positions: make(map[string][]scaleout.Position, len(names))}
	for i, name := range names {
		if len(s.cursor.positions[i]) != streams(i) {
			return nil
		}
		p.positions[name] = s.cursor.positions[i]
	}
	if s.member != nil {
		p.groups = s.member.groups
	}
	return p
}

// here returns where this node has brought the connection, as far as it can now; nil: it
// does not know it. The error is that the client has stopped the connection.
func (c *connection) here(q *request) (*point, error) {
	ctx, cancel := context.WithTimeout(c.ctx, takeTimeout)
	defer cancel()
	if err := c.discard(ctx); errors.Is(err, errStopped) {
		return nil, err
	}
	c.noteGroups()
	p := &point{make(map[string][]string), make(map[string][]scaleout.Position)}
	for _, h := range q.hubs {
		i := slices.IndexFunc(c.sources, func(s source) bool { return s.hub == h.name && s.user == h.user })
		if i < 0 {
			return nil, nil
		}
		p.groups[h.name], p.positions[h.name] = c.sources[i].groups, c.sources[i].Cursor()
	}
	return p, nil
}

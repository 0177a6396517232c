package hubs

import (
	"context"
	"net/http"
	"sync"

	"github.com/go-signalr/signalr/transports"
)

// connection is what is behind a [Context]: a session, or a guest's during one
// of its requests.
type connection interface {
	connectionID() string
	user() string
	request() *http.Request
	transport() transports.Kind
	// values are what the application keeps with the connection.
	values() *sync.Map
	// lifetime is done when the connection ends.
	lifetime() context.Context
	// abort ends the connection by the application's wish; cause may be nil.
	abort(cause error)
	// sendBack sends a message to the connection itself.
	sendBack(ctx context.Context, b *broadcast) error
	// beforeQuestion is called before application code waits for the answer of
	// a client; the call is nil in OnConnected and OnDisconnected.
	beforeQuestion(*call) error
}

func (s *session) connectionID() string       { return s.conn.ID() }
func (s *session) user() string               { return s.userID }
func (s *session) request() *http.Request     { return s.conn.Request() }
func (s *session) transport() transports.Kind { return s.conn.Transport() }
func (s *session) lifetime() context.Context  { return s.ctx }

func (s *session) values() *sync.Map {
	if items := s.items.Load(); items != nil {
		return items
	}
	s.items.CompareAndSwap(nil, new(sync.Map))
	return s.items.Load()
}

func (s *session) sendBack(ctx context.Context, b *broadcast) error {
	frame, err := b.frame(s.encoding)
	if err != nil {
		return err
	}
	if err := s.sendWait(ctx, frame); ctx.Err() != nil {
		return err
	}
	return nil // a connection that has ended is not an error
}

func (s *session) beforeQuestion(c *call) error {
	switch {
	case c != nil:
		return s.giveSlot(c)
	case !s.wasConnected():
		return ErrInOnConnected
	}
	return nil
}

// departed is the connection of the Context of OnDisconnected: it has ended, and the
// context has not.
type departed struct {
	*session
	ctx context.Context
}

func (d departed) lifetime() context.Context { return d.ctx }

// sendBack drops the message: nobody would read it, nor make room for it.
func (d departed) sendBack(ctx context.Context, b *broadcast) error {
	if _, err := b.frame(d.encoding); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// enlist makes the session reachable.
func (s *session) enlist() {
	s.encoding.connections.Add(1)
	if !s.hub.registry.add(s) {
		s.encoding.connections.Add(-1)
	}
}

// delist makes the session unreachable.
func (s *session) delist() {
	if s.hub.registry.remove(s) {
		s.encoding.connections.Add(-1)
	}
}

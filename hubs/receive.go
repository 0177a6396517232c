package hubs

import (
	"bytes"
	"errors"
	"math"
	"time"

	"github.com/go-signalr/signalr/protocol"
)

// Receive takes bytes from the client, cuts messages out of them and handles
// each. It blocks only while the client's input buffer is full.
func (s *session) Receive(data []byte) {
	s.busy.Store(true)
	defer func() {
		s.received.Store(true) // it may have been held up for long
		s.busy.Store(false)
	}()
	defer func() {
		if v := recover(); v != nil { // in an option of the application's, such as its user ids
			s.hub.logPanic(s.conn.ID(), "", v)
			s.fail(&panicError{v})
		}
	}()
	if len(s.partial) > 0 {
		s.partial = append(s.partial, data...)
		if s.stillPartial(data) {
			return
		}
		data = s.partial
	}
	rest := s.split(data)
	if len(rest) == 0 {
		s.partial = nil // idle connections keep no memory
	} else {
		s.partial = append(s.partial[:0], rest...)
	}
	s.inside.Store(len(rest) > 0)
}

// stillPartial reports that the data added to partial does not complete a record,
// so that the beginning of a long one is not searched again for every piece.
func (s *session) stillPartial(added []byte) bool {
	limit := s.hub.config.maxMessageSize
	return (s.encoding == nil || s.encoding.records) && (limit == 0 || len(s.partial) <= limit) &&
		bytes.IndexByte(added, protocol.RecordSeparator) < 0
}

// split handles the whole messages of data and returns what is left. After the
// session has ended it drops everything.
func (s *session) split(data []byte) []byte {
	for len(data) > 0 && !s.isEnding() {
		var frame []byte
		var err error
		limit := s.hub.config.maxMessageSize
		if s.encoding == nil {
			frame, data, err = protocol.SplitRecord(data, limit)
		} else {
			frame, data, err = s.encoding.protocol.Split(data, limit)
		}
		switch {
		case err != nil && s.encoding == nil:
			s.refuseHandshake(textHandshakeCanceled, err)
		case err != nil:
			s.refuseMessage(err)
		case frame == nil:
			return data
		case s.encoding == nil:
			s.handshake(frame)
		default:
			if err = s.receive(frame); err != nil {
				s.refuseMessage(err)
			}
		}
	}
	return nil
}

// refuseMessage ends a session whose client sends what is not valid.
func (s *session) refuseMessage(err error) {
	s.hub.logger.Debug("message refused", "connection", s.conn.ID(), "error", err)
	s.fail(err)
}

// receive handles one message.
func (s *session) receive(frame []byte) error {
	message, err := s.encoding.protocol.Parse(frame)
	if err != nil {
		return err
	}
	if s.relay != nil && !s.relay.receive(message) {
		return nil // a repetition
	}
	switch m := message.(type) {
	case *protocol.Invocation:
		s.invocation(m, len(frame))
		s.encoding.recycle(m)
		s.holdBack()
	case *protocol.StreamItem:
		if u := s.findUpload(m.InvocationID); u != nil {
			u.push(m.Item)
			s.holdBack()
		}
	case *protocol.Completion:
		s.completion(m)
	case *protocol.CancelInvocation:
		s.cancelCall(m.InvocationID)
	case *protocol.Ping: // received is all that it is for
	case *protocol.Close:
		var cause error
		if m.Error != "" {
			cause = NewError(m.Error)
		}
		s.conn.Ending(nil) // whatever the client says about it
		s.end(&protocol.Close{}, cause)
	case *protocol.Ack:
		if s.relay != nil { // else it means nothing
			return s.relay.ack(m.SequenceID)
		}
	case *protocol.Sequence:
		if s.relay != nil {
			return s.relay.sequence(m.SequenceID)
		}
	}
	return nil // messages of unknown types are for newer servers
}

// inputWhileAsked is how many times as much as otherwise may wait of what a client
// has sent while the client is asked for a result: its answer comes behind that, and
// the calls that could make room may be those that wait for the answer.
const inputWhileAsked = 16

// setAsked says whether the client is asked for a result.
func (s *session) setAsked(asked bool) {
	limit := int64(s.hub.config.inputBuffer)
	if asked {
		limit = min(limit, math.MaxInt64/inputWhileAsked) * inputWhileAsked
	}
	s.input.setLimit(limit)
}

// holdBack waits while too much of what the client has sent waits itself. Those who
// wait for an answer of the client, which could not be read meanwhile, do not wait for
// ever: they may be what holds it back.
func (s *session) holdBack() {
	if !s.input.full() {
		return
	}
	s.conn.StartDeferred()
	if s.relay != nil {
		s.relay.setDeaf(true)
		defer s.relay.setDeaf(false)
	}
	patience := time.NewTimer(s.hub.config.clientTimeout)
	defer patience.Stop()
	for !s.input.wait(patience.C) {
		s.hub.results.drop(s, outcomeUnheard)
		patience.Reset(s.hub.config.clientTimeout)
	}
}

// completion is the end of an upload or the answer to a client result.
func (s *session) completion(m *protocol.Completion) {
	if u := s.findUpload(m.InvocationID); u != nil {
		s.endUpload(u, m.Error)
		return
	}
	s.hub.results.complete(s, m)
}

// The texts of refused handshakes.
const (
	textHandshakeCanceled = "Handshake was canceled."
	textHandshakeError    = "An unexpected error occurred during connection handshake."
)

// errHandshakeTimeout is the end of a client that does not complete its handshake.
var errHandshakeTimeout = errors.New("hubs: no complete handshake within the handshake timeout")

// handshake answers the first message of the client.
func (s *session) handshake(frame []byte) {
	request, err := protocol.ParseHandshake(frame)
	if err != nil {
		s.refuseHandshake(textHandshakeError+detail(err, s.hub.config.detailedErrors), err)
		return
	}
	chosen, err := protocol.Choose(request, s.hub.protocols, s.conn.Transport().Binary())
	if err != nil {
		text := textHandshakeError
		if refused := (*protocol.HandshakeError)(nil); errors.As(err, &refused) {
			text = refused.Text
		}
		s.refuseHandshake(text, err)
		return
	}
	for _, e := range s.hub.encodings {
		if e.protocol == chosen {
			s.encoding = e
		}
	}
	s.userID = s.conn.Identity()
	s.conn.SetBinary(chosen.Format() == protocol.Binary)
	s.connect(s.conn.StatefulReconnect() && request.Version >= 2)
}

// refuseHandshake ends a session that has not begun.
func (s *session) refuseHandshake(text string, cause error) {
	s.mu.Lock()
	refused := s.phase == phaseHandshake
	if refused {
		_ = s.conn.SendLast(protocol.AppendHandshakeResponse(nil, text)) // or nobody is left to be told
		s.endLocked(nil)
	}
	s.mu.Unlock()
	if refused {
		s.hub.logger.Debug("handshake refused", "connection", s.conn.ID(), "error", cause)
	}
}

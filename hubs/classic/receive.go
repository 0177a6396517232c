package classic

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// serveStream answers a request by which a client receives.
func (e *Endpoint) serveStream(q *request) error {
	switch q.transport {
	case serverSentEvents, foreverFrame:
		if err := e.policy.CanStream(q.w, q.r, q.transport.String()); err != nil {
			return &refusal{status: http.StatusNotImplemented, cause: err, logged: true}
		}
	}
	s := newStream(q.transport, q.r.Context())
	if q.transport == longPolling {
		const escaped = 3
		if err := q.readForm(escaped*(e.cursorLimit+maxGroupsToken), e.opts.sendTimeout); err != nil {
			return err
		}
	}
	if err := e.resume(q, s); err != nil {
		return err
	}
	for _, h := range q.hubs {
		if t := h.policy.Expires(q.r); !t.IsZero() && (q.expires.IsZero() || t.Before(q.expires)) {
			q.expires = t
		}
	}
	switch q.transport {
	case webSockets:
		return e.serveSocket(q, s)
	case serverSentEvents:
		return e.serveBody(q, s, newEvents(q, e.opts.sendTimeout))
	case foreverFrame:
		frame, err := newFrame(q, e.opts.sendTimeout)
		if err != nil {
			return err
		}
		return e.serveBody(q, s, frame)
	default:
		return e.serveBody(q, s, newPoll(q, e.opts.sendTimeout))
	}
}

// resume reads from where a client wants to go on, and the groups that it is in.
// A groups token that is not valid counts as none (classic reference 3), and so
// does one of other hubs.
func (e *Endpoint) resume(q *request, s *stream) error {
	if q.isConnect() {
		return nil
	}
	if s.mark, s.member = e.membership(q); s.member != nil {
		s.accepted = s.member.accepted
	}
	if s.cursorText = q.value("messageid"); s.cursorText == "" {
		return nil
	}
	c, text, signature, err := parseSigned(s.cursorText)
	if err != nil || len(s.cursorText) > e.cursorLimit {
		return &refusal{status: http.StatusBadRequest, text: textCursor, cause: err}
	}
	s.cursor = c
	s.genuine = hmac.Equal(signature, e.tokens.sign(nil, q.id, s.mark, []byte(text)))
	return nil
}

// membership returns what the client's groups token says, and its mark; nil: it has none.
func (e *Endpoint) membership(q *request) (string, *membership) {
	token := q.value("groupstoken")
	m, err := e.tokens.openGroups(token, q.id)
	if err != nil {
		return "", nil
	}
	for _, h := range q.hubs {
		if _, ok := m.groups[h.name]; !ok && h.hub != nil {
			return "", nil
		}
	}
	return mark(token), m
}

// httpOutlet is the outlet of a transport that is the answer to its request.
type httpOutlet interface {
	outlet
	// begin writes the first bytes.
	begin() error
	// finish writes the last ones, after stop: final is a response with
	// nothing new in it.
	finish(why ending, final []byte)
}

// serveBody serves a client whose transport is the answer to its request.
func (e *Endpoint) serveBody(q *request, s *stream, out httpOutlet) error {
	s.out = out
	c, known, err := e.enter(q, s)
	if d := (*dismissed)(nil); errors.As(err, &d) {
		e.logRefusal(q, http.StatusOK, d)
		dismiss(s, out, d)
		return nil
	}
	if err == nil {
		err = c.allow(q, s)
	}
	if err != nil {
		return err
	}
	e.stats.opened(q.transport)
	defer e.stats.closed(q.transport)
	if err := out.begin(); err != nil {
		if errors.Is(err, http.ErrNotSupported) { // it only looked as if it could be flushed
			e.policy.LogUnfit(q.r, http.StatusOK, q.transport.String(), err)
		}
		s.end(endLost)
	} else {
		c.open(q, s, known)
		c.greeted(q, s)
	}
	select {
	case <-q.r.Context().Done():
		s.end(endLost)
	case <-s.ended:
	}
	c.release(s)
	final := response{cursor: s.cursorText, shutdown: s.reason == endShutdown}
	out.finish(s.reason, final.append(nil))
	return nil
}

// dismiss answers a client whose connection has ended.
func dismiss(s *stream, out httpOutlet, d *dismissed) {
	if out.begin() == nil {
		_ = out.send(d.text(s.cursorText)) // it has to go anyway
	}
	s.end(endClosed)
	out.finish(endAnswered, nil)
}

// padding is how many bytes without meaning a stream begins with: there are proxies and
// virus scanners that hold back a response until they have a few KiB of it.
const padding = 4 << 10

// events is the Server-Sent Events transport (classic reference 5).
type events struct{ *body }

func newEvents(q *request, timeout time.Duration) events { return events{newBody(q.w, timeout)} }

func (t events) begin() error {
	h := t.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")                                                    // asks nginx not to hold events back
	return t.writeFirst(fmt.Appendf(nil, "data: initialized\n\n:%*s\n\n", padding, "")) // a comment
}

// send writes a response as one line: JSON that the application passes on as it is
// may have line breaks between its values.
func (t events) send(response []byte) error {
	event := make([]byte, 0, len(response)+8)
	event = append(append(event, "data: "...), response...)
	for i, c := range event {
		if c == '\n' || c == '\r' {
			event[i] = ' '
		}
	}
	return t.write(append(event, "\n\n"...))
}

func (t events) keepAlive() error { return t.write([]byte("data: {}\n\n")) }

func (t events) finish(ending, []byte) { t.last(nil) }

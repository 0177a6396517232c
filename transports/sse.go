package transports

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// acceptsEvents reports whether a GET asks for Server-Sent Events.
func acceptsEvents(r *http.Request) bool {
	for _, accept := range r.Header.Values("Accept") {
		for media := range strings.SplitSeq(accept, ",") {
			if strings.EqualFold(strings.TrimSpace(media), "text/event-stream") {
				return true
			}
		}
	}
	return false
}

// serveEvents turns a request into the Server-Sent Events transport of a
// connection, and is its writer.
func (e *Endpoint) serveEvents(w http.ResponseWriter, r *http.Request) {
	c := e.lookup(w, r)
	if c == nil {
		return
	}
	if !e.opts.enabled[ServerSentEvents] {
		e.refuseNotEnabled(w, r, ServerSentEvents)
		return
	}
	if !canFlush(w) { // as long as the client can still take another transport
		e.refuseUnfit(w, r, ServerSentEvents, http.ErrNotSupported)
		return
	}
	if !e.dropBody(w, r) {
		return
	}
	t := &events{response: newResponse(w)}
	if b := c.bind(ServerSentEvents, t, r); b != boundOK {
		e.refuseBound(w, r, c, ServerSentEvents, b)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache,no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Encoding", "identity")
	h.Set("X-Accel-Buffering", "no") // asks nginx not to hold events back
	// Before the first event: the client may POST as soon as it gets that.
	c.open()
	err := t.write(c, firstEvent)
	if err == nil {
		err = t.run(c, r)
	} else if errors.Is(err, http.ErrNotSupported) { // it only looked as if it could
		e.Policy().LogUnfit(r, http.StatusOK, ServerSentEvents.String(), err)
	}
	c.out.kill()
	c.close(err)
	c.remove()
}

// firstEvent is a comment, which clients ignore, that lets them know that the stream is
// open. It is long enough for proxies that hold a response back until they have some
// kilobytes of it.
var firstEvent = slices.Concat([]byte(":"), bytes.Repeat([]byte(" "), 4<<10), []byte("\r\n"))

// canFlush reports whether what is written can be sent at once, where
// [http.ResponseController] would find out by doing it.
func canFlush(w http.ResponseWriter) bool {
	for {
		switch x := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = x.Unwrap()
		default:
			return false
		}
	}
}

// events is the Server-Sent Events transport.
type events struct{ *response }

// run writes what comes until the application has finished (nil), the client is
// gone, or the transport is aborted.
func (t *events) run(c *Connection, r *http.Request) error {
	var batch [][]byte
	var state outboxState
	var event []byte
	for {
		if batch, state = c.out.take(batch, 0); batch == nil {
			if state >= outboxFinishing {
				return nil
			}
			event = nil // idle connections keep no memory
			select {
			case <-t.woken:
			case <-t.aborted:
				return ErrAborted
			case <-r.Context().Done():
				return r.Context().Err()
			}
			continue
		}
		for rest := batch; len(rest) > 0; {
			n := joint(rest)
			event = appendEvent(event[:0], rest[:n])
			if err := t.write(c, event); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
}

// appendEvent appends one event whose data is the messages one behind the other.
// Every line break in them, of whatever kind, arrives as a line feed.
func appendEvent(dst []byte, messages [][]byte) []byte {
	const field, end = "data: ", "\r\n"
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	if size == 0 {
		return append(dst, end...)
	}
	dst = append(dst, field...)
	afterCR := false
	for _, m := range messages {
		for len(m) > 0 {
			i := bytes.IndexAny(m, "\r\n")
			if i < 0 {
				dst = append(dst, m...)
				afterCR = false
				break
			}
			if !(afterCR && i == 0 && m[0] == '\n') { // CR LF is one line break
				dst = append(dst, m[:i]...)
				dst = append(dst, end+field...)
			}
			afterCR = m[i] == '\r'
			m = m[i+1:]
		}
	}
	return append(dst, end+end...)
}

// response is the answer to a request that carries a connection for a while. It
// is written by the request's own goroutine.
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	woken   chan struct{} // holds one token when the outbox has something
	aborted chan struct{}

	mu            sync.Mutex
	broke         bool
	writeUnderway bool
}

func newResponse(w http.ResponseWriter) *response {
	r := &response{
		w:       w,
		control: http.NewResponseController(w),
		woken:   make(chan struct{}, 1),
		aborted: make(chan struct{}),
	}
	// The sweep watches over writes; a WriteTimeout of the http.Server would
	// end an event stream or a poll that merely waits.
	_ = r.control.SetWriteDeadline(time.Time{})
	return r
}

func (r *response) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

// abort makes a write that is under way fail.
func (r *response) abort() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broke {
		return
	}
	r.broke = true
	close(r.aborted)
	if r.writeUnderway {
		_ = r.control.SetWriteDeadline(time.Unix(1, 0))
	}
}

// writing surrounds a write, which abort may have to break. After an abort there
// may be a last write: it gets no longer than others.
func (r *response) writing(underway bool, timeout time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writeUnderway = underway
	if underway && r.broke {
		_ = r.control.SetWriteDeadline(time.Now().Add(timeout))
	}
}

// write sends data to the client at once.
func (r *response) write(c *Connection, data ...[]byte) error {
	c.writing()
	defer c.written()
	timeout := c.endpoint.opts.sendTimeout
	r.writing(true, timeout)
	defer r.writing(false, timeout)
	for _, d := range data {
		if _, err := r.w.Write(d); err != nil {
			return err
		}
	}
	return r.control.Flush()
}

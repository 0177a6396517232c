package classic

import (
	"errors"
	"net/http"
	"sync"
	"time"
)

var errEnded = errors.New("classic: the stream has ended")

// body is the answer to a request that carries a connection for a while.
type body struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // of a write

	writes sync.Mutex // held during a write
	whole  bool       // under writes: a response has been written, or part of it

	mu       sync.Mutex
	underway bool // a write that stop makes fail
	stopped  bool
}

func newBody(w http.ResponseWriter, timeout time.Duration) *body {
	b := &body{w: w, control: http.NewResponseController(w), timeout: timeout}
	// A WriteTimeout of the http.Server would end a stream or a poll that merely
	// waits.
	_ = b.control.SetWriteDeadline(time.Time{})
	return b
}

// write sends data to the client at once.
func (b *body) write(data []byte) error { return b.writeBreakable(data, true, false) }

// writeWhole is write for a response that is the only one the request gets.
func (b *body) writeWhole(data []byte) error { return b.writeBreakable(data, true, true) }

// writeFirst is write for the header and the first data. stop does not make it fail:
// no other goroutine waits for it, and a poll that is replaced right then still
// needs a response.
func (b *body) writeFirst(data []byte) error {
	// Without it, the first flush would send a header that middleware which sets
	// Content-Encoding in WriteHeader has not seen.
	b.w.WriteHeader(http.StatusOK)
	return b.writeBreakable(data, false, false)
}

func (b *body) writeBreakable(data []byte, breakable, whole bool) error {
	b.writes.Lock()
	defer b.writes.Unlock()
	b.mu.Lock()
	if b.stopped {
		b.mu.Unlock()
		return errEnded
	}
	b.underway = breakable
	_ = b.control.SetWriteDeadline(time.Now().Add(b.timeout))
	b.mu.Unlock()
	b.whole = b.whole || whole
	err := b.push(data)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underway = false
	if !b.stopped {
		_ = b.control.SetWriteDeadline(time.Time{})
	}
	return err
}

func (b *body) push(data []byte) error {
	if len(data) > 0 {
		if _, err := b.w.Write(data); err != nil {
			return err
		}
	}
	return b.control.Flush()
}

// stop lets nothing more be written.
func (b *body) stop(ending) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.underway {
		_ = b.control.SetWriteDeadline(time.Unix(1, 0))
	}
}

// last waits until nothing is being written after stop, and writes data, of which
// there may be none, unless the request has its only response: a poll can end for
// another reason while that is being written, and two responses in one body are none.
func (b *body) last(data []byte) {
	b.writes.Lock()
	defer b.writes.Unlock()
	if len(data) > 0 && !b.whole {
		_ = b.control.SetWriteDeadline(time.Now().Add(b.timeout))
		_ = b.push(data) // a client that went away needs no answer
	}
	_ = b.control.SetWriteDeadline(time.Time{})
}

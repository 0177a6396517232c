package classic

import (
	"errors"
	"net/http"
	"time"
)

// poll is the long-polling transport while one poll waits (classic reference 5).
type poll struct {
	*body
	q *request
}

func newPoll(q *request, timeout time.Duration) poll { return poll{newBody(q.w, timeout), q} }

func (t poll) begin() error {
	t.w.Header().Set("Content-Type", t.q.contentType())
	t.w.Header().Set("X-Accel-Buffering", "no")
	return unflushed(t.writeFirst(nil)) // the header alone
}

func (t poll) send(response []byte) error { return unflushed(t.writeWhole(t.q.wrap(response))) }

// keepAlive writes what parsers skip, of JSON and of the scripts of JSONP.
func (t poll) keepAlive() error { return unflushed(t.write([]byte(" "))) }

// unflushed lets a write be that could not be flushed: it leaves when the poll ends, which
// is what its client waits for.
func unflushed(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// finish answers a poll that has no answer yet, unless nobody is there to get it.
func (t poll) finish(why ending, final []byte) {
	if why == endAnswered || why == endLost {
		final = nil
	} else {
		final = t.q.wrap(final)
	}
	t.last(final)
}

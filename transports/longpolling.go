package transports

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// servePoll answers one poll of the long-polling transport.
func (e *Endpoint) servePoll(w http.ResponseWriter, r *http.Request) {
	noCache(w)
	c := e.lookup(w, r)
	if c == nil {
		return
	}
	if !e.opts.enabled[LongPolling] {
		e.refuseNotEnabled(w, r, LongPolling)
		return
	}
	if !e.dropBody(w, r) {
		return
	}
	p := &poll{response: newResponse(w), superseded: make(chan struct{}), done: make(chan struct{})}
	switch b := c.bindPoll(p, r); b {
	case boundOK:
	case boundCancelled:
		return
	default:
		e.refuseBound(w, r, c, LongPolling, b)
		return
	}
	last := p.answer(c, r, e.opts.pollTimeout)
	c.unbindPoll(p)
	if last {
		c.close(nil)
		c.remove()
	}
}

// poll is the long-polling transport while one poll waits.
type poll struct {
	*response
	first      bool
	superseded chan struct{} // closed when the next poll takes over
	asked      bool          // superseded is closed; under Connection.mu
	done       chan struct{} // closed when this one is over
}

// bindPoll makes p the connection's transport, after the poll that is it now has
// ended. The first poll opens the connection.
func (c *Connection) bindPoll(p *poll, r *http.Request) bound {
	switch b := c.bind(LongPolling, p, r); b {
	case boundOK:
		p.first = true
		c.open()
		return boundOK
	case boundAlready:
	default:
		return b
	}
	expires := expiry(c.endpoint.opts.expires(r))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport != nil {
		if c.pollWaits {
			return boundAlready
		}
		before := c.transport.(*poll)
		c.pollWaits = true
		if !before.asked { // by a poll that went away since
			before.asked = true
			close(before.superseded)
		}
		c.mu.Unlock()
		select {
		case <-before.done:
		case <-r.Context().Done():
		}
		c.mu.Lock()
		c.pollWaits = false
		switch {
		case r.Context().Err() != nil:
			return boundCancelled
		case c.transport != nil: // a third poll was faster
			return boundAlready
		}
	}
	if c.disposed {
		return boundDisposed
	}
	c.transport = p
	c.expires = expires
	return boundOK
}

// unbindPoll leaves the connection without transport until the next poll. The
// time until that counts from now, unless the next one is here already.
func (c *Connection) unbindPoll(p *poll) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport == transport(p) {
		c.transport = nil
		c.idleSince = time.Now()
	}
	close(p.done)
}

// answer waits for something to answer with. last says that the connection has
// come to its end.
func (p *poll) answer(c *Connection, r *http.Request, timeout time.Duration) (last bool) {
	if p.first { // the client drops a body here
		p.reply(c, http.StatusOK)
		return false
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	for {
		if r.Context().Err() != nil {
			return false // nobody would get what is taken now
		}
		batch, state := c.out.take(nil, 0)
		switch {
		case batch != nil:
			if p.reply(c, http.StatusOK, batch...) != nil {
				c.end(context.Canceled) // what was taken is lost
				return true
			}
			return false
		case state == outboxDead:
			p.reply(c, http.StatusNoContent)
			return true
		case state == outboxFinishing && c.faulted.Load():
			p.reply(c, http.StatusInternalServerError)
			return true
		case state == outboxFinishing:
			p.reply(c, http.StatusNoContent)
			return true
		}
		select {
		case <-p.woken:
		case <-p.superseded: // not 204, which ends a client that a proxy gives this response
			p.reply(c, http.StatusOK)
			return false
		case <-p.aborted:
			p.reply(c, http.StatusNoContent)
			return true
		case <-timer.C:
			p.reply(c, http.StatusOK)
			return false
		case <-r.Context().Done():
			return false
		}
	}
}

// reply answers the poll with a body of exactly the messages.
func (p *poll) reply(c *Connection, status int, messages ...[]byte) error {
	if status != http.StatusNoContent {
		size := 0
		for _, m := range messages {
			size += len(m)
		}
		contentType := "application/octet-stream"
		if status == http.StatusInternalServerError {
			contentType = "text/plain"
		}
		p.w.Header().Set("Content-Type", contentType)
		p.w.Header().Set("Content-Length", strconv.Itoa(size))
	}
	p.w.WriteHeader(status)
	if err := p.write(c, messages...); !errors.Is(err, http.ErrNotSupported) { // a poll needs no Flusher
		return err
	}
	return nil
}

// serveDelete ends a long-polling connection by the client's wish.
func (e *Endpoint) serveDelete(w http.ResponseWriter, r *http.Request) {
	c := e.lookup(w, r)
	if c == nil {
		return
	}
	if c.Transport() != LongPolling {
		e.refuse(w, r, http.StatusBadRequest, textNoTerminate, errNoTerminate, "connection", c.ID())
		return
	}
	c.terminate()
	answer(w, http.StatusAccepted, "")
}

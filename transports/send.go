package transports

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// slowestPost is how many bytes a second a client must send of the body of a POST in the
// long run: the send timeout is how far it may fall behind.
const slowestPost = 4 << 10

// serveSend takes bytes from a client whose transport has no way up. The response is
// sent when the application has taken them, which holds the client back. If the
// connection ends in between, the response is 200 as soon as any of them were taken:
// the client must not take them for lost.
func (e *Endpoint) serveSend(w http.ResponseWriter, r *http.Request) {
	c := e.lookup(w, r)
	if c == nil {
		return
	}
	switch c.Transport() {
	case 0:
		e.refuse(w, r, http.StatusBadRequest, "", errNotOpen, "connection", c.ID())
		return
	case WebSockets:
		e.refuse(w, r, http.StatusMethodNotAllowed, textNoPost, errNoPost, "connection", c.ID())
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // over HTTP/2 nothing could be read after it
	// One that is slow has ended by then, so that a client whose network has changed goes on.
	switch err := c.lockInput(r.Context(), 2*e.opts.sendTimeout); {
	case errors.Is(err, errSlowPost):
		e.boundBody(w, r)
		e.refuse(w, r, http.StatusRequestTimeout, "", err, "connection", c.ID())
		return
	case err != nil:
		return // the client is gone
	}
	defer c.unlockInput()
	buffer := e.webSockets.readBuffers.Get().(*[readSize]byte)
	defer e.webSockets.readBuffers.Put(buffer)
	taken := false
	patience := e.opts.sendTimeout
	for {
		begin := time.Now()
		_ = control.SetReadDeadline(begin.Add(patience))
		n, err := r.Body.Read(buffer[:])
		patience = min(patience-time.Since(begin)+time.Duration(n)*(time.Second/slowestPost), e.opts.sendTimeout)
		if err == nil || errors.Is(err, io.EOF) { // else net/http would wait for the rest of the body
			_ = control.SetReadDeadline(time.Time{})
		}
		if n > 0 {
			deliverErr := c.deliver(buffer[:n])
			if deliverErr != nil {
				e.boundBody(w, r)
			}
			switch {
			case deliverErr == nil:
				taken = true
			case taken:
				answer(w, http.StatusOK, "")
				return
			case errors.Is(deliverErr, ErrClosed):
				e.refuse(w, r, http.StatusNotFound, "", errEnded, "connection", c.ID())
				return
			default:
				e.refuse(w, r, http.StatusBadRequest, "", deliverErr, "connection", c.ID())
				return
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			answer(w, http.StatusOK, "")
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			e.refuse(w, r, http.StatusRequestTimeout, "", errSlowBody, "connection", c.ID())
			return
		default:
			e.refuse(w, r, http.StatusBadRequest, "", err, "connection", c.ID())
			return
		}
	}
}

// lockInput serialises the POSTs of one connection. One waits no longer than the limit
// for others whose bodies are slow to come, and as long as it takes for the application.
func (c *Connection) lockInput(ctx context.Context, limit time.Duration) error {
	c.mu.Lock()
	if c.input == nil {
		c.input = make(chan struct{}, 1)
	}
	c.mu.Unlock()
	select {
	case c.input <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case c.input <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			if !c.delivering.Load() {
				return errSlowPost
			}
			timer.Reset(limit)
		}
	}
}

func (c *Connection) unlockInput() { <-c.input }

// deliver hands bytes to the application. The error is nil once the bytes were taken,
// even if the connection has ended since. The input is locked.
func (c *Connection) deliver(data []byte) error {
	c.mu.Lock()
	receiver, over := c.receiver, c.disposed || c.finished || c.kind == WebSockets
	c.mu.Unlock()
	switch {
	case over:
		return ErrClosed
	case receiver == nil:
		return errNotOpen
	}
	c.delivering.Store(true)
	defer c.delivering.Store(false)
	receiver.Receive(data)
	c.StartDeferred()
	return nil
}

package transports

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// serveSend takes bytes from a client whose transport has no way up (reference
// 2.6). The response is sent when the application has taken them, which holds the
// client back. If the connection ends in between, the response is 200 as soon as any
// of them were taken: the client must not take them for lost.
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
	if err := c.lockInput(r.Context()); err != nil {
		return // the client is gone
	}
	defer c.unlockInput()
	control := http.NewResponseController(w)
	buffer := e.webSockets.readBuffers.Get().(*[readSize]byte)
	defer e.webSockets.readBuffers.Put(buffer)
	taken := false
	for {
		// A client that trickles holds up its own sends, and not for ever.
		_ = control.SetReadDeadline(time.Now().Add(e.opts.sendTimeout))
		n, err := r.Body.Read(buffer[:])
		if err == nil || errors.Is(err, io.EOF) { // else net/http would wait for the rest of the body
			_ = control.SetReadDeadline(time.Time{})
		}
		if n > 0 {
			switch deliverErr := c.deliver(buffer[:n]); {
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
		default:
			e.refuse(w, r, http.StatusBadRequest, "", err, "connection", c.ID())
			return
		}
	}
}

// lockInput serialises the POSTs of one connection.
func (c *Connection) lockInput(ctx context.Context) error {
	c.mu.Lock()
	if c.input == nil {
		c.input = make(chan struct{}, 1)
	}
	c.mu.Unlock()
	select {
	case c.input <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
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
	receiver.Receive(data)
	c.StartDeferred()
	return nil
}

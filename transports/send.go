package transports

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// serveSend takes bytes from a client whose transport has no way up (reference
// 2.6). The answer comes when the application has taken them, which holds the
// client back.
func (e *Endpoint) serveSend(w http.ResponseWriter, r *http.Request) {
	c := e.lookup(w, r)
	if c == nil {
		return
	}
	if c.Transport() == WebSockets {
		refuse(w, http.StatusMethodNotAllowed, textNoPost)
		return
	}
	if err := c.lockInput(r.Context()); err != nil {
		return // the client is gone
	}
	defer c.unlockInput()
	control := http.NewResponseController(w)
	buffer := e.webSockets.readBuffers.Get().(*[readSize]byte)
	defer e.webSockets.readBuffers.Put(buffer)
	for {
		// A client that trickles holds up its own sends, and not for ever.
		_ = control.SetReadDeadline(time.Now().Add(e.opts.sendTimeout))
		n, err := r.Body.Read(buffer[:])
		if err == nil || errors.Is(err, io.EOF) { // else net/http would wait for the rest of the body
			_ = control.SetReadDeadline(time.Time{})
		}
		if n > 0 {
			switch deliverErr := c.deliver(r.Context(), buffer[:n]); {
			case errors.Is(deliverErr, ErrClosed):
				refuse(w, http.StatusNotFound, "")
				return
			case deliverErr != nil:
				return // the client is gone
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			refuse(w, http.StatusOK, "")
			return
		default:
			refuse(w, http.StatusBadRequest, "")
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

// deliver hands bytes to the application. What comes before the first transport
// request waits for it, up to the buffer size. The input is locked.
func (c *Connection) deliver(ctx context.Context, data []byte) error {
	for {
		c.mu.Lock()
		if c.disposed || c.finished || c.kind == WebSockets {
			c.mu.Unlock()
			return ErrClosed
		}
		if receiver := c.receiver; receiver != nil {
			early := c.early
			c.early = nil
			c.mu.Unlock()
			if len(early) > 0 {
				receiver.Receive(early)
			}
			if len(data) > 0 {
				receiver.Receive(data)
			}
			c.StartDeferred()
			if c.isDisposed() { // it may not have been taken
				return ErrClosed
			}
			return nil
		}
		if len(c.early)+len(data) <= c.endpoint.opts.bufferSize {
			c.early = append(c.early, data...)
			c.mu.Unlock()
			return nil
		}
		if c.opened == nil {
			c.opened = make(chan struct{})
		}
		opened := c.opened
		c.mu.Unlock()
		select {
		case <-opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Connection) isDisposed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.disposed
}

// deliverEarly hands over what came before the connection was opened.
func (c *Connection) deliverEarly() {
	if c.lockInput(context.Background()) == nil {
		defer c.unlockInput()
		_ = c.deliver(context.Background(), nil) // a connection that ended needs it no more
	}
}

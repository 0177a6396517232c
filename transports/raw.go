package transports

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"
)

// pongInterval is how often a raw WebSocket is kept alive.
const pongInterval = 2 * time.Minute

// ConnectionHandler returns a [Handler] for raw connections, which carry bytes
// and no hub messages. serve runs once for each connection, in a
// goroutine of its own; when it returns, what it has written is delivered and
// the connection ends, as failed if it returned an error or panicked.
func ConnectionHandler(serve func(*RawConn) error) Handler { return rawHandler(serve) }

type rawHandler func(*RawConn) error

// Connect starts the handler's function.
func (serve rawHandler) Connect(c *Connection) Receiver {
	conn := &RawConn{connection: c, served: make(chan struct{}), pong: time.Now()}
	conn.changed.L = &conn.mu
	c.raw = true
	conn.ctx, conn.cancel = context.WithCancelCause(c.Request().Context())
	go func() {
		err := conn.run(serve)
		conn.stop(nil)
		c.Finish(err)
		close(conn.served)
	}()
	return (*rawReceiver)(conn)
}

// RawConn is one raw connection: a stream of bytes in each direction. What is
// read has no boundaries; what one Write writes arrives as one WebSocket
// message, one event, or part of a poll's body. One goroutine may read while
// others write.
type RawConn struct {
	connection *Connection
	ctx        context.Context
	cancel     context.CancelCauseFunc
	served     chan struct{} // closed when the function has returned
	pong       time.Time     // of the last one; Tick's own

	mu      sync.Mutex
	changed sync.Cond
	input   []byte
	ended   bool // no more input
}

var _ io.ReadWriteCloser = (*RawConn)(nil)

// Connection returns the connection beneath.
func (c *RawConn) Connection() *Connection { return c.connection }

// Context is done when the connection ends. Its values are those of the
// transport's first request.
func (c *RawConn) Context() context.Context { return c.ctx }

// Read reads what the client has sent. It returns io.EOF after the last byte of
// a connection that has ended, for whatever reason: [context.Cause] of Context
// tells it.
func (c *RawConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.input) == 0 {
		if c.ended {
			return 0, io.EOF
		}
		c.changed.Wait()
	}
	n := copy(p, c.input)
	if c.input = c.input[n:]; len(c.input) == 0 {
		c.input = nil // idle connections keep no memory
	}
	c.changed.Broadcast()
	return n, nil
}

// Write sends p. It waits while more than the buffer size is on its way. On a
// WebSocket, what is not UTF-8 is a binary message, also without
// [Connection.SetBinary].
func (c *RawConn) Write(p []byte) (int, error) {
	// Not with the connection's context: its end still lets a handler say
	// good-bye where the client can hear it.
	if err := c.connection.Write(context.Background(), append([]byte(nil), p...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the connection after what has been written so far. The handler's
// function should return then.
func (c *RawConn) Close() error {
	c.stop(nil)
	c.connection.Finish(nil)
	return nil
}

// stop ends the input.
func (c *RawConn) stop(cause error) {
	c.cancel(cause)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.changed.Broadcast()
}

func (c *RawConn) run(serve func(*RawConn) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			c.connection.logger.Error("the application panicked", "connection", c.connection.ID(),
				"panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("transports: panic: %v", v)
		}
	}()
	return serve(c)
}

// rawReceiver is the transport's side of a RawConn.
type rawReceiver RawConn

func (r *rawReceiver) Receive(data []byte) {
	c := (*RawConn)(r)
	limit := c.connection.endpoint.opts.bufferSize
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.input) > 0 && len(c.input)+len(data) > limit && !c.ended {
		c.changed.Wait()
	}
	if !c.ended {
		c.input = append(c.input, data...)
		c.changed.Broadcast()
	}
}

func (r *rawReceiver) Tick(now time.Time) {
	if now.Sub(r.pong) >= pongInterval {
		r.pong = now
		r.connection.keepAlive()
	}
}

func (r *rawReceiver) Close(cause error) {
	(*RawConn)(r).stop(cause)
	<-r.served
}

// keepAlive sends something that clients ignore.
func (c *Connection) keepAlive() {
	c.mu.Lock()
	t, ok := c.transport.(*webSocket)
	c.mu.Unlock()
	if ok {
		go t.pong()
	}
}

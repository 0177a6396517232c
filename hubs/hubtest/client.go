package hubtest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-signalr/signalr/protocol"
)

// Client is a client of a hub. It is safe for concurrent use, but what fails the
// test at once, as its comment says, may only be called by the test's own
// goroutine.
//
// A client answers the hub's pings with pings of its own, so that the hub does not
// take it for lost (but see [WithoutPings]). It does not reconnect.
type Client struct {
	server   *Server
	id       string
	protocol protocol.Protocol
	silent   bool        // it does not ping by itself
	pinging  atomic.Bool // a ping is being written
	socket   *websocket.Conn
	conn     *conn           // the server's end
	writing  chan struct{}   // holds one element while a message is written
	done     chan struct{}   // closed when the connection has ended and all is read
	ctx      context.Context // done then, for functions of Handle
	end      context.CancelFunc

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when something below changes
	lastID   int
	calls    map[string]*Call       // by their ids, until they are answered
	inbox    []*protocol.Invocation // not yet received by the test, in order
	handlers map[string]*handler    // by lower-case names
	closing  protocol.Close         // the server's last words
	ended    bool                   // with done
}

func newClient(s *Server, id string, p protocol.Protocol) *Client {
	ctx, end := context.WithCancel(context.Background())
	return &Client{
		ctx:      ctx,
		end:      end,
		server:   s,
		id:       id,
		protocol: p,
		writing:  make(chan struct{}, 1),
		done:     make(chan struct{}),
		changed:  make(chan struct{}),
		calls:    make(map[string]*Call),
		handlers: make(map[string]*handler),
	}
}

// ID returns the connection id, by which the hub knows the client.
func (c *Client) ID() string { return c.id }

// Ping sends a ping, as other clients do every 15 seconds. The hub expects one, or
// any message, within its client timeout.
func (c *Client) Ping() {
	c.server.t.Helper()
	if err := c.write(&protocol.Ping{}); err != nil {
		c.server.t.Fatalf("hubtest: ping: %v", err)
	}
}

// Barrier waits until the client has received all that the server has sent to it
// so far: it makes the server answer something, and answers do not overtake what
// was sent before. It does not wait for the client's own calls; [Client.Invoke]
// does. The server's silence fails the test at once.
func (c *Client) Barrier() {
	c.server.t.Helper()
	closed := (*ClosedError)(nil)
	if err := c.barrier(); err != nil && !errors.As(err, &closed) { // then nothing more can come
		c.server.t.Fatalf("hubtest: barrier: %v", err)
	}
}

// barrierMethod is no hub's method. The hub says so without calling any code of
// the application.
const barrierMethod = "hubtest barrier"

func (c *Client) barrier() error {
	err := c.Invoke(barrierMethod)
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return nil
	}
	return err
}

// Close ends the connection properly, as a client does that stops. When it
// returns, the hub's OnDisconnected has returned too. Closing a connection that
// has ended does nothing. A server that keeps the connection open fails the
// test.
func (c *Client) Close() {
	c.server.t.Helper()
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// If it fails, the connection has ended already.
	_ = c.socket.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(c.server.Patience))
	if !c.server.await(c.conn.closed) || !c.server.await(c.done) {
		c.server.t.Errorf("hubtest: the connection is still open after %v: does a hub method not return?", c.server.Patience)
		c.Drop()
	}
}

// Drop breaks the connection without a word, as a failing network does. It does
// not wait for the hub to notice.
func (c *Client) Drop() {
	_ = c.socket.Close()
	<-c.done
}

// Closed waits until the connection has ended and returns what the server said
// about it. If the connection does not end the test fails at once.
func (c *Client) Closed() *ClosedError {
	c.server.t.Helper()
	if !c.server.await(c.done) {
		c.server.t.Fatalf("hubtest: the connection is still open after %v", c.server.Patience)
	}
	return c.closedError()
}

func (c *Client) closedError() *ClosedError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &ClosedError{Text: c.closing.Error, AllowReconnect: c.closing.AllowReconnect}
}

// until waits until ready, which is called with the client locked, reports true.
func (c *Client) until(ready func() bool) error {
	timer := time.NewTimer(c.server.Patience)
	defer timer.Stop()
	for {
		c.mu.Lock()
		if ready() {
			c.mu.Unlock()
			return nil
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			return errPatience
		}
	}
}

// change changes the client and wakes all who wait.
func (c *Client) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Client) nextID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	return strconv.Itoa(c.lastID)
}

// write sends one message. The error is a *ClosedError when the connection has
// ended.
func (c *Client) write(m protocol.Message) error {
	frame, err := c.protocol.Append(nil, m)
	if err != nil {
		return err
	}
	kind := websocket.TextMessage
	if c.protocol.Format() == protocol.Binary {
		kind = websocket.BinaryMessage
	}
	c.writing <- struct{}{} // a mutex would stop the fake time of a bubble
	defer func() { <-c.writing }()
	_ = c.socket.SetWriteDeadline(time.Now().Add(c.server.Patience)) // pipes have deadlines
	if c.socket.WriteMessage(kind, frame) == nil {
		return nil
	}
	// Either the connection has ended or the server reads no more.
	if !c.server.await(c.done) {
		return errPatience
	}
	return c.closedError()
}

// read takes what the server sends until the connection ends. It is the only
// reader; it never waits for the test, so that the server is never held back.
func (c *Client) read(data []byte) {
	defer close(c.done)
	defer c.end()
	defer c.change(func() { c.ended = true })
	defer c.socket.Close()
	for {
		for {
			frame, rest, err := c.protocol.Split(data, 0)
			if err != nil {
				c.server.t.Errorf("hubtest: the server sent %q: %v", data, err)
				return
			}
			if data = rest; frame == nil {
				break
			}
			message, err := c.protocol.Parse(frame)
			if err != nil {
				c.server.t.Errorf("hubtest: the server sent %q: %v", frame, err)
				return
			}
			c.receive(message)
		}
		_, message, err := c.socket.ReadMessage()
		if err != nil {
			return
		}
		data = append(data, message...) // frames alias what lies before
	}
}

// receive takes one message.
func (c *Client) receive(message protocol.Message) {
	switch m := message.(type) {
	case *protocol.Invocation:
		if m.InvocationID != "" {
			c.server.running.Go(func() { c.answer(m) })
			return
		}
		c.change(func() { c.inbox = append(c.inbox, m) })
	case *protocol.StreamItem:
		c.change(func() {
			if call := c.calls[m.InvocationID]; call != nil {
				call.items = append(call.items, m.Item)
			}
		})
	case *protocol.Completion:
		c.change(func() {
			if call := c.calls[m.InvocationID]; call != nil {
				delete(c.calls, m.InvocationID)
				call.answer = m
				close(call.answered)
			}
		})
	case *protocol.Close:
		c.change(func() { c.closing = *m })
	case *protocol.Ping:
		if !c.silent && c.pinging.CompareAndSwap(false, true) {
			c.server.running.Go(func() { // the hub may not read at the moment
				defer c.pinging.Store(false)
				_ = c.write(&protocol.Ping{}) // nobody waits for it
			})
		}
	}
	// Acks and sequences belong to stateful reconnects, which this client does not
	// ask for.
}

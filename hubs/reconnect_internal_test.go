package hubs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
)

// restless is a client with stateful reconnect over real sockets, with a relay of
// its own.
type restless struct {
	t        *testing.T
	url      string
	encoding *encoding
	relay    *relay
	received chan string   // elements that came in messages
	ready    chan struct{} // holds an element when there is a socket to change
	ended    chan struct{}

	opening sync.Mutex // held while another socket is opened

	mu      sync.Mutex
	socket  *websocket.Conn // nil: none
	next    *websocket.Conn // opened before the socket broke
	stopped bool
}

// Send and SendLast make it the relay's wire.
func (c *restless) Send(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil {
		_ = c.socket.WriteMessage(websocket.TextMessage, frame) // or it is sent again
	}
	return nil
}

func (c *restless) SendLast(frame []byte) error { return c.Send(frame) }

func (c *restless) Queued() int { return 0 }

func (c *restless) Flushed() bool { return true }

func (c *restless) dial() *websocket.Conn {
	socket, response, err := websocket.DefaultDialer.Dial(c.url, nil)
	if err != nil {
		c.t.Errorf("dial: %v, %v", err, response)
	}
	return socket
}

// run reads one socket after the other.
func (c *restless) run() {
	defer close(c.ended)
	defer close(c.ready)
	c.read("")
	for {
		c.opening.Lock()
		c.mu.Lock()
		_ = c.socket.Close()
		socket, stopped := c.next, c.stopped
		c.socket, c.next = nil, nil
		c.mu.Unlock()
		c.opening.Unlock()
		if stopped {
			return
		}
		if socket == nil {
			if socket = c.dial(); socket == nil {
				return
			}
		}
		err := c.relay.replay(c.encoding, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.socket = socket
		})
		if err != nil {
			c.t.Errorf("replay: %v", err)
		}
		c.ready <- struct{}{}
		c.read(`{"type":9,`)
	}
}

// read takes what comes by the socket, which begins with a prefix.
func (c *restless) read(prefix string) {
	for {
		_, data, err := c.socket.ReadMessage()
		if err != nil {
			return
		}
		if !bytes.HasPrefix(data, []byte(prefix)) {
			c.t.Errorf("%s does not begin with %s", data, prefix)
		}
		for prefix = ""; len(data) > 0; {
			var frame []byte
			if frame, data, err = c.encoding.protocol.Split(data, 0); err == nil {
				err = c.take(frame)
			}
			if err != nil {
				c.t.Errorf("%q: %v", frame, err)
				return
			}
		}
	}
}

func (c *restless) take(frame []byte) error {
	message, err := c.encoding.protocol.Parse(frame)
	if err != nil || !c.relay.receive(message) {
		return err
	}
	switch m := message.(type) {
	case *protocol.Invocation:
		c.received <- string(m.Arguments[0])
	case *protocol.Ack:
		return c.relay.ack(m.SequenceID)
	case *protocol.Sequence:
		return c.relay.sequence(m.SequenceID)
	case *protocol.Ping:
	default:
		return fmt.Errorf("not expected")
	}
	return nil
}

// acknowledge sends acknowledgements, rather more often than other clients.
func (c *restless) acknowledge() {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-ticker.C:
		}
		if number, _ := c.relay.tick(); number > 0 {
			frame, err := c.encoding.message(&protocol.Ack{SequenceID: number})
			if err != nil {
				c.t.Error(err)
			}
			c.relay.sendUncounted(frame)
		}
	}
}

// change breaks the socket, or first opens another one, which the server then
// prefers.
func (c *restless) change(first bool) {
	await.Receive(c.t, c.ready, "a socket to change")
	c.opening.Lock()
	defer c.opening.Unlock()
	if !first {
		c.drop()
		return
	}
	next := c.dial()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next = next
}

func (c *restless) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.socket.NetConn().Close()
}

// Both sides send numbers while the client changes its socket again and again.
func TestManyReconnects(t *testing.T) {
	t.Parallel()
	const (
		numbers = 1500 // which the buffers hold
		changes = 50
	)
	got := make(chan int, numbers)
	connected, disconnected := make(chan struct{}, 2), make(chan struct{}, 2)
	hub, err := New(nil,
		WithLogger(slog.New(slog.DiscardHandler)),
		WithDetailedErrors(),
		WithStatefulReconnect(),
		HandleVoid1("Note", func(_ *Context, n int) error { got <- n; return nil }),
		WithOnConnected(func(*Context) error { connected <- struct{}{}; return nil }),
		WithOnDisconnected(func(*Context, error) { disconnected <- struct{}{} }))
	require.NoError(t, err)
	server := httptest.NewServer(hub)
	defer server.Close()

	server.Client().Timeout = await.Timeout
	response, err := server.Client().Post(server.URL+"/negotiate?negotiateVersion=1&useStatefulReconnect=true", "", nil)
	require.NoError(t, err)
	defer response.Body.Close()
	var grant struct{ ConnectionID, ConnectionToken string }
	require.NoError(t, json.NewDecoder(response.Body).Decode(&grant))
	c := &restless{
		t:        t,
		url:      "ws" + strings.TrimPrefix(server.URL, "http") + "?id=" + grant.ConnectionToken,
		encoding: jsonEncoding(t),
		received: make(chan string, numbers),
		ready:    make(chan struct{}, 1),
		ended:    make(chan struct{}),
	}
	c.relay = newRelay(c, 1<<20)
	c.socket = c.dial()
	require.NoError(t, c.Send([]byte("{\"protocol\":\"json\",\"version\":2}\x1e")))
	require.NoError(t, c.socket.SetReadDeadline(time.Now().Add(await.Timeout)))
	_, answer, err := c.socket.ReadMessage()
	require.NoError(t, err)
	require.NoError(t, c.socket.SetReadDeadline(time.Time{}))
	require.Equal(t, "{}\x1e", string(answer))
	await.Receive(t, connected, "the start of OnConnected")
	c.relay.start()
	c.ready <- struct{}{}
	var running sync.WaitGroup
	running.Go(c.run)
	running.Go(c.acknowledge)

	for i := range numbers {
		frame, err := c.encoding.invocation("", "Note", []any{i})
		require.NoError(t, err)
		require.True(t, c.relay.send(frame))
		require.NoError(t, hub.Clients().Client(grant.ConnectionID).Send(context.Background(), "number", i))
		if every := numbers / changes; i%every == 0 {
			c.change(i/every%3 == 0)
		}
	}
	for i := range numbers {
		require.Equal(t, i, await.Receive(t, got, "number %d of %d at the server", i, numbers))
		require.Equal(t, fmt.Sprint(i), await.Receive(t, c.received, "number %d of %d at the client", i, numbers))
	}
	require.Empty(t, c.received)
	require.Empty(t, got)
	require.Greater(t, hub.Stats().Resumed, uint64(changes/2)) // some live too short a time

	await.Receive(t, c.ready, "the last socket")
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.drop()
	await.Group(t, &running, "the client's goroutines")
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	require.NoError(t, hub.Shutdown(ctx))
	require.Empty(t, connected)
	require.Len(t, disconnected, 1)
}

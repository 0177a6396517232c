package hubs_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// server is a hub behind a real HTTP server.
type server struct {
	*hubs.Hub
	t    testing.TB
	url  string // of the hub, ws://
	http *httptest.Server
}

// serve starts a hub. It is shut down at the end of the test, and must then end
// all that it has started.
func serve(t testing.TB, impl any, opts ...hubs.Option) *server {
	t.Helper()
	opts = append([]hubs.Option{hubs.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	hub, err := hubs.New(impl, opts...)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/hub", hub)
	mux.Handle("/hub/", hub)
	s := &server{Hub: hub, t: t, http: httptest.NewServer(mux)}
	s.http.Client().Timeout = await.Timeout
	s.url = "ws" + strings.TrimPrefix(s.http.URL, "http") + "/hub"
	t.Cleanup(func() {
		shutDown(t, hub)
		s.http.Close()
	})
	return s
}

// shutDown shuts a hub down.
func shutDown(t testing.TB, hub *hubs.Hub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	require.NoError(t, hub.Shutdown(ctx))
}

// client is a SignalR client reduced to a WebSocket that carries records.
type client struct {
	t       testing.TB
	socket  *websocket.Conn
	records [][]byte
}

// dial opens a WebSocket without a handshake.
func (s *server) dial(header http.Header) *client {
	s.t.Helper()
	socket, _, err := websocket.DefaultDialer.Dial(s.url, header)
	require.NoError(s.t, err)
	c := &client{t: s.t, socket: socket}
	s.t.Cleanup(c.drop)
	return c
}

// connect opens a WebSocket and shakes hands.
func (s *server) connect() *client { return s.connectAs("") }

// connectAs connects with a header User, for tests of users.
func (s *server) connectAs(user string) *client {
	s.t.Helper()
	c := s.dial(http.Header{"User": {user}})
	c.send(`{"protocol":"json","version":1}`)
	c.expect(`{}`)
	return c
}

func userHeader(r *http.Request) string { return r.Header.Get("User") }

// send sends records, in one WebSocket message.
func (c *client) send(records ...string) {
	c.t.Helper()
	require.NoError(c.t, c.trySend(records...))
}

// trySend is send for goroutines that are not the test's.
func (c *client) trySend(records ...string) error {
	return c.write(websocket.TextMessage, strings.Join(records, "\x1e")+"\x1e")
}

func (c *client) sendRaw(data string) {
	c.t.Helper()
	require.NoError(c.t, c.write(websocket.TextMessage, data))
}

// write sends a WebSocket message, which the server has to take in time.
func (c *client) write(messageType int, data string) error {
	if err := c.socket.SetWriteDeadline(time.Now().Add(await.Timeout)); err != nil {
		return err
	}
	if err := c.socket.WriteMessage(messageType, []byte(data)); err != nil {
		return fmt.Errorf("sending %.100q: %w", data, err)
	}
	return c.socket.SetWriteDeadline(time.Time{}) // pour has none
}

// read returns the next WebSocket message, which has to come in time.
func (c *client) read() ([]byte, error) { return c.readUntil(time.Now().Add(await.Timeout)) }

func (c *client) readUntil(deadline time.Time) ([]byte, error) {
	if err := c.socket.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	_, message, err := c.socket.ReadMessage()
	return message, err
}

// next returns the next record that is not a ping, or the error that ended the
// connection.
func (c *client) next() (string, error) {
	return c.nextUntil(time.Now().Add(await.Timeout)) // which pings do not extend
}

func (c *client) nextUntil(deadline time.Time) (string, error) {
	for {
		for len(c.records) == 0 {
			message, err := c.readUntil(deadline)
			if err != nil {
				return "", err
			}
			if !bytes.HasSuffix(message, []byte{0x1e}) {
				return "", fmt.Errorf("message without an end: %q", message)
			}
			c.records = bytes.Split(bytes.TrimSuffix(message, []byte{0x1e}), []byte{0x1e})
		}
		record := string(c.records[0])
		c.records = c.records[1:]
		if record != `{"type":6}` {
			return record, nil
		}
	}
}

// expect reads records and compares them.
func (c *client) expect(records ...string) {
	c.t.Helper()
	for _, want := range records {
		got, err := c.next()
		require.NoError(c.t, err, "waiting for %s", want)
		require.Equal(c.t, want, got)
	}
}

// expectWithin reads a record that takes long, and compares it.
func (c *client) expectWithin(limit time.Duration, record string) {
	c.t.Helper()
	got, err := c.nextUntil(time.Now().Add(limit))
	require.NoError(c.t, err, "waiting for %s", record)
	require.Equal(c.t, record, got)
}

// expectClosed reads the end of the connection.
func (c *client) expectClosed(code int) {
	c.t.Helper()
	record, err := c.next()
	require.Error(c.t, err, "got %s", record)
	closed, ok := err.(*websocket.CloseError) // comes straight from the socket
	require.True(c.t, ok, "%v", err)
	require.Equal(c.t, code, closed.Code)
	require.Empty(c.t, closed.Text)
}

// call invokes a method and returns its answer.
func (c *client) call(method string, args ...string) string {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"type":1,"invocationId":"call","target":%q,"arguments":[%s]}`, method, strings.Join(args, ",")))
	record, err := c.next()
	require.NoError(c.t, err, "waiting for the answer of %s", method)
	return record
}

// close says good-bye as browsers do.
func (c *client) close() {
	_ = c.socket.WriteControl(websocket.CloseMessage, nil, time.Now().Add(await.Timeout))
}

// drop breaks the connection.
func (c *client) drop() { _ = c.socket.NetConn().Close() }

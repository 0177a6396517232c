package hubs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// allTransports are the transports that clients may use.
var allTransports = []transports.Kind{transports.WebSockets, transports.ServerSentEvents, transports.LongPolling}

// line is a client by any transport, after its handshake. Records from the server
// come in its channel, without pings, which is closed at the end of the connection. When
// nobody takes them from there the client stops reading.
type line struct {
	t       testing.TB
	kind    transports.Kind
	binary  bool   // it speaks MessagePack: a record is a message with its length
	url     string // with the connection's token
	http    *http.Client
	socket  *websocket.Conn // nil: another transport
	records chan string
	over    chan struct{} // closed at the end of the test
	drop    func()        // breaks the connection
}

// dialLine connects a client by a transport.
func (s *server) dialLine(kind transports.Kind) *line {
	s.t.Helper()
	return s.dialLineFor(kind, "json")
}

// dialLineFor connects a client that speaks a protocol.
func (s *server) dialLineFor(kind transports.Kind, protocolName string) *line {
	s.t.Helper()
	l := &line{t: s.t, kind: kind, binary: protocolName == "messagepack", http: s.http.Client(), records: make(chan string, 64), over: make(chan struct{})}
	s.t.Cleanup(func() { close(l.over) })
	if kind == transports.WebSockets {
		c := s.dial(nil)
		l.socket, l.drop = c.socket, c.drop
		go l.readSocket()
	} else {
		l.negotiate(s.http.URL + "/hub")
		ctx, cancel := context.WithCancel(context.Background())
		s.t.Cleanup(cancel)
		l.drop = cancel
		opened := make(chan error, 1)
		if kind == transports.ServerSentEvents {
			go l.readEvents(ctx, opened)
		} else {
			go l.poll(ctx, opened)
		}
		require.NoError(s.t, await.Receive(s.t, opened, "the answer to the first request"))
	}
	l.sendRaw(`{"protocol":"` + protocolName + `","version":1}` + "\x1e")
	l.expect(`{}`)
	return l
}

func (l *line) negotiate(address string) {
	l.t.Helper()
	r, err := l.http.Post(address+"/negotiate?negotiateVersion=1", "", nil)
	require.NoError(l.t, err)
	defer r.Body.Close()
	var grant struct{ ConnectionToken string }
	require.NoError(l.t, json.NewDecoder(r.Body).Decode(&grant))
	l.url = address + "?id=" + grant.ConnectionToken
}

// take passes on whole messages of records.
func (l *line) take(message []byte) {
	split := func(yield func([]byte) bool) {
		for rest := message; len(rest) > 0; {
			frame, more, err := protocol.NewMessagePack().Split(rest, 0)
			if err != nil || frame == nil || !yield(rest[:len(rest)-len(more)]) {
				return
			}
			rest = more
		}
	}
	if !l.binary || bytes.HasPrefix(message, []byte("{")) { // the handshake is a text
		split = bytes.SplitSeq(message, []byte{0x1e})
	}
	for record := range split {
		if len(record) > 0 && string(record) != `{"type":6}` {
			select {
			case l.records <- string(record):
			case <-l.over:
			}
		}
	}
}

func (l *line) readSocket() {
	defer close(l.records)
	for {
		_, message, err := l.socket.ReadMessage()
		if err != nil {
			return
		}
		l.take(message)
	}
}

// get sends a request by which the client receives.
func (l *line) get(ctx context.Context, accept string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	unlimited := &http.Client{Transport: l.http.Transport} // ctx ends it
	return unlimited.Do(r)
}

func (l *line) readEvents(ctx context.Context, opened chan<- error) {
	defer close(l.records)
	r, err := l.get(ctx, "text/event-stream")
	opened <- err
	if err != nil {
		return
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	for {
		text, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if data, ok := strings.CutPrefix(strings.TrimRight(text, "\r\n"), "data: "); ok {
			l.take([]byte(data))
		}
	}
}

func (l *line) poll(ctx context.Context, opened chan<- error) {
	defer close(l.records)
	for {
		r, err := l.get(ctx, "*/*")
		if opened != nil {
			opened <- err
			opened = nil
		}
		if err != nil {
			return
		}
		message, err := io.ReadAll(r.Body)
		if r.Body.Close() != nil || err != nil || r.StatusCode != http.StatusOK {
			return
		}
		l.take(message)
	}
}

// send sends records.
func (l *line) send(records ...string) {
	l.t.Helper()
	require.NoError(l.t, l.trySend(records...))
}

func (l *line) trySend(records ...string) error {
	if l.binary {
		return l.trySendRaw(strings.Join(records, ""))
	}
	return l.trySendRaw(strings.Join(records, "\x1e") + "\x1e")
}

func (l *line) sendRaw(body string) {
	l.t.Helper()
	require.NoError(l.t, l.trySendRaw(body))
}

func (l *line) trySendRaw(body string) error {
	if l.socket != nil {
		kind := websocket.TextMessage
		if l.binary {
			kind = websocket.BinaryMessage
		}
		return l.socket.WriteMessage(kind, []byte(body))
	}
	r, err := l.http.Post(l.url, "text/plain", strings.NewReader(body))
	if err != nil {
		return err
	}
	if err := r.Body.Close(); err != nil || r.StatusCode != http.StatusOK {
		return fmt.Errorf("POST: %s, %w", r.Status, err)
	}
	return nil
}

// close ends the connection as its transport provides for.
func (l *line) close() {
	l.t.Helper()
	switch l.kind {
	case transports.WebSockets:
		require.NoError(l.t, l.socket.WriteControl(websocket.CloseMessage, nil, time.Now().Add(await.Timeout)))
	case transports.LongPolling:
		r, err := http.NewRequest(http.MethodDelete, l.url, nil)
		require.NoError(l.t, err)
		response, err := l.http.Do(r)
		require.NoError(l.t, err)
		require.NoError(l.t, response.Body.Close())
		require.Equal(l.t, http.StatusAccepted, response.StatusCode)
	default: // there is nothing else
		l.drop()
	}
}

// expect compares the records that come next.
func (l *line) expect(records ...string) {
	l.t.Helper()
	for _, want := range records {
		require.Equal(l.t, want, await.Receive(l.t, l.records, "the record %s", want))
	}
}

// expectEnd waits for the end of the connection, before which nothing more comes.
func (l *line) expectEnd() {
	l.t.Helper()
	require.Empty(l.t, await.All(l.t, l.records, "the end of the connection"))
}

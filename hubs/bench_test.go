package hubs_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
)

// benchServer is a hub that is measured over TCP. Its clients are sockets without
// a library, so that what is allocated is the hub's.
type benchServer struct {
	hub  *hubs.Hub
	addr string
}

func benchHub(b testing.TB) *benchServer {
	b.Helper()
	hub, err := hubs.New(nil, hubs.WithLogger(slog.New(slog.DiscardHandler)),
		hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
		hubs.Handle1("Echo", func(_ *hubs.Context, s string) (string, error) { return s, nil }),
		hubs.HandleVoid2("Tell", func(c *hubs.Context, group, s string) error {
			return c.Clients().Group(group).Send(c, "told", s)
		}),
		hubs.HandleStream1("Count", func(_ *hubs.Context, n int) (iter.Seq2[int, error], error) {
			return func(yield func(int, error) bool) {
				for i := range n {
					if !yield(i, nil) {
						return
					}
				}
			}, nil
		}))
	require.NoError(b, err)
	server := httptest.NewServer(hub)
	b.Cleanup(func() {
		shutDown(b, hub)
		server.Close()
	})
	return &benchServer{hub, server.Listener.Addr().String()}
}

// benchClient writes frames and reads them.
type benchClient struct {
	net.Conn
	in *bufio.Reader
}

// connect opens a WebSocket and shakes hands.
func (s *benchServer) connect(b testing.TB, p protocol.Protocol) *benchClient {
	b.Helper()
	c := s.open(b, "/")
	c.shakeHands(b, p, 1)
	return c
}

// shakeHands asks for a version of a protocol.
func (c *benchClient) shakeHands(b testing.TB, p protocol.Protocol, version int) {
	b.Helper()
	c.write(b, maskedFrame(1, fmt.Appendf(nil, `{"protocol":%q,"version":%d}`+"\x1e", p.Name(), version)))
	c.skip(b, 3)
	require.NoError(b, c.SetDeadline(time.Time{}))
}

// open opens a WebSocket. The handshake has to follow in time.
func (s *benchServer) open(b testing.TB, path string) *benchClient {
	b.Helper()
	conn, err := net.Dial("tcp", s.addr)
	require.NoError(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	require.NoError(b, conn.SetDeadline(time.Now().Add(await.Timeout)))
	c := &benchClient{conn, bufio.NewReaderSize(conn, 4<<10)}
	request := "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	_, err = io.WriteString(conn, request)
	require.NoError(b, err)
	response, err := http.ReadResponse(c.in, nil)
	require.NoError(b, err)
	require.Equal(b, http.StatusSwitchingProtocols, response.StatusCode)
	return c
}

// maskedFrame returns a client's frame. Its mask changes nothing.
func maskedFrame(opcode byte, payload []byte) []byte {
	frame := []byte{0x80 | opcode, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		frame[1] = 0x80 | 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(payload)))
	}
	return append(append(frame, 0, 0, 0, 0), payload...)
}

func (c *benchClient) write(b testing.TB, data []byte) {
	if _, err := c.Write(data); err != nil {
		b.Fatal(err)
	}
}

// skip reads frames until their payload has so many bytes.
func (c *benchClient) skip(b testing.TB, payload int) {
	for payload > 0 {
		size, err := c.skipHeader()
		if err == nil {
			_, err = c.in.Discard(size)
		}
		if err != nil {
			b.Fatal(err)
		}
		payload -= size
	}
	if payload < 0 {
		b.Fatal("more came than was expected")
	}
}

// skipHeader returns the size of the payload behind it.
func (c *benchClient) skipHeader() (int, error) {
	head, err := c.in.Peek(2)
	if err != nil {
		return 0, err
	}
	size, n := int(head[1]), 2
	if size == 126 {
		if head, err = c.in.Peek(4); err != nil {
			return 0, err
		}
		size, n = int(binary.BigEndian.Uint16(head[2:])), 4
	}
	_, err = c.in.Discard(n)
	return size, err
}

// drain reads all that comes and counts the bytes of payload.
func (c *benchClient) drain(read *atomic.Int64) {
	for {
		size, err := c.skipHeader()
		if err == nil {
			_, err = c.in.Discard(size)
		}
		if err != nil {
			return
		}
		read.Add(int64(size))
	}
}

// messages returns a client's frame for each message.
func messages(b testing.TB, p protocol.Protocol, ms ...protocol.Message) []byte {
	b.Helper()
	opcode := byte(1)
	if p.Format() == protocol.Binary {
		opcode = 2
	}
	var frames []byte
	for _, m := range ms {
		wire, err := p.Append(nil, m)
		require.NoError(b, err)
		frames = append(frames, maskedFrame(opcode, wire)...)
	}
	return frames
}

func encoded(b testing.TB, p protocol.Protocol, v any) []byte {
	b.Helper()
	raw, err := p.AppendValue(nil, v)
	require.NoError(b, err)
	return raw
}

var benchProtocols = []protocol.Protocol{protocol.NewJSON(), protocol.NewMessagePack()}

const benchText = "Hello, how are you all this day?" // 32 bytes

// BenchmarkEcho is one round trip of so many calls at once.
func BenchmarkEcho(b *testing.B) {
	for _, p := range benchProtocols {
		for _, calls := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", p.Name(), calls), func(b *testing.B) {
				c := benchHub(b).connect(b, p)
				text := encoded(b, p, benchText)
				var request []protocol.Message
				answer := 0
				for i := range calls {
					id := strconv.Itoa(i)
					request = append(request, &protocol.Invocation{InvocationID: id, Target: "Echo", Arguments: [][]byte{text}})
					wire, err := p.Append(nil, &protocol.Completion{InvocationID: id, Result: text})
					require.NoError(b, err)
					answer += len(wire)
				}
				frames := messages(b, p, request...)
				b.ReportAllocs()
				for b.Loop() {
					c.write(b, frames)
					c.skip(b, answer)
				}
			})
		}
	}
}

// BenchmarkStream is a stream of a thousand items.
func BenchmarkStream(b *testing.B) {
	const items = 1000
	for _, p := range benchProtocols {
		b.Run(p.Name(), func(b *testing.B) {
			c := benchHub(b).connect(b, p)
			answer := streamSize(b, p, items)
			frames := messages(b, p, &protocol.Invocation{
				InvocationID: "1", Target: "Count", Arguments: [][]byte{encoded(b, p, items)}, Stream: true,
			})
			b.ReportAllocs()
			for b.Loop() {
				c.write(b, frames)
				c.skip(b, answer)
			}
		})
	}
}

// streamSize returns how many bytes the answer to Count has.
func streamSize(b testing.TB, p protocol.Protocol, items int) int {
	b.Helper()
	size := 0
	for i := range items {
		wire, err := p.Append(nil, &protocol.StreamItem{InvocationID: "1", Item: encoded(b, p, i)})
		require.NoError(b, err)
		size += len(wire)
	}
	wire, err := p.Append(nil, &protocol.Completion{InvocationID: "1"})
	require.NoError(b, err)
	return size + len(wire)
}

// BenchmarkBroadcast sends to so many connections, whose sockets are read at the
// same time.
func BenchmarkBroadcast(b *testing.B) {
	for _, connections := range []int{1, 1000, 9000} {
		for _, size := range []int{32, 1024} {
			b.Run(fmt.Sprintf("%d/%dB", connections, size), func(b *testing.B) {
				broadcast(b, connections, size)
			})
		}
	}
}

func broadcast(b *testing.B, connections, size int) {
	s := benchHub(b)
	var read atomic.Int64
	for range connections {
		c := s.connect(b, benchProtocols[0])
		go c.drain(&read)
	}
	text := strings.Repeat("x", size)
	wire, err := benchProtocols[0].Append(nil, &protocol.Invocation{Target: "told", Arguments: [][]byte{encoded(b, benchProtocols[0], text)}})
	require.NoError(b, err)
	size = len(wire) * connections
	expected := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.hub.Clients().All().Send(context.Background(), "told", text); err != nil {
			b.Fatal(err)
		}
		for read.Load() < expected { // no more than one is on its way
			runtime.Gosched()
		}
		expected += int64(size)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(connections), "ns/receiver")
}

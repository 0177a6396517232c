package transports_test

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// clientFrame returns a frame as clients send them.
func clientFrame(first byte, payload string) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	default:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	}
	mask := [4]byte{0xa5, 0x5a, 0x0f, 0xf0}
	frame = append(frame, mask[:]...)
	for i := range len(payload) {
		frame = append(frame, payload[i]^mask[i%len(mask)])
	}
	return frame
}

// behind is a connection that sends something right behind its first write.
type behind struct {
	net.Conn
	data []byte
}

func (c *behind) Write(p []byte) (int, error) {
	data := c.data
	c.data = nil
	if _, err := c.Conn.Write(slices.Concat(p, data)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// dialWith opens a WebSocket with data right behind the request.
func (s *site) dialWith(id string, data []byte) *socket {
	s.t.Helper()
	with := *s
	dialer := *s.dialer
	dialer.NetDial = func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		return &behind{conn, data}, err
	}
	dialer.NetDialContext = nil
	if config := dialer.TLSClientConfig; config != nil {
		dialer.NetDial = func(network, address string) (net.Conn, error) {
			conn, err := tls.Dial(network, address, config)
			return &behind{conn, data}, err
		}
		dialer.TLSClientConfig = nil
		with.url = "http" + strings.TrimPrefix(with.url, "https") // the dialer leaves TLS to NetDial
	}
	with.dialer = &dialer
	return with.dial(id)
}

// TestFramesBehindTheRequest: a client need not wait for the response before it
// sends, wherever what it sends is cut.
func TestFramesBehindTheRequest(t *testing.T) {
	t.Parallel()
	const text, more, final, ping = 1, 0, 0x80, 0x80 | 9
	long := strings.Repeat("long", 2000)
	frames := slices.Concat(
		clientFrame(final|text, "one "), clientFrame(ping, "there?"), clientFrame(text, "t"), clientFrame(final|more, "wo "),
		clientFrame(final|text, long), clientFrame(final|text, " end"))
	cuts := []int{100, 1000, 3800, 4096, 8000, len(frames) - 1, len(frames)}
	for i := range 50 { // the short frames, and the header of the long one
		cuts = append(cuts, i)
	}
	for name, start := range map[string]func(*httptest.Server){"plain": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS} {
		for _, negotiated := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, negotiated %v", name, negotiated), func(t *testing.T) {
				t.Parallel()
				a := newApp(t)
				s := serveBy(t, a, start)
				for _, cut := range cuts {
					id := ""
					if negotiated {
						id = s.negotiate()
					}
					c := s.dialWith(id, frames[:cut])
					pongs := make(chan string, 1)
					c.SetPongHandler(func(data string) error {
						pongs <- data
						return nil
					})
					_, err := c.NetConn().Write(frames[cut:])
					require.NoError(t, err)
					p := a.next()
					p.expect("one two " + long + " end")
					p.send("down")
					c.expect("down")
					require.Equal(t, "there?", await.Receive(t, pongs, "the pong"), "cut at %d", cut)
					c.send("again")
					p.expect("again")
					c.sayGoodbye(nil)
					p.expectClosed(nil)
				}
			})
		}
	}
}

// TestUpgradeWithABody: a body must not be taken for frames.
func TestUpgradeWithABody(t *testing.T) {
	t.Parallel()
	frame := string(clientFrame(0x81, "smuggled"))
	for name, body := range map[string]string{
		"length":  fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(frame), frame),
		"chunked": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(frame), frame),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a)
			conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
			require.NoError(t, err)
			defer conn.Close()
			require.NoError(t, conn.SetDeadline(time.Now().Add(await.Timeout)))
			var head strings.Builder
			require.NoError(t, asWebSocket.Write(&head))
			_, err = io.WriteString(conn, "GET /chat HTTP/1.1\r\nHost: here\r\n"+head.String()+body)
			require.NoError(t, err)
			answer := make([]byte, len("HTTP/1.1 400"))
			_, err = io.ReadFull(conn, answer)
			require.NoError(t, err)
			require.Equal(t, "HTTP/1.1 400", string(answer))
			require.Zero(t, s.Records())
			none(t, a.arrived, "a refusal makes no connection")
		})
	}
}

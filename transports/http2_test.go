package transports_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// tunnel is the client's end of a WebSocket over HTTP/2.
type tunnel struct {
	t    testing.TB
	resp *http.Response
	up   *io.PipeWriter
	down *bufio.Reader
}

// http2 returns the part of net/http's client that speaks HTTP/2 on a connection of its
// own: http.Transport does not let the header ":protocol" pass.
func (s *site) http2() http.RoundTripper {
	s.t.Helper()
	transport := s.client.Transport.(*http.Transport)
	require.Equal(s.t, 2, s.do(http.MethodPost, "", "").proto) // sets TLSNextProto
	u, err := url.Parse(s.url)
	require.NoError(s.t, err)
	config := transport.TLSClientConfig.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", u.Host, config)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = conn.Close() })
	return transport.TLSNextProto["h2"](u.Host, conn)
}

// openTunnel opens a WebSocket over HTTP/2, or is refused.
func (s *site) openTunnel(id string, header http.Header) *tunnel {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), await.Timeout)
	body, up := io.Pipe()
	r := s.request(http.MethodConnect, id, "").WithContext(ctx)
	r.Body, r.ContentLength = body, -1
	r.Header = http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := s.http2().RoundTrip(r)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		cancel()
		_ = up.Close()
		_ = resp.Body.Close()
	})
	return &tunnel{s.t, resp, up, bufio.NewReader(resp.Body)}
}

// tunnel opens a WebSocket over HTTP/2.
func (s *site) tunnel(id string) *tunnel {
	s.t.Helper()
	c := s.openTunnel(id, nil)
	require.Equal(s.t, http.StatusOK, c.resp.StatusCode)
	return c
}

func (c *tunnel) send(first byte, payload string) {
	c.t.Helper()
	_, err := c.up.Write(clientFrame(first, payload))
	require.NoError(c.t, err)
}

func (c *tunnel) expect(first byte, payload string) {
	c.t.Helper()
	got, data := c.next()
	require.Equal(c.t, first, got)
	require.Equal(c.t, payload, data)
}

// next reads a frame.
func (c *tunnel) next() (first byte, payload string) {
	c.t.Helper()
	header := make([]byte, 2, 8)
	_, err := io.ReadFull(c.down, header)
	require.NoError(c.t, err)
	size := uint64(header[1])
	switch size {
	case 126:
		var long [2]byte
		_, err = io.ReadFull(c.down, long[:])
		size = uint64(binary.BigEndian.Uint16(long[:]))
	case 127:
		var long [8]byte
		_, err = io.ReadFull(c.down, long[:])
		size = binary.BigEndian.Uint64(long[:])
	}
	require.NoError(c.t, err)
	data := make([]byte, size)
	_, err = io.ReadFull(c.down, data)
	require.NoError(c.t, err)
	return header[0], string(data)
}

func (c *tunnel) expectEnd() {
	c.t.Helper()
	rest, err := io.ReadAll(c.down)
	require.NoError(c.t, err)
	require.Empty(c.t, rest)
}

// TestWebSocketOverHTTP2 runs in a process of its own, since net/http reads the setting
// when the process starts.
func TestWebSocketOverHTTP2(t *testing.T) {
	const setting = "http2xconnect=1"
	if !strings.Contains(os.Getenv("GODEBUG"), setting) {
		t.Parallel()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWebSocketOverHTTP2$", "-test.timeout=2m")
		cmd.Env = append(os.Environ(), "GODEBUG="+setting)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "PASS")
		return
	}
	const text, ping, pong, closing = 0x81, 0x89, 0x8a, 0x88
	normal := string(websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	for name, test := range map[string]func(*testing.T){
		"messages": func(t *testing.T) {
			for _, negotiated := range []bool{true, false} {
				a := newApp(t)
				s := serveBy(t, a, startHTTP2, transports.WithOutboxLimit(16<<20))
				id := ""
				if negotiated {
					id = s.negotiate()
				}
				c := s.tunnel(id)
				p := a.next()
				require.Equal(t, transports.WebSockets, p.Transport())
				long := strings.Repeat("x", 60000)
				for _, message := range []string{"one", "two", long} {
					c.send(text, message)
					p.expect(message)
				}
				c.send(ping, "there?")
				c.expect(pong, "there?")
				huge := strings.Repeat("y", 3<<20) // more than a window of HTTP/2
				p.send("down", huge)
				var got bytes.Buffer
				for got.Len() < len("down")+len(huge) {
					first, data := c.next()
					require.EqualValues(t, text, first)
					got.WriteString(data)
				}
				require.True(t, got.String() == "down"+huge)
				c.send(closing, normal)
				c.expect(closing, normal)
				c.expectEnd()
				p.expectClosed(nil)
			}
		},
		"the application ends it": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2)
			c := s.tunnel("")
			p := a.next()
			p.send("last")
			p.Finish(nil)
			c.expect(text, "last")
			c.expect(closing, normal)
			c.send(closing, normal)
			c.expectEnd()
			p.expectClosed(nil)
		},
		"the client does not answer the closing frame": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2, transports.WithCloseTimeout(50*time.Millisecond))
			c := s.tunnel("")
			p := a.next()
			p.Finish(nil)
			c.expect(closing, normal)
			await.Done(t, s.Empty(), "the end of the connection")
		},
		"the client resets it": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2)
			c := s.tunnel("")
			p := a.next()
			require.NoError(t, c.resp.Body.Close())
			p.expectLost()
		},
		"the client resets it while it is held back": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2)
			c := s.tunnel("")
			p := a.next()
			c.send(text, "not taken")
			await.Done(t, p.receiving, "the application to receive")
			require.NoError(t, c.resp.Body.Close())
			p.expectLost()
		},
		"the client ends its body": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2)
			c := s.tunnel("")
			p := a.next()
			require.NoError(t, c.up.Close())
			p.expectLost()
		},
		"the client does not read": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2, transports.WithSendTimeout(500*time.Millisecond))
			served := make(chan struct{}, 1)
			s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.ServeHTTP(w, r)
				if r.Method == http.MethodConnect {
					served <- struct{}{}
				}
			})
			s.tunnel("")
			p := a.next()
			stall(p)
			p.expectClosed(transports.ErrWriteTimeout)
			await.Done(t, served, "the request's goroutine to return")
			await.Done(t, s.Empty(), "the end of the connection")
		},
		"an abort": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2)
			s.tunnel("")
			p := a.next()
			p.Abort()
			p.expectClosed(transports.ErrAborted)
			await.Done(t, s.Empty(), "the end of the connection")
		},
		"a shutdown": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, startHTTP2)
			c := s.tunnel("")
			p := a.next()
			gone, _ := s.shutDown()
			p.expectClosed(transports.ErrShutdown)
			c.expect(closing, normal)
			c.send(closing, normal)
			require.NoError(t, await.Receive(t, gone, "the end of the shutdown"))
		},
		"timeouts of the server": func(t *testing.T) {
			a := newApp(t)
			s := serveBy(t, a, func(server *httptest.Server) {
				server.Config.WriteTimeout, server.Config.ReadTimeout = 2*time.Second, 2*time.Second
				startHTTP2(server)
			})
			c := s.tunnel("")
			p := a.next()
			time.Sleep(2500 * time.Millisecond) // the timeouts of HTTP/2 are real time
			c.send(text, "up")
			p.expect("up")
			p.send("down")
			c.expect(text, "down")
		},
		"a sub-protocol": func(t *testing.T) {
			s := serveBy(t, newApp(t), startHTTP2, transports.WithSubProtocol(func(requested []string) string { return requested[1] }))
			c := s.openTunnel("", http.Header{"Sec-Websocket-Protocol": {"a, b"}})
			require.Equal(t, http.StatusOK, c.resp.StatusCode)
			require.Equal(t, "b", c.resp.Header.Get("Sec-Websocket-Protocol"))
		},
		"refusals": func(t *testing.T) {
			s := serveBy(t, newApp(t), startHTTP2)
			for _, tt := range []struct {
				id     string
				header http.Header
				status int
			}{
				{"", http.Header{"Origin": {"https://evil.example"}}, http.StatusForbidden},
				{"unknown", nil, http.StatusNotFound},
				{"", http.Header{"Sec-Websocket-Version": {"8"}}, http.StatusMethodNotAllowed},
				{"", http.Header{":protocol": {"connect-udp"}}, http.StatusMethodNotAllowed},
			} {
				require.Equal(t, tt.status, s.openTunnel(tt.id, tt.header).resp.StatusCode)
			}
			require.Zero(t, s.Records())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

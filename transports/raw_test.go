package transports_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// echo sends back what it receives.
var echo = transports.ConnectionHandler(func(c *transports.RawConn) error {
	_, err := io.Copy(c, c)
	return err
})

// overEach runs a test over every transport.
func overEach(t *testing.T, test func(t *testing.T, kind transports.Kind)) {
	t.Parallel()
	for _, kind := range allKinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

func TestRawEcho(t *testing.T) {
	overEach(t, func(t *testing.T, kind transports.Kind) {
		s := serve(t, echo)
		l := s.connect(kind)
		for _, text := range []string{"one", "t\nw\no", strings.Repeat("three", 60_000)} {
			sent := make(chan error, 1)
			go func() { sent <- l.trySend(text) }() // the echo of a long text begins before its end is sent
			s.expectFrom(l, text)
			require.NoError(t, await.Receive(t, sent, "the text to be sent"))
		}
		l.leave()
		await.Done(t, s.Empty(), "all connections to end")
	})
}

func TestRawHandlerReturns(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func() error
		failed bool
	}{
		"nil":    {func() error { return nil }, false},
		"error":  {func() error { return errors.New("the secret reason") }, true},
		"panics": {func() error { panic("the secret reason") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			overEach(t, func(t *testing.T, kind transports.Kind) {
				ended := make(chan *transports.RawConn, 1)
				s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
					defer func() { ended <- c }()
					if _, err := io.WriteString(c, "bye"); err != nil {
						return err
					}
					return tt.end()
				}))
				l := s.connect(kind)
				s.expectFrom(l, "bye") // what was written is delivered first
				l.expectEnd(tt.failed)
				c := await.Receive(t, ended, "the handler to return")
				await.Done(t, c.Context().Done(), "the end of the context")
				await.Done(t, s.Empty(), "all connections to end")
			})
		})
	}
}

// newLog returns a logger and the lines that it writes.
func newLog() (*slog.Logger, <-chan string) {
	lines := make(chan string, 1024)
	return slog.New(slog.NewTextHandler(lineWriter(lines), nil)), lines
}

// newDebugLog is newLog with the level Debug.
func newDebugLog() (*slog.Logger, <-chan string) {
	lines := make(chan string, 1024)
	return slog.New(slog.NewTextHandler(lineWriter(lines), &slog.HandlerOptions{Level: slog.LevelDebug})), lines
}

type lineWriter chan<- string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

func TestRawPanicIsLogged(t *testing.T) {
	t.Parallel()
	logger, lines := newLog()
	s := serve(t, transports.ConnectionHandler(func(*transports.RawConn) error { panic("of the test") }), transports.WithLogger(logger))
	s.dial("").expectClosed(websocket.CloseInternalServerErr)
	line := await.Receive(t, lines, "a line of the log")
	require.Contains(t, line, "level=ERROR")
	require.Contains(t, line, "of the test")
	require.Contains(t, line, "raw_test.go", "the stack leads to the fault")
}

// TestRawReadEndsWithTheClient: what has arrived can still be read, then comes
// io.EOF.
func TestRawReadEndsWithTheClient(t *testing.T) {
	overEach(t, func(t *testing.T, kind transports.Kind) {
		conns := make(chan *transports.RawConn, 1)
		read := make(chan string, 1)
		s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
			conns <- c
			<-c.Context().Done() // the client has left
			all, err := io.ReadAll(c)
			read <- string(all)
			return err
		}))
		l := s.connect(kind)
		l.send("last words")
		c := await.Receive(t, conns, "the connection to reach the handler")
		require.Equal(t, kind, c.Connection().Transport())
		l.leave()
		require.Equal(t, "last words", await.Receive(t, read, "what the handler has read"))
		await.Done(t, s.Empty(), "all connections to end")
		_, err := c.Write([]byte("too late"))
		require.ErrorIs(t, err, transports.ErrClosed)
		n, err := c.Read(make([]byte, 1))
		require.Zero(t, n)
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestRawContextTellsWhyTheConnectionEnded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(*testing.T, *transports.RawConn, *socket)
		want error
	}{
		"client leaves":  {func(_ *testing.T, _ *transports.RawConn, c *socket) { c.sayGoodbye(nil) }, context.Canceled},
		"server aborts":  {func(_ *testing.T, c *transports.RawConn, _ *socket) { c.Connection().Abort() }, transports.ErrAborted},
		"handler closes": {func(_ *testing.T, c *transports.RawConn, _ *socket) { _ = c.Close() }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conns := make(chan *transports.RawConn, 1)
			s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
				conns <- c
				<-c.Context().Done()
				return nil
			}))
			client := s.dial("")
			c := await.Receive(t, conns, "the connection to reach the handler")
			tt.end(t, c, client)
			await.Done(t, c.Context().Done(), "the end of the context")
			require.ErrorIs(t, context.Cause(c.Context()), tt.want)
		})
	}
}

type contextKey struct{}

func TestRawContextHasTheValuesOfTheRequest(t *testing.T) {
	overEach(t, func(t *testing.T, kind transports.Kind) {
		values := make(chan any, 1)
		s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
			values <- c.Context().Value(contextKey{})
			return c.Context().Err() // not done with the request that brought it
		}))
		s.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, "of the middleware")))
		})
		l := s.connect(kind)
		require.Equal(t, "of the middleware", await.Receive(t, values, "the value of the context"))
		l.expectEnd(false)
	})
}

// TestRawWriteWaits: no more than the buffer size is on its way to a client.
func TestRawWriteWaits(t *testing.T) {
	t.Parallel()
	written := make(chan int, 1000)
	s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
		for i := range 100 {
			if _, err := c.Write(bytes.Repeat([]byte{byte(i)}, 100)); err != nil {
				return err
			}
			written <- i
		}
		return nil
	}), transports.WithBufferSize(1000))
	id := s.firstPoll()
	var want, got strings.Builder
	for i := range 11 { // more than 1000 bytes wait after the eleventh
		require.Equal(t, i, await.Receive(t, written, "write %d to return", i))
	}
	require.Len(t, s.do("GET", id, "").body, 1100)
	for i := 11; i < 100; i++ {
		want.Write(bytes.Repeat([]byte{byte(i)}, 100))
	}
	for got.Len() < want.Len() {
		a := s.do("GET", id, "")
		require.Equal(t, http.StatusOK, a.status)
		require.LessOrEqual(t, len(a.body), 1100)
		got.WriteString(a.body)
	}
	require.Equal(t, want.String(), got.String())
	s.expect("GET", id, "", http.StatusNoContent, "")
}

func TestRawWriteEndsWithTheConnection(t *testing.T) {
	overEach(t, func(t *testing.T, kind transports.Kind) {
		failed := make(chan error, 1)
		conns := make(chan *transports.RawConn, 1)
		s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
			conns <- c
			var err error
			for err == nil { // until the client has left
				_, err = c.Write(make([]byte, 1<<20))
			}
			failed <- err
			return err
		}), transports.WithOutboxLimit(64<<20))
		s.connect(kind)
		await.Receive(t, conns, "the connection to reach the handler").Connection().Abort()
		require.ErrorIs(t, await.Receive(t, failed, "the failure of the Write"), transports.ErrClosed)
	})
}

func TestRawReadHoldsTheClientBack(t *testing.T) {
	t.Parallel()
	conns := make(chan *transports.RawConn, 1)
	s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
		conns <- c
		<-c.Context().Done()
		return nil
	}), transports.WithBufferSize(10))
	id := s.firstPoll()
	c := await.Receive(t, conns, "the connection to reach the handler")
	s.expect("POST", id, "1234567890", http.StatusOK, "")
	post := s.start("POST", id, "more", nil)
	buffer := make([]byte, 8)
	for _, want := range []string{"12345678", "90", "more"} {
		n, err := c.Read(buffer)
		require.NoError(t, err)
		if want == "90" { // the rest may have come meanwhile
			for n < len(want) {
				var m int
				m, err = c.Read(buffer[n:])
				require.NoError(t, err)
				n += m
			}
			if n > len(want) {
				require.Equal(t, "90more", string(buffer[:n]))
				break
			}
		}
		require.Equal(t, want, string(buffer[:n]))
	}
	post.expect(http.StatusOK, "")
}

func TestRawClose(t *testing.T) {
	overEach(t, func(t *testing.T, kind transports.Kind) {
		after := make(chan error, 2)
		s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
			_, _ = io.WriteString(c, "bye")
			if err := c.Close(); err != nil {
				return err
			}
			_, err := io.WriteString(c, "too late")
			after <- err
			_, err = c.Read(make([]byte, 1))
			after <- err
			return c.Close() // harmless
		}))
		l := s.connect(kind)
		require.ErrorIs(t, await.Receive(t, after, "the error after Close"), transports.ErrClosed)
		require.ErrorIs(t, await.Receive(t, after, "the error after Close"), io.EOF)
		s.expectFrom(l, "bye")
		l.expectEnd(false)
	})
}

func TestRawHandlerMaySayGoodbye(t *testing.T) {
	t.Parallel()
	s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
		if _, err := io.Copy(io.Discard, c); err != nil {
			return err
		}
		_, err := io.WriteString(c, "bye")
		return err
	}))
	c := s.dial("")
	c.sayGoodbye(nil)
	c.expect("bye")
	c.expectClosed(websocket.CloseNormalClosure)
}

func TestRawBinary(t *testing.T) {
	t.Parallel()
	s := serve(t, transports.ConnectionHandler(func(c *transports.RawConn) error {
		c.Connection().SetBinary(true)
		_, err := c.Write([]byte{0, 0xff})
		return err
	}))
	kind, message, err := s.dial("").next()
	require.NoError(t, err)
	require.Equal(t, websocket.BinaryMessage, kind)
	require.Equal(t, "\x00\xff", message)
}

// TestRawWebSocketIsKeptAlive: an unsolicited pong every two minutes (reference
// 2.4).
func TestRawWebSocketIsKeptAlive(t *testing.T) {
	t.Parallel()
	s := serve(t, laterHandler{echo})
	c := s.dial("")
	pongs := make(chan string, 1)
	c.SetPongHandler(func(data string) error {
		select {
		case pongs <- data:
		default:
		}
		return nil
	})
	go func() { _, _, _ = c.next() }()
	require.Empty(t, await.Receive(t, pongs, "the pong"))
	c.drop()
}

// laterHandler lets its receivers live some minutes ahead.
type laterHandler struct{ transports.Handler }

func (h laterHandler) Connect(c *transports.Connection) transports.Receiver {
	return laterReceiver{h.Handler.Connect(c)}
}

type laterReceiver struct{ transports.Receiver }

func (r laterReceiver) Tick(now time.Time) { r.Receiver.Tick(now.Add(3 * time.Minute)) }

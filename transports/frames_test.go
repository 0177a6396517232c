package transports_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// Frames of clients, by their first byte.
const (
	wholeText  = 0x81
	beginText  = 0x01
	moreText   = 0x00
	pingFrame  = 0x89
	closeFrame = 0x88
)

// TestFaultyFrames: RFC 6455 says how each fault is answered, and what has come before it
// is taken.
func TestFaultyFrames(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		frame []byte
		code  int
	}{
		"closing frame with half a code":      {clientFrame(closeFrame, "\x03"), websocket.CloseProtocolError},
		"closing frame with a bad reason":     {clientFrame(closeFrame, "\x03\xe8\xff"), websocket.CloseInvalidFramePayloadData},
		"closing frame with a cut reason":     {clientFrame(closeFrame, "\x03\xe8ok\xc3"), websocket.CloseInvalidFramePayloadData},
		"closing frame with a code of no use": {clientFrame(closeFrame, "\x03\xed"), websocket.CloseProtocolError},
		"closing frame":                       {clientFrame(closeFrame, ""), websocket.CloseNormalClosure},
		"closing frame with a reason":         {clientFrame(closeFrame, "\x03\xe8gööd"), websocket.CloseNormalClosure},
		"length that cannot be":               {[]byte{wholeText, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 'a', 'b', 'c'}, websocket.CloseProtocolError},
	} {
		for position, before := range map[string][]byte{
			"first":              nil,
			"behind a message":   clientFrame(wholeText, "before"),
			"inside of one":      slices.Concat(clientFrame(beginText, "bef"), clientFrame(moreText, "ore")),
			"behind a ping":      slices.Concat(clientFrame(wholeText, "before"), clientFrame(pingFrame, "")),
			"behind a long text": slices.Concat(clientFrame(wholeText, strings.Repeat("before", 3000))),
		} {
			for network, start := range map[string]func(*httptest.Server){"plain": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS} {
				t.Run(name+", "+position+", "+network, func(t *testing.T) {
					t.Parallel()
					a := newApp(t)
					s := serveBy(t, a, start)
					c := s.dial("")
					p := a.next()
					_, err := c.NetConn().Write(slices.Concat(before, tt.frame))
					require.NoError(t, err)
					switch position {
					case "first":
					case "behind a long text":
						p.expect(strings.Repeat("before", 3000))
					default:
						p.expect("before")
					}
					_, _, err = c.next()
					var closed *websocket.CloseError
					require.ErrorAs(t, err, &closed)
					require.Equal(t, tt.code, closed.Code)
					cause := await.Receive(t, p.closed, "the connection to be closed")
					require.Equal(t, tt.code == websocket.CloseNormalClosure, cause == nil, "%v", cause)
					c.drop()
					await.Done(t, s.Empty(), "the connection to end")
				})
			}
		}
	}
}

// TestInvalidTextInFragments: wherever a text is cut, all of it must be UTF-8.
func TestInvalidTextInFragments(t *testing.T) {
	t.Parallel()
	const end = 0x80
	for name, tt := range map[string]struct {
		frames [][]byte
		valid  bool
	}{
		"character cut off":               {[][]byte{clientFrame(beginText, "a\xc3"), clientFrame(end, "b")}, false},
		"character unfinished":            {[][]byte{clientFrame(beginText, "a\xc3"), clientFrame(end, "")}, false},
		"with a ping between":             {[][]byte{clientFrame(beginText, "a\xc3"), clientFrame(pingFrame, ""), clientFrame(end, "b")}, false},
		"in the last fragment":            {[][]byte{clientFrame(beginText, "a"), clientFrame(moreText, ""), clientFrame(end, "\xff")}, false},
		"in the middle":                   {[][]byte{clientFrame(beginText, "a"), clientFrame(moreText, "\xed\xa0\x80"), clientFrame(end, "b")}, false},
		"character in three parts":        {[][]byte{clientFrame(beginText, "\xe2"), clientFrame(moreText, "\x82"), clientFrame(end, "\xac")}, true},
		"character around an empty frame": {[][]byte{clientFrame(beginText, "\xc3"), clientFrame(moreText, ""), clientFrame(pingFrame, "\xff"), clientFrame(end, "\xa9")}, true},
	} {
		for _, together := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, together %v", name, together), func(t *testing.T) {
				t.Parallel()
				a := newApp(t)
				a.discard = true
				s := serve(t, a)
				c := s.dial("")
				p := a.next()
				frames := tt.frames
				if together {
					frames = [][]byte{slices.Concat(frames...)}
				}
				for _, frame := range frames {
					_, err := c.NetConn().Write(frame)
					require.NoError(t, err)
				}
				if tt.valid {
					c.sayGoodbye(nil)
					c.expectClosed(websocket.CloseNormalClosure)
					return
				}
				c.expectClosed(websocket.CloseInvalidFramePayloadData)
				p.expectLost()
			})
		}
	}
}

// A flood of pings takes few answers.
func TestPingsReadTogether(t *testing.T) {
	t.Parallel()
	for network, start := range map[string]func(*httptest.Server){"plain": (*httptest.Server).Start, "TLS": (*httptest.Server).StartTLS} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serveBy(t, a, start)
			c := s.dial("")
			p := a.next()
			var pongs []string
			c.SetPongHandler(func(data string) error {
				pongs = append(pongs, data)
				return nil
			})
			const n = 1000
			_, err := c.NetConn().Write(slices.Concat(slices.Repeat(clientFrame(pingFrame, "early"), n), clientFrame(pingFrame, "last"), clientFrame(wholeText, "up")))
			require.NoError(t, err)
			p.expect("up")
			p.send("down")
			c.expect("down")
			require.Equal(t, "last", pongs[len(pongs)-1])
			require.Less(t, len(pongs), n/4)
		})
	}
}

// Nor does a ping wait for the application, or for more of a message.
func TestPingsAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		frames  []byte
		discard bool // the application takes all
	}{
		"before a message that the application is slow to take": {slices.Concat(clientFrame(pingFrame, "there?"), clientFrame(wholeText, "up")), false},
		"in the middle of a message":                            {slices.Concat(clientFrame(beginText, "u"), clientFrame(pingFrame, "there?")), true},
		"behind the last fragment":                              {slices.Concat(clientFrame(beginText, "u"), clientFrame(0x80, ""), clientFrame(pingFrame, "there?")), true},
		"before an empty message":                               {slices.Concat(clientFrame(pingFrame, "there?"), clientFrame(wholeText, "")), false},
		"before the beginning of a frame":                       {append(clientFrame(pingFrame, "there?"), wholeText), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			a.discard = tt.discard
			c := serve(t, a).dial("")
			_, err := c.NetConn().Write(tt.frames)
			require.NoError(t, err)
			answered, pong := errors.New("answered"), ""
			c.SetPongHandler(func(data string) error {
				pong = data
				return answered
			})
			_, _, err = c.next()
			require.ErrorIs(t, err, answered)
			require.Equal(t, "there?", pong)
		})
	}
}

// TestUnfinishedMessage: a client that begins a message goes on with it or is gone.
func TestUnfinishedMessage(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		begun []byte
		ends  bool
	}{
		"half a header":         {[]byte{wholeText}, true},
		"header":                {clientFrame(wholeText, "text")[:2], true},
		"mask":                  {clientFrame(wholeText, "text")[:6], true},
		"half a frame":          {clientFrame(wholeText, "text")[:8], true},
		"half a long one":       {clientFrame(wholeText, strings.Repeat("x", 20_000))[:10_000], true},
		"fragment":              {clientFrame(beginText, "text"), true},
		"ping behind it":        {slices.Concat(clientFrame(beginText, "text"), clientFrame(pingFrame, "")), true},
		"half a ping":           {clientFrame(pingFrame, "text")[:8], true},
		"nothing":               {nil, false},
		"whole message":         {clientFrame(wholeText, "text"), false},
		"fragments":             {slices.Concat(clientFrame(beginText, "te"), clientFrame(0x80, "xt")), false},
		"ping":                  {clientFrame(pingFrame, ""), false},
		"empty message":         {clientFrame(wholeText, ""), false},
		"messages and the next": {slices.Concat(clientFrame(wholeText, "text"), clientFrame(wholeText, "text"), []byte{wholeText}), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t)
				a.discard = true
				s := serveBubble(t, a, func(*http.Server) {}, transports.WithSweepInterval(time.Second))
				c := s.dial("")
				p := a.next()
				go func() { _, _ = io.Copy(io.Discard, c.NetConn()) }() // pongs
				conn := c.NetConn()
				// Whoever goes on has all the time it takes.
				for i := range len(tt.begun) {
					if i > 0 && i < 12 {
						time.Sleep(50 * time.Second)
					}
					end := i + 1
					if i == 12 {
						end = len(tt.begun)
					}
					_, err := conn.Write(tt.begun[i:end])
					require.NoError(t, err)
					if end == len(tt.begun) {
						break
					}
				}
				time.Sleep(50 * time.Second)
				none(t, p.closed, "it is not too late")
				time.Sleep(20 * time.Second)
				if !tt.ends {
					time.Sleep(10 * time.Minute)
					none(t, p.closed, "a client may be silent")
					return
				}
				p.expectLost()
				await.Done(t, s.Empty(), "the connection to end")
				require.EqualValues(t, 1, s.Stats().Ended["connection_lost"])
			})
		})
	}
}

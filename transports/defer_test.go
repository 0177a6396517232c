package transports_test

import (
	"encoding/binary"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// workshop is an application that defers work when the client asks for it.
type workshop struct {
	arrived chan *craftsman
	defers  func(p *craftsman, data string) // runs during Receive
	work    func(*craftsman)
}

func newWorkshop(work func(*craftsman)) *workshop {
	return &workshop{
		arrived: make(chan *craftsman, 8),
		work:    work,
		defers: func(p *craftsman, data string) {
			if strings.Contains(data, "work") {
				p.Defer(p)
			}
		},
	}
}

func (w *workshop) Connect(c *transports.Connection) transports.Receiver {
	p := &craftsman{Connection: c, shop: w, diary: make(chan string, 1024)}
	w.arrived <- p
	return p
}

// craftsman is the application's end of a connection. Its diary tells what happens.
type craftsman struct {
	*transports.Connection
	shop  *workshop
	diary chan string
}

func (p *craftsman) Receive(data []byte) {
	p.diary <- string(data)
	p.shop.defers(p, string(data))
}

func (p *craftsman) Work() {
	p.diary <- "working"
	p.shop.work(p)
}

func (p *craftsman) Tick(time.Time) {}

func (p *craftsman) Close(error) {
	p.diary <- "closed"
	p.Finish(nil)
}

func (p *craftsman) expect(t *testing.T, entries ...string) {
	t.Helper()
	for _, entry := range entries {
		require.Equal(t, entry, await.Receive(t, p.diary, "the entry %.100q", entry))
	}
}

// frame returns a frame of a client's, whose mask changes nothing.
func frame(text string) string {
	header := []byte{0x81, 0x80 | byte(len(text))}
	if len(text) > 125 {
		header[1] = 0x80 | 126
		header = binary.BigEndian.AppendUint16(header, uint16(len(text)))
	}
	return string(append(header, 0, 0, 0, 0)) + text
}

// push writes to the network what may be any part of a frame.
func (c *socket) push(bytes string) {
	c.t.Helper()
	_, err := c.NetConn().Write([]byte(bytes))
	require.NoError(c.t, err)
}

// Deferred work runs after all that has come with it, and what it sends leaves as
// one message.
func TestDeferredWorkComesLast(t *testing.T) {
	t.Parallel()
	shop := newWorkshop(func(p *craftsman) {
		for _, text := range []string{"one", "two", "three"} {
			_ = p.Send([]byte(text))
		}
	})
	s := serve(t, shop)
	c := s.dial("")
	p := await.Receive(t, shop.arrived, "the connection to reach the application")
	for range 3 {
		c.push(frame("work") + frame("a") + frame(strings.Repeat("b", 300)) + frame("c"))
		p.expect(t, "work", "a", strings.Repeat("b", 300), "c", "working")
		c.expect("onetwothree")
	}
}

// While work takes long, what was sent so far leaves, and the client is heard.
func TestLongWorkHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*httptest.Server){
		"TCP": (*httptest.Server).Start,
		"TLS": (*httptest.Server).StartTLS,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proceed := make(chan struct{})
			shop := newWorkshop(func(p *craftsman) {
				_ = p.Send([]byte("begun"))
				<-proceed
				_ = p.Send([]byte("done"))
			})
			s := serveBy(t, shop, start)
			c := s.dial("")
			p := await.Receive(t, shop.arrived, "the connection to reach the application")
			for range 3 {
				c.send("work")
				p.expect(t, "work", "working")
				c.expect("begun")
				c.send("still there?")
				p.expect(t, "still there?")
				require.NoError(t, p.Send([]byte("yes")))
				c.expect("yes")
				await.Send(t, proceed, struct{}{}, "the work")
				c.expect("done")
			}
			// The next work begins while another one is not done.
			c.send("work")
			p.expect(t, "work", "working")
			c.expect("begun")
			c.send("more work")
			p.expect(t, "more work", "working")
			c.expect("begun")
			await.Send(t, proceed, struct{}{}, "the work")
			await.Send(t, proceed, struct{}{}, "the work")
		})
	}
}

// What was deferred is done although the next frame is not there as a whole.
func TestDeferredWorkBeforeHalfAFrame(t *testing.T) {
	t.Parallel()
	long := frame(strings.Repeat("x", 200))
	first := "\x01\x84\x00\x00\x00\x00work" // of a message in two frames
	for name, bytes := range map[string][2]string{
		"one byte":            {frame("work") + long[:1], long[1:]},
		"half a header":       {frame("work") + long[:3], long[3:]},
		"half a payload":      {frame("work") + long[:20], long[20:]},
		"half a message":      {first, "\x80\x81\x00\x00\x00\x00x"},
		"half of its next":    {first + "\x80", "\x81\x00\x00\x00\x00x"},
		"within the payload":  {frame("work" + strings.Repeat("x", 200))[:60], frame("work" + strings.Repeat("x", 200))[60:]},
		"nothing behind":      {frame("work"), frame("x")},
		"a ping, and nothing": {frame("work") + "\x89\x80\x00\x00\x00\x00", frame("x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := newWorkshop(func(*craftsman) {})
			s := serve(t, shop)
			c := s.dial("")
			p := await.Receive(t, shop.arrived, "the connection to reach the application")
			c.push(bytes[0])
			for got := ""; got != "working"; {
				got = await.Receive(t, p.diary, "the entry of the work")
			}
			c.push(bytes[1])
			for got := ""; !strings.HasSuffix(got, "x"); {
				got = await.Receive(t, p.diary, "the entry of what follows the work")
			}
			c.sayGoodbye(websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
			for got := ""; got != "closed"; {
				got = await.Receive(t, p.diary, "the entry of the close")
			}
		})
	}
}

// Nothing that was deferred is forgotten when the connection breaks.
func TestDeferredWorkOfABrokenConnection(t *testing.T) {
	t.Parallel()
	shop := newWorkshop(func(*craftsman) {})
	s := serve(t, shop)
	c := s.dial("")
	p := await.Receive(t, shop.arrived, "the connection to reach the application")
	c.push(frame("work") + "\xff\xff" + frame("x"))
	p.expect(t, "work")
	require.ElementsMatch(t, []string{"working", "closed"}, []string{await.Receive(t, p.diary, "the first entry of work and close"), await.Receive(t, p.diary, "the second entry of work and close")})
}

// Work that ends its goroutine, as a failing test does, ends no connection.
func TestWorkThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	shop := newWorkshop(func(p *craftsman) {
		_ = p.Send([]byte("good-bye"))
		runtime.Goexit()
	})
	s := serve(t, shop)
	c := s.dial("")
	p := await.Receive(t, shop.arrived, "the connection to reach the application")
	for range 3 {
		c.send("work")
		p.expect(t, "work", "working")
		c.expect("good-bye")
	}
}

// Of two works that are deferred at once both are done, and the application may
// have one started.
func TestSeveralWorks(t *testing.T) {
	t.Parallel()
	meet := make(chan struct{})
	shop := newWorkshop(func(*craftsman) {
		select {
		case meet <- struct{}{}:
		case <-meet:
		}
	})
	shop.defers = func(p *craftsman, data string) {
		p.Defer(p)
		if data == "both" {
			p.Defer(p)
			return
		}
		p.StartDeferred()
		meet <- struct{}{} // the work is done before Receive returns
	}
	s := serve(t, shop)
	c := s.dial("")
	p := await.Receive(t, shop.arrived, "the connection to reach the application")
	c.send("both")
	p.expect(t, "both", "working", "working")
	c.send("now")
	p.expect(t, "now", "working")
}

// A POST does not wait for deferred work.
func TestDeferredWorkOfAPost(t *testing.T) {
	t.Parallel()
	for _, kind := range []transports.Kind{transports.ServerSentEvents, transports.LongPolling} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			proceed := make(chan struct{})
			shop := newWorkshop(func(p *craftsman) {
				<-proceed
				_ = p.Send([]byte("done"))
			})
			s := serve(t, shop)
			l := s.connect(kind)
			p := await.Receive(t, shop.arrived, "the connection to reach the application")
			l.send("work")
			p.expect(t, "work", "working")
			l.send("x")
			p.expect(t, "x")
			close(proceed)
			s.expectFrom(l, "done")
			l.leave()
		})
	}
}

// What gathers while the client is heard leaves as one message, and before Receive waits.
func TestGather(t *testing.T) {
	t.Parallel()
	proceed := make(chan struct{})
	shop := newWorkshop(nil)
	shop.defers = func(p *craftsman, data string) {
		for _, text := range []string{data, "!"} {
			p.Gather()
			_ = p.Send([]byte(text))
		}
		if data == "wait" {
			p.StartDeferred()
			<-proceed
		}
	}
	s := serve(t, shop)
	c := s.dial("")
	c.push(frame("a") + frame("b") + frame("c"))
	c.expect("a!b!c!")
	c.push(frame("d") + frame("wait") + frame("e"))
	c.expect("d!wait!")
	close(proceed)
	c.expect("e!")
	for _, kind := range []transports.Kind{transports.ServerSentEvents, transports.LongPolling} {
		l := s.connect(kind)
		l.send("x")
		s.expectFrom(l, "x!")
		l.leave()
	}
}

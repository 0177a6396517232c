package hubs_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

const unacknowledged = `{"type":7,"error":"Connection closed with an error. Error: ` +
	`hubs: the client has not acknowledged enough messages for too long","allowReconnect":true}`

// A client that never acknowledges holds senders back when its buffer is full,
// and is closed 5 s later.
func TestClientThatNeverAcknowledges(t *testing.T) {
	const limit = 2000
	inWorld(t, []hubs.Option{hubs.WithStatefulReconnectBufferSize(limit)}, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(`{"type":4,"invocationId":"f","target":"Flood","arguments":[]}`)
		size, last := 0, ""
		after := seconds(func() {
			for !strings.HasPrefix(last, `{"type":7`) {
				record, err := c.next()
				require.NoError(t, err)
				if !isAck.MatchString(record) {
					size += len(last) // all but Close
					last = record
				}
			}
		})
		require.Equal(t, unacknowledged, last)
		require.InDelta(t, 5.5, after, 1)
		require.InDelta(t, limit, size, 100)
		require.Contains(t, await.Receive(t, w.diary, "the end of the connection"), "not acknowledged enough")
		c.expectClosed(websocket.CloseNormalClosure)
		c.refused(http.StatusNotFound)
	})
}

// The same client, when nothing holds it back: it may go on as long as it likes.
func TestClientThatAcknowledgesHoldsNobodyBack(t *testing.T) {
	inWorld(t, []hubs.Option{hubs.WithStatefulReconnectBufferSize(2000)}, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(`{"type":4,"invocationId":"f","target":"Flood","arguments":[]}`)
		received, skipped := 0, 0
		for began := time.Now(); time.Since(began) < 20*time.Second; {
			record, err := c.next()
			require.NoError(t, err)
			if isAck.MatchString(record) {
				skipped++
				continue
			}
			require.Equal(t, item("f", received), record)
			if received++; received%40 == 0 {
				time.Sleep(time.Second)
				c.send(ack(received))
			}
		}
		require.Less(t, skipped, 2)
		c.send(`{"type":5,"invocationId":"f"}`)
		require.Empty(t, w.diary)
	})
}

// flooded returns a client that has received an item of a stream that fills its
// buffer.
func (w *world) flooded() *traveller {
	c := w.arrive("")
	c.send(`{"type":4,"invocationId":"f","target":"Flood","arguments":[]}`)
	c.expect(item("f", 0))
	return c
}

// expectItems reads the items first to last of the flood.
func (c *traveller) expectItems(first, last int) {
	c.t.Helper()
	for i := first; i <= last; i++ {
		c.expect(item("f", i))
	}
}

// With a full buffer, too, an outage may be as long as the disconnect timeout, and
// afterwards the client has the time that it always has.
func TestBufferFullDuringAnOutage(t *testing.T) {
	inWorld(t, []hubs.Option{hubs.WithStatefulReconnectBufferSize(2000)}, func(t *testing.T, w *world) {
		c := w.flooded()
		c.lose()
		time.Sleep(transports.DefaultDisconnectTimeout - time.Second)
		c.open()
		c.expect(sequence(1))
		c.expectItems(0, 40)
		time.Sleep(4 * time.Second)
		c.send(ack(41))
		c.expectItems(41, 60)
		require.Empty(t, w.diary)

		c.lose()
		after := seconds(func() { w.diary.expect(t, inactiveEntry) })
		require.InDelta(t, transports.DefaultDisconnectTimeout.Seconds()+0.5, after, 1)
		c.refused(http.StatusNotFound)
	})
}

// A client whose WebSockets are lost again and again before it gets to acknowledge
// anything, as official clients do a second after they have received something, is
// not closed for that.
func TestBufferFullWhileNoWebSocketLastsLong(t *testing.T) {
	inWorld(t, []hubs.Option{hubs.WithStatefulReconnectBufferSize(2000)}, func(t *testing.T, w *world) {
		c := w.flooded()
		for range 20 {
			c.lose()
			time.Sleep(500 * time.Millisecond)
			c.open()
			c.expect(sequence(1))
			c.expectItems(0, 40)
			time.Sleep(900 * time.Millisecond)
		}
		c.send(ack(41))
		c.expectItems(41, 60)
		require.Empty(t, w.diary)
	})
}

// A client that acknowledges when everything has come again has time to receive it.
func TestBufferFullDuringASlowReplay(t *testing.T) {
	inWorld(t, []hubs.Option{hubs.WithStatefulReconnectBufferSize(2000)}, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.lose()
		const messages = 100
		text := strings.Repeat("x", 10_000)
		for range messages {
			require.NoError(t, w.Clients().All().Send(context.Background(), "text", text))
		}
		c.open()
		c.expect(sequence(1))
		took := seconds(func() {
			for range messages {
				time.Sleep(200 * time.Millisecond)
				c.expect(event("text", `"`+text+`"`))
			}
		})
		require.Greater(t, took, 10.)
		time.Sleep(time.Second)
		c.send(ack(messages), invoke("1", "Echo", `"x"`))
		c.expect(result("1", `"x"`))
		require.Empty(t, w.diary)
	})
}

// What cannot wait takes more than the buffer, but not without end.
func TestBroadcastsOverfillTheBufferOnlySoFar(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.lose()
		text := strings.Repeat("x", 10_000)
		sent := 0
		for ; len(w.diary) == 0 && sent < 1000; sent++ {
			require.NoError(t, w.Clients().All().Send(context.Background(), "text", text))
			synctest.Wait()
		}
		require.InDelta(t, (hubs.DefaultStatefulReconnectBufferSize+transports.DefaultOutboxLimit)/10_000, sent, 2)
		require.Contains(t, await.Receive(t, w.diary, "the end of the connection"), "not acknowledged enough")
		c.refused(http.StatusNotFound)
	})
}

// A buffer may be larger than the outbox: all of it is sent again.
func TestReplayOfMoreThanTheOutboxHolds(t *testing.T) {
	opts := []hubs.Option{
		hubs.WithStatefulReconnectBufferSize(1 << 20),
		hubs.WithEndpoint(transports.WithOutboxLimit(1000), transports.WithBufferSize(1000)),
	}
	inWorld(t, opts, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.lose()
		text := `"` + strings.Repeat("x", 100) + `"`
		for range 100 {
			require.NoError(t, w.Clients().All().Send(context.Background(), "text", strings.Trim(text, `"`)))
		}
		c.open()
		c.expect(sequence(1))
		for range 100 {
			c.expect(event("text", text))
		}
		require.Empty(t, w.diary)
	})
}

// Acknowledgements may stand behind so many calls that nothing is read before
// they have returned, and they have no room for their answers.
func TestAcknowledgementsBehindManyCalls(t *testing.T) {
	opts := []hubs.Option{hubs.WithStatefulReconnectBufferSize(1000), hubs.WithInputBufferSize(1000)}
	inWorld(t, opts, func(t *testing.T, w *world) {
		c := w.arrive("")
		const calls = 200
		took := seconds(func() {
			for i := range calls {
				c.send(invoke(fmt.Sprint(i), "Echo", `"x"`))
			}
			for i := range calls {
				c.expect(result(fmt.Sprint(i), `"x"`))
				c.send(ack(i + 1))
			}
		})
		require.Less(t, took, 2.)
		require.Empty(t, w.diary)
	})
}

// And the calls may take longer than a client has for its acknowledgements: it is
// not to blame for what the hub does not read.
func TestAcknowledgementsBehindSlowCalls(t *testing.T) {
	opts := []hubs.Option{hubs.WithStatefulReconnectBufferSize(1000), hubs.WithInputBufferSize(1000)}
	inWorld(t, opts, func(t *testing.T, w *world) {
		c := w.arrive("")
		const calls = 100
		var received atomic.Int64
		over := make(chan struct{})
		go func() {
			defer close(over)
			alive := true
			write := func(record string) {
				alive = alive && c.socket.WriteMessage(websocket.TextMessage, []byte(record+"\x1e")) == nil
			}
			for i := range calls {
				write(invoke(fmt.Sprint(i), "Nap", ``))
			}
			for alive && received.Load() < calls {
				write(ack(int(received.Load())))
				time.Sleep(time.Second)
			}
		}()
		took := seconds(func() {
			for i := range calls {
				c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":null}`, i))
				received.Add(1)
			}
		})
		await.Done(t, over, "the end of the acknowledgements")
		require.Greater(t, took, 10.)
		require.Empty(t, w.diary)
	})
}

// The answer to a call that is refused where it is read does not wait for
// acknowledgements, which are read in the same place.
func TestRefusalsDoNotWaitForAcknowledgements(t *testing.T) {
	inWorld(t, []hubs.Option{hubs.WithStatefulReconnectBufferSize(10)}, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(invoke("1", "Echo", `"more than ten bytes"`))
		c.expect(result("1", `"more than ten bytes"`))
		took := seconds(func() {
			for range 3 {
				c.send(invoke("2", "Nothing", ``))
				c.expect(`{"type":3,"invocationId":"2","error":"Failed to invoke 'Nothing' due to an error on the server. HubException: Method does not exist."}`)
			}
		})
		require.Zero(t, took)
		c.send(ack(4), invoke("3", "Echo", `"x"`))
		c.expect(result("3", `"x"`))
	})
}

// A client that acknowledges what it has not read makes room in the buffer, but not
// in what waits for it to read.
func TestClientThatAcknowledgesWithoutReading(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		c := w.arrive("")
		text := strings.Repeat("x", 10_000)
		kept := 0
		for n := 1; len(w.diary) == 0 && n < 1000; n++ {
			require.NoError(t, w.Clients().All().Send(context.Background(), "text", text))
			synctest.Wait()
			c.send(ack(n))
			synctest.Wait()
			kept += len(text)
		}
		require.Less(t, kept, 600_000)
		require.Contains(t, await.Receive(t, w.diary, "the end of the connection"), "which waits to be sent.")
		last := ""
		for {
			record, err := c.next()
			if err != nil {
				break
			}
			last = record
		}
		require.Regexp(t, `^\{"type":7,"error":"Connection closed with an error. InvalidDataException: `+
			`Ack of message \d+, which waits to be sent\.","allowReconnect":true\}$`, last)
		c.refused(http.StatusNotFound)
	})
}

// What the hub keeps for a client that never acknowledges is its buffer, whatever
// the size of the messages: of small ones each takes as much memory again for being
// there.
func TestMemoryOfClientsThatNeverAcknowledge(t *testing.T) {
	for _, tt := range []struct {
		name  string
		text  string
		share float64 // of the buffer
	}{
		{"large messages", strings.Repeat("x", 4000), 1.2},
		{"small messages", "x", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const clients = 20
			const limit = 500_000
			opts := []hubs.Option{hubs.WithStatefulReconnectBufferSize(limit)}
			synctest.Test(t, func(t *testing.T) { // not beside other tests: it looks at all memory
				w := newWorld(t, opts)
				var all []*traveller
				for range clients {
					c := w.arrive("")
					c.lose()
					all = append(all, c)
				}
				before := memory()
				for _, c := range all {
					to := w.Clients().Client(c.id())
					for size := 0; size < limit; size += len(event("m", `"`+tt.text+`"`)) + 1 {
						require.NoError(t, to.Send(context.Background(), "m", tt.text))
					}
				}
				synctest.Wait()
				require.InDelta(t, 1, float64(memory()-before)/(clients*limit), tt.share-1)
				require.Empty(t, w.diary)
				for _, c := range all {
					require.NoError(t, w.Clients().Client(c.id()).Abort(context.Background(), nil), nil)
				}
				synctest.Wait()
				require.Less(t, float64(memory()-before)/(clients*limit), 0.1, "nothing is kept for those who are gone")
			})
		})
	}
}

// memory returns the bytes in use.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

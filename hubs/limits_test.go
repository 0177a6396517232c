package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// untilDone is a method that runs until its call is cancelled.
func untilDone() hubs.Option {
	return hubs.HandleVoid0("wait", func(c *hubs.Context) error {
		<-c.Done()
		return nil
	})
}

// fillInput makes a client send more calls than its input buffer of 100 bytes
// holds: one runs, and the connection's reader waits until there is room for the
// next.
func fillInput(c *client) {
	const echo = `{"type":1,"target":"Echo","arguments":["xxxxxxxxxxxxxxxxxxx"]}` + "\x1e"
	c.pour(`{"type":1,"target":"wait","arguments":[]}` + "\x1e" + strings.Repeat(echo, 20))
}

// A running call waited for its context and the reader waited for the call, so that
// nobody noticed that the client had gone.
func TestClientThatGoesWhileItsInputIsFullIsNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDiary()
		s := servePipes(t, callHub{}, append(d.options(), hubs.WithInputBufferSize(100), untilDone())...)
		c := s.connect()
		d.expect(t, "connected")
		fillInput(c)
		c.drop()
		d.expect(t, lostEntry) // the next ping fails
	})
}

// The same with a client that does not read.
func TestSlowClientWhoseInputIsFullIsDisconnected(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDiary()
		s := servePipes(t, callHub{}, append(d.options(), hubs.WithInputBufferSize(100), untilDone(),
			hubs.WithEndpoint(transports.WithOutboxLimit(64<<10)))...)
		c := s.connect()
		d.expect(t, "connected")
		fillInput(c)
		for range 3 { // one is being written, one fits
			require.NoError(t, s.Clients().All().Send(context.Background(), "m", strings.Repeat("x", 60<<10)))
		}
		d.expect(t, "disconnected: "+transports.ErrSlowClient.Error())
	})
}

// Of what waits for hub methods only some was counted: ten items of every stream
// were free, and so was the memory that tiny calls and items take beside their
// bytes. All of it counts, and holds the client back.
func TestWhatWaitsForHubMethodsIsBounded(t *testing.T) {
	item := func(stream int, text string) string {
		return fmt.Sprintf(`{"type":2,"invocationId":"u%d","item":%q}`, stream, text) + "\x1e"
	}
	upload := func(stream int) string {
		return fmt.Sprintf(`{"type":1,"target":"hold","arguments":[],"streamIds":["u%d"]}`, stream) + "\x1e"
	}
	const buffer = hubs.DefaultInputBufferSize
	t.Parallel()
	for _, tt := range []struct {
		name       string
		connecting bool // OnConnected is running
		pour       func(send func(string))
		allowed    int64 // bytes taken from the client
	}{
		{"long items of many streams", false, func(send func(string)) {
			long := strings.Repeat("x", 32_000)
			for i := range 40 {
				send(upload(i))
				for range 10 {
					send(item(i, long))
				}
			}
		}, 2*buffer + 2*hubs.DefaultMaximumReceiveMessageSize},
		{"short items", false, func(send func(string)) {
			send(upload(0))
			send(strings.Repeat(item(0, ""), 100_000))
		}, buffer},
		{"calls without arguments", false, func(send func(string)) {
			send(`{"type":1,"target":"wait","arguments":[]}` + "\x1e")
			send(strings.Repeat(`{"type":1,"target":"wait","arguments":[]}`+"\x1e", 100_000))
		}, buffer / 4},
		{"calls of a method that does not exist", true, func(send func(string)) {
			send(strings.Repeat(`{"type":1,"target":"missing","arguments":["`+strings.Repeat("x", 1000)+`"]}`+"\x1e", 1_000))
		}, 2 * buffer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				opts := []hubs.Option{untilDone(), hubs.HandleVoid1("hold", func(c *hubs.Context, _ <-chan string) error {
					<-c.Done()
					return nil
				})}
				if tt.connecting {
					opts = append(opts, hubs.WithOnConnected(func(*hubs.Context) error {
						<-release
						return nil
					}))
				}
				s := servePipes(t, callHub{}, opts...)
				c := s.connect()
				before := s.taken.Load()
				var messages []string
				tt.pour(func(m string) { messages = append(messages, m) })
				c.pour(messages...)
				require.LessOrEqual(t, s.taken.Load()-before, tt.allowed)
				c.drop()
			})
		})
	}
}

// Streams that the client had ended did not count any more while their methods ran
// on: a client could have as many running calls as it liked.
func TestCallsWhoseUploadsHaveEndedCountAsStreams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const most, calls = 5, 20
		var running atomic.Int32
		c := servePipes(t, callHub{}, hubs.WithMaximumStreams(most), hubs.HandleVoid1("up", func(c *hubs.Context, _ <-chan int) error {
			running.Add(1)
			<-c.Done()
			return nil
		})).connect()
		for i := range calls {
			c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"up","arguments":[],"streamIds":["u%d"]}`, i, i),
				fmt.Sprintf(`{"type":3,"invocationId":"u%d"}`, i))
		}
		synctest.Wait()
		require.EqualValues(t, most, running.Load())
		for i := most; i < calls; i++ {
			c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","error":"An unexpected error occurred invoking 'up' on the server. HubException: There are too many streams: %d at most."}`, i, most))
		}
	})
}

// A call that had returned could give its slot a second time, by asking a client
// for a result, and more calls ran than were allowed.
func TestCallThatHasReturnedHasNoSlotToGive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newGate()
		contexts := make(chan *hubs.Context, 1)
		s := servePipes(t, callHub{}, g.handler(), hubs.HandleVoid0("leak", func(c *hubs.Context) error {
			contexts <- c
			return nil
		}))
		c := s.connect()
		for range 3 {
			c.call("leak")
			synctest.Wait()
			leaked := await.Receive(t, contexts, "the context of the call")
			_, err := hubs.Invoke[int](context.WithoutCancel(leaked), leaked.Clients().Client("nobody"), "x")
			require.ErrorContains(t, err, "does not exist")
		}
		c.send(gateCall(1), gateCall(2), gateCall(3))
		synctest.Wait()
		running := len(g.entered)
		close(g.release)
		require.Equal(t, 1, running, "one call runs at a time")
		for i := range 3 {
			c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":%d}`, i+1, i+1))
		}
	})
}

// Senders that can wait looked for room and then queued, many at once, and so
// overfilled the outbox of a client that merely read a bit later.
func TestSendersThatWaitNeverMakeASlowClient(t *testing.T) {
	t.Parallel()
	const limit = transports.DefaultBufferSize // the least that the outbox can have
	text := strings.Repeat("x", limit/2)
	for _, tt := range []struct {
		name, invocation string
		calls, items     int // items of each call
	}{
		{"answers of pipelined calls", `"type":1,"target":"big","arguments":[]`, 100, 0},
		{"messages to the caller", `"type":1,"target":"tell","arguments":[20]`, 5, 20},
		{"a stream", `"type":4,"target":"produce","arguments":[100]`, 1, 100},
		{"many streams", `"type":4,"target":"produce","arguments":[5]`, 40, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				s := servePipes(t, nil, hubs.WithEndpoint(transports.WithOutboxLimit(limit)),
					hubs.Handle0("big", func(*hubs.Context) (string, error) { return text, nil }),
					hubs.HandleVoid1("tell", func(c *hubs.Context, n int) error {
						for range n {
							if err := c.Clients().Caller().Send(c, "m", text); err != nil {
								return err
							}
						}
						return nil
					}),
					hubs.Handle1("produce", func(_ *hubs.Context, n int) (iter.Seq2[string, error], error) {
						return func(yield func(string, error) bool) {
							for range n {
								if !yield(text, nil) {
									return
								}
							}
						}, nil
					}))
				c := s.connect()
				var calls []string
				for i := range tt.calls {
					calls = append(calls, fmt.Sprintf(`{"invocationId":"%d",%s}`, i, tt.invocation)+"\x1e")
				}
				c.pour(calls...) // and then all senders wait
				for range tt.calls * (tt.items + 1) {
					_, err := c.next()
					require.NoError(t, err, "%v", s.Stats())
				}
			})
		})
	}
}

// An answer longer than the outbox was too much as soon as anything was queued.
func TestLongAnswerBehindAShortMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		told := make(chan error, 1)
		long := strings.Repeat("x", 2*transports.DefaultOutboxLimit)
		s := servePipes(t, nil, hubs.Handle0("tell", func(c *hubs.Context) (string, error) {
			caller := c.Clients().Caller()
			err := caller.Send(c, "written")
			synctest.Wait() // the client does not read it
			told <- errors.Join(err, caller.Send(c, "queued"))
			return long, nil
		}))
		c := s.connect()
		c.send(`{"type":1,"invocationId":"1","target":"tell","arguments":[]}`)
		require.NoError(t, await.Receive(t, told, "the result of the sends"))
		synctest.Wait() // the answer is queued
		c.expect(`{"type":1,"target":"written","arguments":[]}`, `{"type":1,"target":"queued","arguments":[]}`,
			`{"type":3,"invocationId":"1","result":"`+long+`"}`)
	})
}

// A client that is held back cannot be heard, and is not timed out for that.
func TestClientTimeoutDoesNotRunWhileInputIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		release := make(chan struct{})
		d := newDiary()
		s := servePipes(t, callHub{}, append(d.options(), hubs.WithInputBufferSize(100), hubs.WithClientTimeout(5*time.Second),
			hubs.WithKeepAliveInterval(time.Hour),
			hubs.HandleVoid0("wait", func(*hubs.Context) error {
				<-release
				return nil
			}))...)
		c := s.connect()
		d.expect(t, "connected")
		c.send(`{"type":6}`)
		fillInput(c)
		time.Sleep(time.Minute) // of the bubble's time
		require.Empty(t, d)
		close(release)
		synctest.Wait() // the rest of the input has been taken
		require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
		d.expect(t, "disconnected: "+hubs.ErrClientTimeout.Error()) // now it says nothing
	})
}

// The beginning of a long message was searched anew for every piece that came.
func BenchmarkLongMessage(b *testing.B) {
	for _, mb := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d MiB", mb), func(b *testing.B) {
			c := serve(b, callHub{}, hubs.WithMaximumReceiveMessageSize(0)).connect()
			message := `{"type":1,"invocationId":"1","target":"Any","arguments":["` + strings.Repeat("x", mb<<20) + `"]}`
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				c.send(message)
				c.expect(`{"type":3,"invocationId":"1","result":"string"}`)
			}
		})
	}
}

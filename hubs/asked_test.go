package hubs_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// askFirst is a method that counts the items of a stream after it has asked its
// client; asked hears how that went.
func askFirst(asked chan<- error) hubs.Option {
	return hubs.Handle1("count", func(c *hubs.Context, items <-chan string) (int, error) {
		_, err := hubs.Invoke[int](c, c.Clients().Caller(), "ask")
		asked <- err
		n := 0
		for range items {
			n++
		}
		return n, c.Err()
	})
}

// countCall is a call of count, whose stream has the id u, and textItem an item of it.
const countCall = `{"type":1,"invocationId":"w","target":"count","arguments":[],"streamIds":["u"]}`

func textItem(text string) string {
	return fmt.Sprintf(`{"type":2,"invocationId":"u","item":%q}`, text)
}

// The answer to a method that asks its own client comes behind the items that the
// client sends meanwhile. When they filled the input buffer both waited for each other.
func TestUploadToAMethodThatAsksItsClientFirst(t *testing.T) {
	t.Parallel()
	const items = 200 // of more than 1 KiB
	for _, p := range []protocol.Protocol{protocol.NewJSON(), protocol.NewMessagePack()} {
		for _, kind := range allTransports {
			if kind == transports.ServerSentEvents && p.Format() == protocol.Binary {
				continue // it carries text only
			}
			for _, together := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s by %v, together %v", p.Name(), kind, together), func(t *testing.T) {
					t.Parallel()
					asked := make(chan error, 1)
					s := serve(t, nil, hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()), askFirst(asked))
					l := s.dialLineFor(kind, p.Name())
					message := func(m protocol.Message) string {
						frame, err := p.Append(nil, m)
						require.NoError(t, err)
						return strings.TrimSuffix(string(frame), "\x1e")
					}
					value := func(v any) []byte {
						raw, err := p.AppendValue(nil, v)
						require.NoError(t, err)
						return raw
					}
					call := message(&protocol.Invocation{InvocationID: "w", Target: "count", StreamIDs: []string{"u"}})
					var upload []string
					for range items {
						upload = append(upload, message(&protocol.StreamItem{InvocationID: "u", Item: value(strings.Repeat("x", 1024))}))
					}
					upload = append(upload, message(&protocol.Completion{InvocationID: "u"}))
					question := message(&protocol.Invocation{InvocationID: "s1", Target: "ask"})
					if together {
						l.send(append([]string{call}, upload...)...)
						l.expect(question)
					} else {
						l.send(call)
						l.expect(question)
						l.send(upload...)
					}
					l.send(message(&protocol.Completion{InvocationID: "s1", Result: value(1)}))
					require.NoError(t, await.Receive(t, asked, "the client's answer"))
					l.expect(message(&protocol.Completion{InvocationID: "w", Result: value(items)}))
				})
			}
		}
	}
}

// A question is heard of also by a reader that waits already, and so is what comes
// behind the items: an answer, a cancellation.
func TestQuestionToAClientThatIsHeldBack(t *testing.T) {
	for _, tt := range []struct{ name, next, outcome, answer string }{
		{"answer", `{"type":3,"invocationId":"s1","result":1}`, "", `{"type":3,"invocationId":"w","result":20}`},
		{"cancellation", `{"type":5,"invocationId":"w"}`, "Invocation canceled by the server: hubs: the client has cancelled the call",
			`{"type":3,"invocationId":"w","error":"An unexpected error occurred invoking 'count' on the server."}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				asked, enter := make(chan error, 1), make(chan struct{})
				s := servePipes(t, nil, hubs.WithInputBufferSize(1000), askFirst(asked), hubs.WithFilters(hubs.Filter{
					Call: func(_ *hubs.Context, next func() (any, error)) (any, error) {
						<-enter
						return next()
					}}))
				c := s.connect()
				messages := []string{countCall + "\x1e"}
				for range 20 {
					messages = append(messages, textItem(strings.Repeat("x", 200))+"\x1e")
				}
				messages = append(messages, `{"type":3,"invocationId":"u"}`+"\x1e")
				sent := s.taken.Load()
				c.pour(messages...)
				held := s.taken.Load() - sent
				require.Less(t, held, int64(4000), "the client is held back")
				close(enter)
				c.expect(`{"type":1,"invocationId":"s1","target":"ask","arguments":[]}`)
				synctest.Wait()
				require.Greater(t, s.taken.Load()-sent, int64(4000), "the client is read from again")
				c.send(tt.next)
				if err := await.Receive(t, asked, "the end of the question"); tt.outcome != "" {
					require.EqualError(t, err, tt.outcome)
				} else {
					require.NoError(t, err)
				}
				c.expect(tt.answer)
			})
		})
	}
}

// A client that floods while it is asked is held back all the same, a bit later. Those
// who ask are told so when they have waited for the client timeout, and the client and
// its calls go on.
func TestClientThatFloodsWhileItIsAsked(t *testing.T) {
	const buffer, items = 1000, 20_000
	for _, tt := range []struct {
		name string
		asks int // which of two nodes
	}{{"same node", 0}, {"another node", 1}} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				bus := scaleout.NewMemory()
				var nodes []*pipeServer
				ids, asked := make(chan string, 1), make(chan error, 1)
				for range 2 {
					nodes = append(nodes, servePipes(t, nil, hubs.WithBus(bus), hubs.WithName("flood"), hubs.WithInputBufferSize(buffer),
						hubs.WithKeepAliveInterval(time.Hour), // nobody would read the pings
						hubs.Handle1("count", func(c *hubs.Context, items <-chan string) (int, error) {
							_, err := hubs.Invoke[int](c, nodes[tt.asks].Clients().Client(c.ConnectionID()), "ask")
							asked <- err
							n := 0
							for range items {
								n++
							}
							return n, c.Err()
						}),
						hubs.WithOnConnected(func(c *hubs.Context) error {
							ids <- c.ConnectionID()
							return nil
						})))
				}
				s := nodes[0]
				c := s.connect()
				await.Receive(t, ids, "the client")
				before := s.taken.Load()
				c.pour(countCall+"\x1e", strings.Repeat(textItem("")+"\x1e", items)+`{"type":3,"invocationId":"u"}`+"\x1e")
				question, err := c.next()
				require.NoError(t, err)
				require.Contains(t, question, `"target":"ask"`)
				synctest.Wait()
				require.LessOrEqual(t, s.taken.Load()-before, int64(16*buffer+hubs.DefaultMaximumReceiveMessageSize))
				require.Empty(t, asked)
				time.Sleep(hubs.DefaultClientTimeout - time.Second)
				synctest.Wait()
				require.Empty(t, asked)
				time.Sleep(time.Second)
				synctest.Wait()
				require.ErrorIs(t, await.Receive(t, asked, "the end of the question"), hubs.ErrUnheard)
				c.expect(fmt.Sprintf(`{"type":3,"invocationId":"w","result":%d}`, items))
			})
		})
	}
}

// With stateful reconnect, senders wait for the acknowledgements of a client that is
// read from because it is asked, however much of its input waits.
func TestClientThatIsAskedHasToAcknowledge(t *testing.T) {
	const limit = 2000
	opts := []hubs.Option{hubs.WithStatefulReconnectBufferSize(limit), hubs.WithInputBufferSize(1000), askFirst(make(chan error, 1))}
	inWorld(t, opts, func(t *testing.T, w *world) {
		c := w.arrive("")
		c.send(countCall)
		c.expect(`{"type":1,"invocationId":"s1","target":"ask","arguments":[]}`)
		for range 20 {
			c.send(textItem(strings.Repeat("x", 200)))
		}
		c.send(`{"type":4,"invocationId":"f","target":"Flood","arguments":[]}`)
		size, last := 0, ""
		for !strings.HasPrefix(last, `{"type":7`) {
			record, err := c.next()
			require.NoError(t, err)
			if !isAck.MatchString(record) {
				size += len(last)
				last = record
			}
		}
		require.Equal(t, unacknowledged, last)
		require.InDelta(t, limit, size, 150)
		await.Receive(t, w.diary, "the end of the connection")
	})
}

package hubs_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/interop/await"
)

// A call can be cancelled also after another one that ran beside it has returned.
func TestCancelAfterParallelCall(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(nil, hubs.WithMaximumParallelInvocations(2),
		hubs.HandleVoid0("Quick", func(*hubs.Context) error { return nil }),
		hubs.HandleVoid0("Wait", func(c *hubs.Context) error {
			<-c.Done()
			return hubs.NewError("cancelled")
		}))
	require.NoError(t, err)
	c := hubtest.NewServer(t, hub).Connect()
	waiting := c.Start("Wait")
	require.NoError(t, c.Invoke("Quick"))
	waiting.Cancel()
	require.ErrorContains(t, waiting.Wait(nil), "cancelled")
}

// A call that had given its slot away, to wait for a client, was not found any more
// by a cancel.
func TestCancelOfACallThatWaitsForTheClient(t *testing.T) {
	t.Parallel()
	c := serve(t, callHub{}, hubs.HandleVoid0("ask", func(c *hubs.Context) error {
		_, err := hubs.Invoke[int](c, c.Clients().Caller(), "ask")
		return err
	})).connect()
	c.send(`{"type":1,"invocationId":"w","target":"ask","arguments":[]}`)
	c.expect(`{"type":1,"invocationId":"s1","target":"ask","arguments":[]}`)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`), "in the slot")
	c.send(`{"type":5,"invocationId":"w"}`)
	c.expect(`{"type":3,"invocationId":"w","error":"An unexpected error occurred invoking 'ask' on the server."}`)
}

// A plain call with a stream from the client is neither among the streams to the
// client nor among the calls with a slot, where cancel looked.
func TestCancelOfACallWithAnUpload(t *testing.T) {
	t.Parallel()
	c := serve(t, nil, hubs.Handle1("up", func(c *hubs.Context, _ <-chan int) (string, error) {
		<-c.Done()
		return "cancelled", nil
	})).connect()
	c.send(`{"type":1,"invocationId":"w","target":"up","arguments":[],"streamIds":["u"]}`, `{"type":5,"invocationId":"w"}`)
	c.expect(`{"type":3,"invocationId":"w","result":"cancelled"}`)
}

// A cancel ends the channel that the method reads, which was taken for a failure of
// that stream: the cancelled call was answered by an error.
func TestCancelOfAStreamWithAnUpload(t *testing.T) {
	t.Parallel()
	c := serve(t, nil, hubs.Handle1("duplex", func(_ *hubs.Context, in <-chan int) (iter.Seq2[int, error], error) {
		return func(yield func(int, error) bool) {
			for n := range in {
				if !yield(n, nil) {
					return
				}
			}
		}, nil
	})).connect()
	for i := range 50 {
		c.send(fmt.Sprintf(`{"type":4,"invocationId":"d%d","target":"duplex","arguments":[],"streamIds":["u%d"]}`, i, i),
			fmt.Sprintf(`{"type":2,"invocationId":"u%d","item":1}`, i))
		c.expect(fmt.Sprintf(`{"type":2,"invocationId":"d%d","item":1}`, i))
		c.send(fmt.Sprintf(`{"type":5,"invocationId":"d%d"}`, i))
		c.expect(fmt.Sprintf(`{"type":3,"invocationId":"d%d"}`, i))
	}
}

// The cause of a call's end was lost unless somebody had asked for its Done before.
func TestContextsTellWhyTheyEnded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   func(t *testing.T, c *client, release func())
		cause string
	}{
		{"cancelled", func(_ *testing.T, c *client, _ func()) { c.send(`{"type":5,"invocationId":"w"}`) }, "hubs: the client has cancelled the call"},
		{"returned", func(_ *testing.T, _ *client, release func()) { release() }, "hubs: the hub method has returned"},
		{"client says why", func(_ *testing.T, c *client, _ func()) { c.send(`{"type":7,"error":"bored"}`) }, "bored"},
		{"client closes", func(_ *testing.T, c *client, _ func()) { c.close() }, context.Canceled.Error()},
		{"client is lost", func(_ *testing.T, c *client, _ func()) { c.drop() },
			"hubs: the connection was lost: websocket: close 1006 (abnormal closure): unexpected EOF"},
	} {
		for _, asked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asked %v", tt.name, asked), func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					contexts := make(chan *hubs.Context, 1)
					released, release := context.WithCancel(context.Background())
					defer release()
					c := servePipes(t, nil, hubs.HandleVoid0("hold", func(c *hubs.Context) error {
						if asked {
							_ = c.Done()
						}
						contexts <- c
						<-released.Done()
						return nil
					})).connect()
					c.send(`{"type":1,"invocationId":"w","target":"hold","arguments":[]}`)
					call := await.Receive(t, contexts, "the context of the call")
					require.NoError(t, context.Cause(call))
					tt.end(t, c, release)
					time.Sleep(heldUp)
					synctest.Wait()
					require.ErrorIs(t, call.Err(), context.Canceled)
					require.EqualError(t, context.Cause(call), tt.cause)
					await.Done(t, call.Done(), "the end of the call's context")
				})
			})
		}
	}
}

package hubs_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// decoded counts how often it was decoded.
type decoded struct{ N int }

var timesDecoded atomic.Int32

func (d *decoded) UnmarshalJSON(data []byte) error {
	timesDecoded.Add(1)
	return json.Unmarshal(data, &d.N)
}

// padded returns a number as an argument that is too long to be decoded ahead.
func padded(n int) string { return fmt.Sprint(n) + strings.Repeat(" ", 200) }

// Empty objects take 60 times as much memory as their text, which alone counts to the
// input buffer. It is not parallel, since it counts what is decoded.
func TestWaitingCallsAreNotDecoded(t *testing.T) {
	begun, goOn := make(chan int, 1), make(chan struct{})
	c := serve(t, nil, hubs.HandleVoid1("block", func(c *hubs.Context, d *decoded) error {
		begun <- d.N
		select {
		case <-goOn:
		case <-c.Done():
		}
		return nil
	})).connect()
	timesDecoded.Store(0)
	invoke := func(id int, argument string) string {
		return fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"block","arguments":[%s]}`, id, argument)
	}
	c.send(invoke(1, padded(1)))
	require.Equal(t, 1, await.Receive(t, begun, "the first call"))
	c.send(invoke(2, padded(2)), invoke(3, `"`+padded(3)+`"`), invoke(4, padded(4)))
	require.Contains(t, c.call("unknown"), `"error"`) // all before it were received
	require.EqualValues(t, 1, timesDecoded.Load())
	for id := 1; id <= 4; id++ {
		if id == 3 {
			c.expect(`{"type":3,"invocationId":"3","error":"Failed to invoke 'block' due to an error on the server."}`)
			continue
		}
		if id > 1 {
			require.Equal(t, id, await.Receive(t, begun, "call %d", id))
		}
		await.Send(t, goOn, struct{}{}, "the end of call %d", id)
		c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","result":null}`, id))
	}
}

// Calls that wait for OnConnected are not decoded either, streaming ones included.
func TestCallsBeforeTheConnectionAreNotDecoded(t *testing.T) {
	accept := make(chan struct{})
	c := serve(t, nil, hubs.WithOnConnected(func(*hubs.Context) error {
		<-accept
		return nil
	}), hubs.HandleStream1("numbers", func(_ *hubs.Context, d *decoded) (iter.Seq2[int, error], error) {
		return func(yield func(int, error) bool) { yield(d.N, nil) }, nil
	})).connect()
	timesDecoded.Store(0)
	c.send(`{"type":4,"invocationId":"1","target":"numbers","arguments":[` + padded(7) + `]}`)
	before := int32(-1)
	c.socket.SetPongHandler(func(string) error { // all before the ping was received
		before = timesDecoded.Load()
		close(accept)
		return nil
	})
	require.NoError(t, c.socket.WriteControl(websocket.PingMessage, nil, time.Now().Add(await.Timeout)))
	c.expect(`{"type":2,"invocationId":"1","item":7}`, `{"type":3,"invocationId":"1"}`)
	require.Zero(t, before)
}

// A client can have 100 streams open, each with an argument that takes 2 MB.
func TestOpenStreamsKeepNoArguments(t *testing.T) {
	t.Parallel()
	for _, filters := range []bool{false, true} {
		t.Run(fmt.Sprint("filters ", filters), func(t *testing.T) {
			t.Parallel()
			got := make(chan weak.Pointer[json.RawMessage], 1)
			opts := []hubs.Option{hubs.HandleStream1("stream", func(c *hubs.Context, argument *json.RawMessage) (iter.Seq2[int, error], error) {
				got <- weak.Make(argument)
				return func(func(int, error) bool) { <-c.Done() }, nil
			})}
			if filters {
				opts = append(opts, hubs.WithFilters(hubs.Filter{Call: func(c *hubs.Context, next func() (any, error)) (any, error) {
					if n := len(c.Arguments()); n != 1 {
						return nil, fmt.Errorf("there are %d arguments", n)
					}
					return next()
				}}))
			}
			c := serve(t, nil, opts...).connect()
			c.send(`{"type":4,"invocationId":"1","target":"stream","arguments":[[]]}`)
			argument := await.Receive(t, got, "the call")
			await.Until(t, func() bool {
				runtime.GC()
				return argument.Value() == nil
			}, "the argument is forgotten while the stream is open")
		})
	}
}

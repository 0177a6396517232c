package hubs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// The id of a stream that the client has ended is free again, though the method
// still runs; when that returned it ended the new stream of the same id.
func TestUploadIDsCanBeUsedAgain(t *testing.T) {
	t.Parallel()
	g := newGate()
	c := serve(t, callHub{},
		hubs.Handle1("hold", func(_ *hubs.Context, in <-chan int) (int, error) {
			for range in {
			}
			g.entered <- 1
			<-g.release
			return 0, nil
		}),
		hubs.Handle1("sum", func(_ *hubs.Context, in <-chan int) (int, error) {
			sum := 0
			for n := range in {
				sum += n
			}
			return sum, nil
		})).connect()
	c.send(`{"type":1,"invocationId":"1","target":"hold","arguments":[],"streamIds":["u"]}`, `{"type":3,"invocationId":"u"}`)
	await.Receive(t, g.entered, "the start of a call")
	c.send(`{"type":1,"invocationId":"2","target":"sum","arguments":[],"streamIds":["u"]}`, `{"type":2,"invocationId":"u","item":1}`)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`), "the stream is open")
	close(g.release)
	c.expect(`{"type":3,"invocationId":"1","result":0}`)
	c.send(`{"type":2,"invocationId":"u","item":2}`, `{"type":3,"invocationId":"u"}`)
	c.expect(`{"type":3,"invocationId":"2","result":3}`)
}

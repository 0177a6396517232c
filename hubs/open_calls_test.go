package hubs_test

import (
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// A client could have 4,096 calls open, for 12,288 goroutines and 40 MB. It is not
// parallel, since it counts goroutines.
func TestOpenCallsOfAClientAreFew(t *testing.T) {
	const calls = 1000
	const refused = calls - hubs.DefaultMaximumStreams
	for _, tt := range []struct {
		method, invocation string
		perCall            int // goroutines
		failure            string
	}{
		{"stream", `"type":4,"target":"stream","arguments":[]`, 1, "streams"},
		{"channel", `"type":1,"target":"channel","arguments":[],"streamIds":["u%d"]`, 2, "streams"},
		{"seq", `"type":1,"target":"seq","arguments":[],"streamIds":["u%d"]`, 1, "streams"},
		{"ask", `"type":1,"target":"ask","arguments":[]`, 1, "calls that wait for clients"},
	} {
		t.Run(tt.method, func(t *testing.T) {
			var running atomic.Int32
			wait := func(c *hubs.Context) error {
				running.Add(1)
				<-c.Done()
				return nil
			}
			c := serve(t, nil,
				hubs.HandleStream0("stream", func(c *hubs.Context) (iter.Seq2[int, error], error) {
					return func(func(int, error) bool) { _ = wait(c) }, nil
				}),
				hubs.HandleVoid1("channel", func(c *hubs.Context, _ <-chan int) error { return wait(c) }),
				hubs.HandleVoid1("seq", func(c *hubs.Context, _ iter.Seq2[int, error]) error { return wait(c) }),
				hubs.Handle0("ask", func(c *hubs.Context) (int, error) {
					return hubs.Invoke[int](c, c.Clients().Caller(), "asked")
				})).connect()
			before := runtime.NumGoroutine()
			for i := range calls {
				invocation := strings.ReplaceAll(tt.invocation, "%d", fmt.Sprint(i))
				c.send(fmt.Sprintf(`{"invocationId":"%d",%s}`, i, invocation))
			}
			failures, asked := 0, 0
			for failures < refused {
				record, err := c.next()
				require.NoError(t, err)
				if strings.Contains(record, `"target":"asked"`) {
					asked++
					continue
				}
				require.Contains(t, record, fmt.Sprintf("There are too many %s: %d at most.", tt.failure, hubs.DefaultMaximumStreams))
				failures++
			}
			if tt.method == "ask" {
				require.Equal(t, hubs.DefaultMaximumStreams, asked)
			} else {
				await.Until(t, func() bool { return running.Load() == hubs.DefaultMaximumStreams }, "the calls to run")
			}
			const others = 10 // of the runtime, and those that write
			require.LessOrEqual(t, runtime.NumGoroutine()-before, hubs.DefaultMaximumStreams*tt.perCall+others)
		})
	}
}

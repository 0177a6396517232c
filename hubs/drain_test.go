package hubs_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// holding has methods that run until they are released.
type holding struct{ started, released chan struct{} }

func newHolding() *holding { return &holding{make(chan struct{}, 10), make(chan struct{})} }

func (h *holding) Hold(*hubs.Context) string {
	h.started <- struct{}{}
	<-h.released
	return "done"
}

func (h *holding) Stream(*hubs.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		h.started <- struct{}{}
		<-h.released
		yield(7, nil)
	}
}

func (*holding) Echo(_ *hubs.Context, text string) string { return text }

// goShutDown shuts a hub down beside the test. The result waits for the end.
func goShutDown(t *testing.T, hub *hubs.Hub) (wait func()) {
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	t.Cleanup(cancel)
	end := await.Go(t, func() (any, error) { return nil, hub.Shutdown(ctx) }, "the shutdown")
	return func() { end() }
}

const (
	goAway       = `{"type":7,"allowReconnect":true}`
	shuttingDown = ` HubException: The server is shutting down."}`
)

// What a call or stream that runs returns still reaches its client; those that wait or
// come later are refused. A client without a call goes at once.
func TestShutdownDeliversTheResultsOfRunningCalls(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call    string
		results []string
		waits   bool // the next call waits behind it
	}{
		"call": {`{"type":1,"invocationId":"1","target":"Hold","arguments":[]}`,
			[]string{`{"type":3,"invocationId":"1","result":"done"}`}, true},
		"stream": {`{"type":4,"invocationId":"1","target":"Stream","arguments":[]}`,
			[]string{`{"type":2,"invocationId":"1","item":7}`, `{"type":3,"invocationId":"1"}`}, false},
	} {
		for _, kind := range allTransports {
			t.Run(name+", "+kind.String(), func(t *testing.T) {
				t.Parallel()
				h := newHolding()
				s := serve(t, h, hubs.WithShutdownGrace(await.Timeout))
				idle, l := s.dialLine(kind), s.dialLine(kind)
				l.send(tt.call)
				await.Done(t, h.started, "the start of the call")
				echo := func(id string) string {
					return `{"type":1,"invocationId":"` + id + `","target":"Echo","arguments":["x"]}`
				}
				refused := func(id string) string {
					return `{"type":3,"invocationId":"` + id + `","error":"An unexpected error occurred invoking 'Echo' on the server.` + shuttingDown
				}
				if tt.waits {
					l.send(echo("2"))
				}
				wait := goShutDown(t, s.Hub)
				idle.expect(goAway)
				idle.expectEnd()
				if tt.waits {
					l.expect(refused("2"))
					l.send(echo("3"))
					l.expect(refused("3"))
				}
				close(h.released)
				l.expect(append(tt.results, goAway)...)
				l.expectEnd()
				wait()
			})
		}
	}
}

// A call that does not return is told to by its context, when the grace is over.
func TestShutdownEndsCallsAfterTheGrace(t *testing.T) {
	for name, tt := range map[string]struct {
		opts  []hubs.Option
		grace time.Duration
	}{
		"default": {nil, hubs.DefaultShutdownGrace},
		"longer":  {[]hubs.Option{hubs.WithShutdownGrace(20 * time.Second)}, 20 * time.Second},
		"none":    {[]hubs.Option{hubs.WithShutdownGrace(0)}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				causes := make(chan error, 1)
				s := servePipes(t, nil, append(tt.opts, hubs.HandleVoid0("wait", func(c *hubs.Context) error {
					<-c.Done()
					causes <- context.Cause(c)
					return nil
				}))...)
				c := s.connect()
				c.send(`{"type":1,"invocationId":"1","target":"wait","arguments":[]}`)
				synctest.Wait()
				began := time.Now()
				wait := goShutDown(t, s.Hub)
				c.expect(goAway)
				require.ErrorIs(t, await.Receive(t, causes, "the end of the call's context"), hubs.ErrShutdown)
				require.InDelta(t, tt.grace, time.Since(began), float64(time.Second))
				c.expectClosed(websocket.CloseNormalClosure)
				wait()
			})
		})
	}
}

// The grace ends with the context of Shutdown, and with the client.
func TestGraceEndsEarly(t *testing.T) {
	for name, end := range map[string]func(c *client, cancel func()){
		"context of Shutdown": func(_ *client, cancel func()) { cancel() },
		"client is lost":      func(c *client, _ func()) { c.drop() },
		"client closes":       func(c *client, _ func()) { _ = c.trySend(`{"type":7}`) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				returned := make(chan struct{})
				s := servePipes(t, nil, hubs.WithShutdownGrace(time.Hour), hubs.HandleVoid0("wait", func(c *hubs.Context) error {
					<-c.Done()
					close(returned)
					return nil
				}))
				c := s.connect()
				c.send(`{"type":1,"invocationId":"1","target":"wait","arguments":[]}`)
				synctest.Wait()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				stopped := make(chan error, 1)
				go func() { stopped <- s.Shutdown(ctx) }()
				synctest.Wait() // the call has its grace
				end(c, cancel)
				await.Done(t, returned, "the end of the call")
				if err := await.Receive(t, stopped, "the end of the shutdown"); name == "context of Shutdown" {
					require.ErrorIs(t, err, context.Canceled)
				} else {
					require.NoError(t, err)
				}
			})
		})
	}
}

// Calls that have waited for OnConnected do not start either.
func TestShutdownDuringOnConnected(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		connecting := make(chan struct{})
		s := servePipes(t, newHolding(), hubs.WithOnConnected(func(*hubs.Context) error { <-connecting; return nil }))
		c := s.connect()
		c.send(`{"type":1,"invocationId":"1","target":"Echo","arguments":["x"]}`)
		synctest.Wait()
		wait := goShutDown(t, s.Hub)
		synctest.Wait()
		close(connecting)
		c.expect(`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'Echo' on the server.`+shuttingDown, goAway)
		c.expectClosed(websocket.CloseNormalClosure)
		wait()
	})
}

// Two shutdowns wait for the same calls, and both are let go.
func TestTwoShutdowns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHolding()
		s := servePipes(t, h, hubs.WithShutdownGrace(time.Hour))
		c := s.connect()
		c.send(`{"type":1,"invocationId":"1","target":"Hold","arguments":[]}`)
		synctest.Wait()
		first := goShutDown(t, s.Hub)
		synctest.Wait()
		second := goShutDown(t, s.Hub)
		synctest.Wait()
		began := time.Now()
		close(h.released)
		c.expect(`{"type":3,"invocationId":"1","result":"done"}`, goAway)
		c.expectClosed(websocket.CloseNormalClosure)
		first()
		second()
		synctest.Wait()
		require.Less(t, time.Since(began), time.Second)
	}) // which fails if a goroutine still waits
}

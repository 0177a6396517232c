package hubs_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// Messages that come over the bus from another node are counted like those of
// their own: calls are, pings and the end are not, whoever sends them.
func TestMessagesOfOtherNodesAreCountedByTheirKind(t *testing.T) {
	bus := scaleout.NewMemory()
	inWorld(t, []hubs.Option{hubs.WithBus(bus)}, func(t *testing.T, w *world) {
		ctx := context.Background()
		other, err := hubs.New(w.hub, hubs.WithBus(bus), hubs.WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		defer func() { require.NoError(t, other.Shutdown(ctx)) }()
		c := w.arrive("ada")
		c.send(invoke("1", "Join", `"travellers"`))
		c.expect(`{"type":3,"invocationId":"1","result":null}`)

		far := func(first int) (events []string) {
			t.Helper()
			for i, to := range []hubs.Target{
				other.Clients().Client(c.id()), other.Clients().Group("travellers"), other.Clients().User("ada"), other.Clients().All(),
			} {
				require.NoError(t, to.Send(ctx, "far", first+i))
				synctest.Wait() // their order is that of their topics
				events = append(events, event("far", first+i))
			}
			return events
		}
		before := far(2)
		c.expect(before...)
		synctest.Wait()
		c.send(ack(3))
		for _, uncounted := range []string{ack(1), `{"type":6}`} {
			require.NoError(t, c.socket.SetReadDeadline(time.Now().Add(2*hubs.DefaultKeepAliveInterval)))
			message, err := c.read()
			require.NoError(t, err)
			require.Equal(t, uncounted+"\x1e", string(message))
		}
		c.lose()
		during := far(6)
		c.open()
		c.expect(sequence(4))
		c.expect(before[2:]...)
		c.expect(during...)
		c.send(sequence(2), ack(9))

		// A client result for another node, over a change of the WebSocket.
		answer := make(chan string, 1)
		go func() {
			text, err := hubs.Invoke[string](ctx, other.Clients().Client(c.id()), "question")
			answer <- fmt.Sprint(text, err)
		}()
		question, err := c.next()
		require.NoError(t, err)
		require.Contains(t, question, `"target":"question"`)
		id := question[len(`{"type":1,"invocationId":"`) : len(question)-len(`","target":"question","arguments":[]}`)]
		c.lose()
		c.open()
		c.expect(sequence(4))
		for range 6 { // acknowledged, perhaps before they came again
			c.expect(`{"type":3,"invocationId":"-"}`)
		}
		c.expect(question)
		c.send(sequence(2), result(id, `"answer"`))
		require.Equal(t, "answer<nil>", await.Receive(t, answer, "the answer to the question"))
		require.Empty(t, w.diary)
	})
}

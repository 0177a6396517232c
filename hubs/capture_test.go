package hubs_test

import (
	"iter"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// Who wrote an answer went on writing what the client's streams had queued meanwhile,
// and while they were faster than the client kept its slot: no other call ran.
func TestAnswerDoesNotKeepItsSlotForFastStreams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		entered := make(chan struct{}, 1)
		s := servePipes(t, callHub{},
			hubs.HandleVoid0("second", func(*hubs.Context) error {
				entered <- struct{}{}
				return nil
			}),
			hubs.Handle0("forever", func(*hubs.Context) (iter.Seq2[string, error], error) {
				return func(yield func(string, error) bool) {
					for yield(strings.Repeat("x", 100), nil) {
					}
				}, nil
			}))
		c := s.connect()
		c.send(`{"type":1,"invocationId":"first","target":"Echo","arguments":["x"]}`)
		synctest.Wait() // its answer is being written
		c.send(`{"type":4,"invocationId":"s","target":"forever","arguments":[]}`)
		c.send(`{"type":1,"invocationId":"second","target":"second","arguments":[]}`)
		synctest.Wait() // the stream fills the outbox, the call waits for the slot
		c.expect(`{"type":3,"invocationId":"first","result":"x"}`)
		synctest.Wait()
		require.Len(t, entered, 1, "the first call has been answered, so the second one runs")
	})
}

package await_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// recorder is a test that keeps how it has failed.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failureOf runs what has to fail in virtual time, and returns the message.
func failureOf(t *testing.T, wait func(t testing.TB)) string {
	r := &recorder{TB: t}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var ended sync.WaitGroup
		ended.Go(func() { wait(r) })
		ended.Wait()
		require.LessOrEqual(t, time.Since(start), 2*await.Timeout)
	})
	return r.failure
}

// TestFailuresSayWhatWasAwaited: every wait is bounded, and its message has what it waited for and what it saw.
func TestFailuresSayWhatWasAwaited(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		wait       func(t testing.TB)
	}{
		{"receive", "timed out waiting for event 7", func(t testing.TB) { await.Receive(t, make(chan int), "event %d", 7) }},
		{"receive from a closed channel", "the channel was closed instead of bringing an event", func(t testing.TB) {
			ch := make(chan int)
			close(ch)
			await.Receive(t, ch, "an event")
		}},
		{"done", "timed out waiting for the end", func(t testing.TB) { await.Done(t, make(chan int), "the end") }},
		{"all", "timed out waiting for the end", func(t testing.TB) {
			ch := make(chan int, 1)
			ch <- 1
			await.All(t, ch, "the end")
		}},
		{"send", "timed out waiting for the reader to receive a value", func(t testing.TB) { await.Send(t, make(chan int), 1, "the reader") }},
		{"until", "timed out waiting until it rains", func(t testing.TB) { await.Until(t, func() bool { return false }, "it rains") }},
		{"equal", "timed out waiting until the count is 2; it is 1", func(t testing.TB) {
			await.Equal(t, 2, func() int { return 1 }, "the count")
		}},
		{"go that fails", "the call: no", func(t testing.TB) {
			await.Go(t, func() (int, error) { return 0, errors.New("no") }, "the call")()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) { require.Equal(t, tt.want, failureOf(t, tt.wait)) })
	}
}

func TestWaitsReturnWhatCame(t *testing.T) {
	ch := make(chan int, 2)
	await.Send(t, ch, 1, "the buffer")
	ch <- 2
	require.Equal(t, 1, await.Receive(t, ch, "a value"))
	close(ch)
	require.Equal(t, []int{2}, await.All(t, ch, "the end"))
	await.Done(t, ch, "the end")
	var group sync.WaitGroup
	result := await.Go(t, func() (int, error) { return 3, nil }, "a result")
	group.Go(func() {})
	await.Group(t, &group, "the group")
	require.Equal(t, []int{3, 3}, []int{result(), result()})
	n := 0
	await.Equal(t, 3, func() int { n++; return n }, "n")
	await.Until(t, func() bool { n++; return n == 5 }, "n is 5")
}

package hubs

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// Nobody waits for room that is there, whoever makes it and when.
func TestBudgetWakesThoseWhoWait(t *testing.T) {
	t.Parallel()
	b := &budget{}
	b.setLimit(100)
	const each, rounds, size = 4, 2000, 30
	taken := make(chan struct{}, each*rounds)
	var waits, takers sync.WaitGroup
	for range each {
		waits.Go(func() {
			for range rounds {
				b.add(size)
				taken <- struct{}{}
				b.wait(nil)
			}
		})
		takers.Go(func() {
			for range taken {
				b.add(-size)
			}
		})
	}
	for i := range each * rounds { // meanwhile the limit changes
		b.setLimit([]int64{1000, 100}[i%2])
	}
	await.Group(t, &waits, "those who wait for room")
	close(taken)
	await.Group(t, &takers, "those who make room")
	require.Zero(t, b.used.Load())
}

func TestBudgetIsNeverOverdrawn(t *testing.T) {
	t.Parallel()
	b := &budget{}
	b.setLimit(100)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for b.try(7) {
				taken.Add(7)
			}
		})
	}
	await.Group(t, &all, "those who take room")
	require.EqualValues(t, 98, taken.Load())
	require.False(t, b.full())
	b.add(3)
	require.True(t, b.full())
	b.close()
	require.False(t, b.full())
	over := make(chan struct{})
	go func() {
		defer close(over)
		b.wait(nil)
	}()
	await.Done(t, over, "the wait for room in a closed budget")
}

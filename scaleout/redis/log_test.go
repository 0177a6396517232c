package redis_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// few makes nearly all reading go to Redis.
var few = redis.WithLogLimits(scaleout.LogLimits{Entries: 1})

var one = redis.WithStreams(1)

// publishNumbers publishes "x from" to "x to".
func (j *joined) publishNumbers(t *testing.T, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		require.NoError(t, j.publish(t.Context(), fmt.Sprint("x ", i)))
	}
}

// read reads the only stream to where the node is, a few envelopes at a time.
func (j *joined) read(t *testing.T, after scaleout.Position, most int) (targets []string, gap bool) {
	t.Helper()
	reader := j.Reader(0, after)
	for {
		page, missing, err := reader.Next(t.Context(), most)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), most)
		gap = gap || missing
		for _, e := range page {
			require.Equal(t, 1, e.Position.Compare(after))
			require.Nil(t, e.Local)
			require.Zero(t, e.Stream)
			require.Equal(t, e.Target, string(e.Body("json")))
			after = e.Position
			targets = append(targets, e.Target)
		}
		if len(page) == 0 {
			return targets, gap
		}
	}
}

// numbers are the targets "x from" to "x to".
func numbers(from, to int) (targets []string) {
	for i := from; i <= to; i++ {
		targets = append(targets, fmt.Sprint("x ", i))
	}
	return targets
}

// What is not in the memory of a node is read from Redis: also what was there
// before the node was.
func TestReadOlderThanTheRing(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, few)
	a.Keep()
	start := a.Last(0)
	require.NotZero(t, start, "also where a stream begins is a position that was given out")
	a.publishNumbers(t, 1, 40)
	middle := a.Last(0)
	a.publishNumbers(t, 41, 50)
	b := join(t, server.client(), one, few)
	b.Keep()
	for _, node := range []*joined{a, b} {
		for _, most := range []int{1, 7, 1000} {
			targets, gap := node.read(t, start, most)
			require.False(t, gap)
			require.Equal(t, numbers(1, 50), targets)
			targets, gap = node.read(t, middle, most)
			require.False(t, gap)
			require.Equal(t, numbers(41, 50), targets)
		}
	}
}

// More than one call gets: the reading goes on until it has something to return.
func TestReadSkipsWhatIsNoEnvelope(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, few)
	start := a.Last(0)
	a.publishNumbers(t, 1, 2)
	client := server.client()
	for i := range 25 {
		field := []string{"m", "e", "x"}[i%3] // a mark, no envelope, and neither
		require.NoError(t, client.Do(t.Context(), "xadd", "signalr:{hub/0}", "*", field, "no envelope").Err())
	}
	a.publishNumbers(t, 3, 4)
	targets, gap := a.read(t, start, 3)
	require.False(t, gap)
	require.Equal(t, numbers(1, 4), targets)
}

func TestReadBigEnvelopes(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, few)
	start := a.Last(0)
	const count, size = 12, 1 << 20
	for i := range count {
		e := message("big", fmt.Sprint("x ", i+1))
		e.Bodies = append(e.Bodies, scaleout.Body{Protocol: "big", Data: make([]byte, size)})
		require.NoError(t, a.Publish(t.Context(), e))
	}
	page, gap, err := a.Reader(0, start).Next(t.Context(), 1000)
	require.NoError(t, err)
	require.False(t, gap)
	require.NotEmpty(t, page)
	require.LessOrEqual(t, len(page), 4, "a call is for about 4 MiB")
	targets, gap := a.read(t, start, 1000)
	require.False(t, gap)
	require.Equal(t, numbers(1, count), targets)
}

func TestReadTrimmedGap(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, few)
	start := a.Last(0)
	a.publishNumbers(t, 1, 10)
	early := a.Last(0)
	a.publishNumbers(t, 11, 30)
	require.NoError(t, server.client().XTrimMaxLen(t.Context(), "signalr:{hub/0}", 5).Err())
	for _, after := range []scaleout.Position{start, early} {
		targets, gap := a.read(t, after, 2)
		require.True(t, gap)
		require.Equal(t, numbers(26, 30), targets)
	}
	require.NoError(t, server.client().XTrimMaxLen(t.Context(), "signalr:{hub/0}", 0).Err())
	b := join(t, server.client(), one, few)
	targets, gap := b.read(t, a.Last(0), 2)
	require.False(t, gap, "nothing has followed")
	require.Empty(t, targets)
	targets, gap = b.read(t, early, 2)
	require.True(t, gap)
	require.Empty(t, targets)
}

// A reader may come from a node that is ahead of this one: there is nothing to
// read for it yet, and nothing missing.
func TestReadAheadOfTheNode(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	fast := join(t, server.client(), one)
	slow := newRecorder()
	slow.received = func() { <-slow.gate }
	b := joinWith(t, slow, server.client(), one)
	for _, node := range []*joined{fast, b} {
		node.Keep()
	}
	meet(t, fast, b)
	fast.publishNumbers(t, 1, 5)
	cursor := fast.Last(0)
	await.Until(t, func() bool { return b.Last(0).Compare(cursor) < 0 }, "node %d is behind %v", b.ID(), cursor)
	page, gap, err := b.Reader(0, cursor).Next(t.Context(), 10)
	require.NoError(t, err)
	require.False(t, gap)
	require.Empty(t, page)
	// A position that nobody has given out is another matter.
	for _, position := range []scaleout.Position{
		{Major: cursor.Major, Minor: cursor.Minor + 1<<32},
		{Major: cursor.Major + 100_000},
		{Major: math.MaxUint64, Minor: math.MaxUint64},
	} {
		_, gap, err = b.Reader(0, position).Next(t.Context(), 10)
		require.NoError(t, err)
		require.True(t, gap)
	}
	slow.release()
	await.Equal(t, cursor, func() scaleout.Position { return b.Last(0) }, "the position of node %d", b.ID())
	fast.publishNumbers(t, 6, 6)
	await.Until(t, func() bool { return b.has("x 6") }, "node %d has delivered %q", b.ID(), "x 6")
	targets, gap := b.read(t, cursor, 10)
	require.False(t, gap)
	require.Equal(t, numbers(6, 6), targets)
}

// What an append that was repeated has left twice in the stream is read once, from
// memory and from Redis, wherever the reader begins.
func TestReadHasNoDuplicates(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	proxy := startProxy(t, server.addr())
	a, b := join(t, newClient(t, proxy.addr()), one, patient, few), join(t, server.client(), one)
	b.Keep()
	meet(t, a, b)
	starts := []scaleout.Position{b.Last(0)}
	count := 0
	await.Until(t, func() bool {
		proxy.mute(false, true, false) // the next append may use a new connection
		a.publishNumbers(t, count+1, count+2)
		count += 2
		b.complete(t, map[string]int{"x": count})
		return b.bus.Stats().Duplicates > 0
	}, "an append has been repeated")
	a.publishNumbers(t, count+1, count+1)
	count++
	b.complete(t, map[string]int{"x": count})
	page, _, err := b.Reader(0, starts[0]).Next(t.Context(), 1000)
	require.NoError(t, err)
	for _, e := range page {
		starts = append(starts, e.Position)
	}
	require.Len(t, starts, count+1)
	c := join(t, server.client(), one, few)
	for i, start := range starts {
		for _, node := range []*joined{a, b, c} {
			targets, gap := node.read(t, start, 2)
			require.False(t, gap)
			require.Equal(t, numbers(i+1, count), targets)
		}
	}
}

// Cursors outlive a restart of Redis with its data, on all nodes.
func TestReadAfterRestartWithData(t *testing.T) {
	t.Parallel()
	server := startServer(t, durable...)
	a := join(t, server.client(), one, few, patient)
	start := a.Last(0)
	a.publishNumbers(t, 1, 10)
	server.kill()
	server.start()
	a.publishNumbers(t, 11, 20)
	b := join(t, server.client(), one, few)
	for _, node := range []*joined{a, b} {
		targets, gap := node.read(t, start, 7)
		require.False(t, gap)
		require.Equal(t, numbers(1, 20), targets)
	}
}

// Cursors from before Redis has lost its data are good for nothing: what has come
// since is read from its beginning, on nodes that were there before and on new
// ones.
func TestReadAfterRestartEmpty(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a, full := join(t, server.client(), one, few, quick, patient), join(t, server.client(), one, quick)
	a.Keep()
	full.Keep()
	start := a.Last(0)
	a.publishNumbers(t, 1, 9)
	middle := a.Last(0)
	a.publishNumbers(t, 10, 10)
	server.kill()
	server.wipe()
	server.start()
	for _, node := range []*joined{a, full} {
		await.Until(t, func() bool { return len(node.losses()) > 0 }, "node %d has reported the new epoch", node.ID())
	}
	end := a.Last(0)
	a.publishNumbers(t, 11, 20)
	await.Until(t, func() bool { return full.has("x 20") }, "node %d has delivered %q", full.ID(), "x 20")
	b := join(t, server.client(), one, few)
	for _, node := range []*joined{a, full, b} {
		for _, after := range []scaleout.Position{start, middle} {
			targets, gap := node.read(t, after, 4)
			require.True(t, gap)
			require.Equal(t, numbers(11, 20), targets)
		}
		targets, _ := node.read(t, end, 4) // what Last was in between is good where it was told
		require.Equal(t, numbers(11, 20), targets)
	}
}

// A node that was behind when Redis lost its data has never seen the last positions of
// the old data. It reports a gap all the same to a client that has one from another node.
func TestReadAfterRestartEmptyWhileBehind(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, quick, patient)
	slow := newRecorder()
	var held atomic.Bool
	slow.received = func() {
		held.Store(true)
		<-slow.gate
	}
	behind := joinWith(t, slow, server.client(), one, quick)
	behind.Keep()
	a.publishNumbers(t, 1, 1)
	await.Until(t, held.Load, "the receiver is held")
	a.publishNumbers(t, 2, 9)
	middle := a.Last(0)
	a.publishNumbers(t, 10, 10)
	server.kill()
	server.wipe()
	server.start()
	slow.release()
	for _, node := range []*joined{a, behind} {
		await.Until(t, func() bool { return len(node.losses()) > 0 }, "node %d has reported the new epoch", node.ID())
	}
	require.False(t, behind.has("x 9"))
	a.publishNumbers(t, 11, 20)
	await.Until(t, func() bool { return behind.has("x 20") }, "node %d has delivered %q", behind.ID(), "x 20")
	targets, gap := behind.read(t, middle, 4)
	require.True(t, gap, "x 10 is lost")
	require.Equal(t, numbers(11, 20), targets)
}

// While Redis is away, what is in memory is read, and for the rest there is an
// error.
func TestReadWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	limit := redis.WithPublishTimeout(500 * time.Millisecond)
	a := join(t, server.client(), one, limit)
	start := a.Last(0)
	a.publishNumbers(t, 1, 2)
	a.Keep()
	kept := a.Last(0)
	a.publishNumbers(t, 3, 4)
	server.kill()
	targets, gap := a.read(t, kept, 10)
	require.False(t, gap)
	require.Equal(t, numbers(3, 4), targets)
	began := time.Now()
	_, _, err := a.Reader(0, start).Next(t.Context(), 10)
	require.ErrorIs(t, err, scaleout.ErrDown)
	require.Less(t, time.Since(began), 5*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, _, err = a.Reader(0, start).Next(ctx, 10)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// A node that falls behind the trimming has a hole, across which it does not read.
func TestReadAcrossTheHoleOfASlowNode(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	fast := join(t, server.client(), one)
	slow := newRecorder()
	slow.received = func() { <-slow.gate }
	node := joinWith(t, slow, server.client(), one, quick)
	node.Keep()
	start := node.Last(0)
	fast.publishNumbers(t, 1, 200)
	middle := fast.Last(0)
	fast.publishNumbers(t, 201, 400)
	require.NoError(t, server.client().XTrimMaxLen(t.Context(), "signalr:{hub/0}", 10).Err())
	time.Sleep(time.Second) // the follower stays slow for a real second, since Redis has no virtual time
	slow.release()
	await.Until(t, func() bool { return node.has("x 400") }, "node %d has delivered %q", node.ID(), "x 400")
	require.Equal(t, []scaleout.Loss{
		{Reason: "gap"}, {Reason: "sequence", Publisher: fast.ID(), Count: uint64(400 - node.delivered())},
	}, node.losses())
	for _, after := range []scaleout.Position{start, middle} {
		targets, gap := node.read(t, after, 100)
		require.True(t, gap)
		require.Equal(t, numbers(391, 400), targets)
	}
}

// sentBytes returns how many bytes Redis has ever sent.
func sentBytes(t *testing.T, client goredis.UniversalClient) int {
	t.Helper()
	stats, err := client.InfoMap(t.Context(), "stats").Result()
	require.NoError(t, err)
	n, err := strconv.Atoi(stats["Stats"]["total_net_output_bytes"])
	require.NoError(t, err)
	return n
}

// Entries have many envelopes where much is published. Each page was read with as many
// entries as envelopes were wanted, nearly all of it in vain, and with what is before it.
func TestReadingALogCostsItsLength(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, few)
	start := a.Last(0)
	const publishers, each, size = 100, 80, 500
	var publishing sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for range each {
				e := message("x", "")
				e.Bodies = append(e.Bodies, scaleout.Body{Protocol: "y", Data: make([]byte, size)})
				if err := a.Publish(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	await.Group(t, &publishing, "the publishers")
	client := server.client()
	entries, err := client.XLen(t.Context(), "signalr:{hub/0}").Result()
	require.NoError(t, err)
	require.Less(t, entries, int64(publishers*each/4), "the test needs entries with several envelopes")
	before := sentBytes(t, client)
	targets, gap := a.read(t, start, 50)
	require.False(t, gap)
	require.Len(t, targets, publishers*each)
	require.Less(t, sentBytes(t, client)-before, 2*publishers*each*size)
}

// What was trimmed while a reader was in the middle is a gap too.
func TestReadTrimmedMeanwhile(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, few)
	reader := a.Reader(0, a.Last(0))
	a.publishNumbers(t, 1, 30)
	for range 2 {
		page, gap, err := reader.Next(t.Context(), 3)
		require.NoError(t, err)
		require.False(t, gap)
		require.NotEmpty(t, page)
	}
	require.NoError(t, server.client().XTrimMaxLen(t.Context(), "signalr:{hub/0}", 5).Err())
	var targets []string
	gaps := 0
	for {
		page, gap, err := reader.Next(t.Context(), 3)
		require.NoError(t, err)
		if gap {
			gaps++
		}
		for _, e := range page {
			targets = append(targets, e.Target)
		}
		if len(page) == 0 {
			break
		}
	}
	require.Equal(t, 1, gaps)
	require.Equal(t, numbers(26, 30), targets[len(targets)-5:])
	a.publishNumbers(t, 31, 32)
	page, gap, err := reader.Next(t.Context(), 3)
	require.NoError(t, err)
	require.False(t, gap)
	require.Len(t, page, 2, "a reader goes on from where it is")
}

// A reader comes to where the node is, be it in the middle of an entry.
func TestReadUpToTheMiddleOfAnEntry(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := join(t, server.client(), one, few)
	slow := newRecorder()
	b := joinWith(t, slow, server.client(), one, few)
	meet(t, a, b)
	reader := b.Reader(0, b.Last(0))
	const publishers, delivered = 50, 20
	held := make(chan struct{}, 1)
	count := 0
	slow.received = func() {
		if count++; count == delivered {
			held <- struct{}{}
			<-slow.gate
		}
	}
	var publishing sync.WaitGroup
	for i := range publishers {
		publishing.Go(func() {
			if err := a.publish(t.Context(), fmt.Sprint("x ", i)); err != nil {
				t.Error(err)
			}
		})
	}
	await.Group(t, &publishing, "the publishers")
	await.Receive(t, held, "the delivery of envelope %d", delivered)
	entries, err := server.client().XLen(t.Context(), "signalr:{hub/0}").Result()
	require.NoError(t, err)
	require.Less(t, entries, int64(5), "the test needs entries with several envelopes")
	first, gap, err := reader.Next(t.Context(), 1000)
	require.NoError(t, err)
	require.False(t, gap)
	require.Len(t, first, delivered, "the others are not delivered yet")
	slow.release()
	var targets []string
	for _, e := range first {
		targets = append(targets, e.Target)
	}
	await.Until(t, func() bool {
		page, gap, err := reader.Next(t.Context(), 7)
		require.NoError(t, err)
		require.False(t, gap)
		for _, e := range page {
			targets = append(targets, e.Target)
		}
		return len(targets) == publishers
	}, "all %d envelopes to be read", publishers)
	slices.Sort(targets)
	require.Len(t, slices.Compact(targets), publishers)
}

package redis

import (
	"context"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

func TestArrival(t *testing.T) {
	t.Parallel()
	type step struct {
		publisher scaleout.NodeID
		sequence  uint64
		gap       uint64
		isNew     bool
		missing   uint64
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"in order", []step{{1, 1, 0, true, 0}, {1, 2, 0, true, 0}}},
		{"joined in the middle", []step{{1, 7, 0, true, 0}, {1, 8, 0, true, 0}}},
		{"several publishers", []step{{1, 1, 0, true, 0}, {2, 5, 0, true, 0}, {1, 2, 0, true, 0}, {2, 6, 0, true, 0}}},
		{"a repeated batch", []step{{1, 1, 0, true, 0}, {1, 2, 0, true, 0}, {1, 1, 0, false, 0}, {1, 2, 0, false, 0}, {1, 3, 0, true, 0}}},
		{"a jump", []step{{1, 1, 0, true, 0}, {1, 5, 0, true, 3}, {1, 6, 0, true, 0}}},
		{"given up", []step{{1, 1, 0, true, 0}, {1, 5, 3, true, 0}}},
		{"given up and lost", []step{{1, 1, 0, true, 0}, {1, 5, 2, true, 1}}},
		{"given up and there nevertheless", []step{{1, 1, 0, true, 0}, {1, 4, 0, true, 2}, {1, 5, 3, true, 0}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newStream("key", 0)
			for i, step := range test.steps {
				missing, isNew := s.arrival(&scaleout.Envelope{Publisher: step.publisher, Sequence: step.sequence}, step.gap)
				require.Equal(t, step.isNew, isNew, "step %d", i)
				require.Equal(t, step.missing, missing, "step %d", i)
			}
		})
	}
}

func TestPublishersAreForgotten(t *testing.T) {
	t.Parallel()
	s := newStream("key", 0)
	hour := uint64(time.Hour.Milliseconds())
	for id, at := range []uint64{hour, 3 * hour} {
		s.position.Major = at
		s.arrival(&scaleout.Envelope{Publisher: scaleout.NodeID(id + 1), Sequence: 1, Position: s.position}, 0)
		s.forget()
	}
	require.Len(t, s.publishers, 1)
	require.Contains(t, s.publishers, scaleout.NodeID(2))
}

// newTestNode returns a node that has not joined, which needs no Redis.
func newTestNode(t testing.TB, opts ...Option) *node {
	client := goredis.NewClient(&goredis.Options{})
	t.Cleanup(func() { _ = client.Close() })
	bus, err := New(client, opts...)
	require.NoError(t, err)
	n := newNode(bus, "hub", nil)
	t.Cleanup(func() { _ = n.stop(context.Background()) })
	return n
}

func entries(n *node, keys ...string) []*entry {
	var list []*entry
	for _, key := range keys {
		list = append(list, &entry{envelope: &scaleout.Envelope{}, key: key, done: make(chan error, 1)})
	}
	return list
}

func numbers(batch []*entry) (list []uint64) {
	for _, e := range batch {
		list = append(list, e.sequence, e.gap)
	}
	return list
}

// Numbers of attempts that certainly failed are used again; others never are.
func TestNumbers(t *testing.T) {
	t.Parallel()
	n := newTestNode(t)
	l := newLane(n, "a")
	first := entries(n, "a", "b", "a", "a")
	l.number(first)
	require.Equal(t, []uint64{1, 0, 1, 0, 2, 0, 3, 0}, numbers(first))
	l.takeBackNumbers(first)
	l.number(first)
	require.Equal(t, []uint64{1, 0, 1, 0, 2, 0, 3, 0}, numbers(first))

	first[0].settle(scaleout.ErrDown)
	first[3].settle(context.Canceled)
	left := l.withoutSettled(slices.Clone(first))
	require.Equal(t, []*entry{first[1], first[2]}, left)
	require.Equal(t, []uint64{1, 0, 2, 1}, numbers(left), "the number given up is told by the next")

	second := entries(n, "b", "a", "a")
	l.number(second)
	require.Equal(t, []uint64{2, 0, 4, 1, 5, 0}, numbers(second), "also in another batch")
	l.takeBackNumbers(second)
	l.number(second)
	require.Equal(t, []uint64{2, 0, 4, 1, 5, 0}, numbers(second))
	i := 0
	require.NoError(t, unpack(pack(second, n.id), nil, func(u unpacked) {
		require.Equal(t, n.id, u.Publisher)
		require.Equal(t, second[i].sequence, u.Sequence)
		require.Equal(t, second[i].gap, u.gap)
		require.Equal(t, second[i].order, u.order)
		i++
	}))
	require.Len(t, second, i)
}

// An envelope that was delivered before the answer to its append was lost has not
// failed, so that its number was not given up: whoever misses it is told.
func TestNumbersOfWhatWasDeliveredAreNotGivenUp(t *testing.T) {
	t.Parallel()
	n := newTestNode(t)
	l := newLane(n, "a")
	first := entries(n, "a", "a")
	l.number(first)
	first[0].settle(nil)
	first[1].settle(scaleout.ErrDown)
	require.Empty(t, l.withoutSettled(first))
	second := entries(n, "a")
	l.number(second)
	require.Equal(t, []uint64{3, 1}, numbers(second))
}

func TestAwaitingSettlesInOrder(t *testing.T) {
	t.Parallel()
	n := newTestNode(t)
	l := newLane(n, "a")
	batch := entries(n, "a", "a", "a", "a")
	for _, e := range batch {
		e.stream = n.streams[0]
	}
	l.number(batch)
	awaiting := &n.streams[0].awaiting
	awaiting.delivered(nil)
	awaiting.delivered([]uint64{1})
	require.NoError(t, await.Receive(t, batch[0].done, "the result of the first envelope"))
	awaiting.delivered([]uint64{3})
	require.ErrorIs(t, await.Receive(t, batch[1].done, "the result of the second envelope"), scaleout.ErrDown, "it was confirmed, and is not there")
	require.NoError(t, await.Receive(t, batch[2].done, "the result of the third envelope"))
	require.False(t, batch[3].settled())
	require.Len(t, awaiting.entries, 1)
}

func TestNotCarriedOut(t *testing.T) {
	t.Parallel()
	require.True(t, notCarriedOut(goredis.TxFailedErr))
	require.True(t, notCarriedOut(goredis.ErrPoolTimeout))
	require.True(t, notCarriedOut(&net.OpError{Op: "dial", Err: io.EOF}))
	require.False(t, notCarriedOut(&net.OpError{Op: "read", Err: io.EOF}))
	require.False(t, notCarriedOut(io.EOF))
	require.False(t, notCarriedOut(errOverdue))
	require.False(t, notCarriedOut(nil))
}

func TestMembers(t *testing.T) {
	t.Parallel()
	type round struct {
		seen     map[string]string
		renewed  bool
		left     []scaleout.NodeID
		silent   []scaleout.NodeID
		remove   []scaleout.NodeID
		living   []scaleout.NodeID // the others
		jumpTime time.Duration     // before the round, beside the second that passes
	}
	beats := func(n int) map[string]string { return map[string]string{"1": strconv.Itoa(n), "2": "7"} }
	tests := []struct {
		name   string
		rounds []round
	}{
		{"all live", []round{
			{seen: map[string]string{"1": "1", "2": "1", "streams": "4"}, living: []scaleout.NodeID{1, 2}},
			{seen: map[string]string{"1": "2", "2": "2"}, living: []scaleout.NodeID{1, 2}},
		}},
		{"one has left", []round{
			{seen: beats(1), living: []scaleout.NodeID{1, 2}},
			{seen: map[string]string{"1": "2", "2": "left"}, left: []scaleout.NodeID{2}, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "3", "2": "8"}, living: []scaleout.NodeID{1}}, // a late heartbeat
		}},
		{"one had left before", []round{
			{seen: map[string]string{"1": "left"}},
			{seen: map[string]string{"1": "left"}},
		}},
		{"one dies, is back, and dies again", []round{
			{seen: beats(1), living: []scaleout.NodeID{1, 2}},
			{seen: beats(2), living: []scaleout.NodeID{1, 2}},
			{seen: beats(3), living: []scaleout.NodeID{1, 2}},
			{seen: beats(4), silent: []scaleout.NodeID{2}, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "5", "2": "8"}, living: []scaleout.NodeID{1, 2}},
			{seen: map[string]string{"1": "6", "2": "left"}, left: []scaleout.NodeID{2}, living: []scaleout.NodeID{1}},
		}},
		{"the time without rounds does not count", []round{
			{seen: beats(1), living: []scaleout.NodeID{1, 2}},
			{seen: beats(2), living: []scaleout.NodeID{1, 2}, jumpTime: time.Hour},
			{seen: beats(3), silent: []scaleout.NodeID{2}, living: []scaleout.NodeID{1}},
		}},
		{"the data is gone for a while", []round{
			{seen: map[string]string{"1": "1"}, living: []scaleout.NodeID{1}},
			{living: []scaleout.NodeID{1}},
			{living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "2"}, living: []scaleout.NodeID{1}},
			{living: []scaleout.NodeID{1}},
			{living: []scaleout.NodeID{1}},
			{silent: []scaleout.NodeID{1}},
			{},
		}},
		{"the data is gone again and again, as where keys are evicted", []round{
			{seen: map[string]string{"1": "1"}, living: []scaleout.NodeID{1}},
			{renewed: true, living: []scaleout.NodeID{1}},
			{renewed: true, living: []scaleout.NodeID{1}},
			{renewed: true, living: []scaleout.NodeID{1}},
			{renewed: true, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "2"}, living: []scaleout.NodeID{1}},
		}},
		{"the data is gone while one is silent", []round{
			{seen: map[string]string{"1": "1"}, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second, silent: []scaleout.NodeID{1}},
			{renewed: true},
			{},
			{seen: map[string]string{"1": "2"}, living: []scaleout.NodeID{1}},
		}},
		{"the traces of one that has left are removed", []round{
			{seen: map[string]string{"1": "1"}, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "left"}, left: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "left"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "left"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "left"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "left"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "left"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "left"}, jumpTime: time.Second, remove: []scaleout.NodeID{1}},
			{},
		}},
		{"the traces of one that is silent are removed", []round{
			{seen: map[string]string{"1": "1"}, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second, living: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "1"}, silent: []scaleout.NodeID{1}},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second},
			{seen: map[string]string{"1": "1"}, jumpTime: time.Second, remove: []scaleout.NodeID{1}},
			{},
			{seen: map[string]string{"1": "2"}, living: []scaleout.NodeID{1}},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := newTestNode(t, WithHeartbeat(time.Second), WithNodeTimeout(3*time.Second), WithRetention(time.Second))
			n.id = math.MaxUint32
			now := n.members.round
			for i, round := range test.rounds {
				now = now.Add(time.Second + round.jumpTime)
				left, silent, remove := n.members.update(round.seen, round.renewed, now)
				require.Equal(t, round.left, left, "round %d", i)
				require.Equal(t, round.silent, silent, "round %d", i)
				require.Equal(t, round.remove, remove, "round %d", i)
				living := n.members.living()
				require.Equal(t, n.id, living[0])
				require.Equal(t, append([]scaleout.NodeID{n.id}, round.living...), living, "round %d", i)
			}
		})
	}
}

func TestKeysAreDistinct(t *testing.T) {
	t.Parallel()
	owners := make(map[string]string)
	for _, prefix := range []string{"", "p", "p:{h", "p:", "{", "}"} {
		for _, hub := range []string{"", "h", "h/0", "h/node", "h/node/7", "h}", "}:nodes", "{h}", "h:epoch"} {
			owner := strconv.Quote(prefix) + strconv.Quote(hub)
			k := newKeys(prefix, hub)
			all := []string{k.stream(0), k.stream(7), k.node(7), k.nodes(), k.epoch(), epochOf(k.stream(0)), epochOf(k.node(7))}
			for _, key := range all {
				require.NotContains(t, owners, key, "%s and %s", owner, owners[key])
				owners[key] = owner
			}
		}
	}
	require.Equal(t, "my+app:{chat%2F1/0}", newKeys("my app", "chat/1").stream(0))
}

func TestPositions(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"0-0", "1526919030474-55", "18446744073709551615-281474976710655"} {
		p, err := parsePosition(id)
		require.NoError(t, err)
		require.Equal(t, id, formatPosition(p))
		require.Equal(t, p, endOfEntry(p))
		first, last := inEntry(p, 0), inEntry(p, batchEntries-1)
		require.Equal(t, id, formatPosition(first))
		require.Equal(t, id, formatPosition(last))
		require.Equal(t, -1, first.Compare(last))
		require.Equal(t, -1, last.Compare(p))
		require.Equal(t, p, endOfEntry(first))
	}
	for _, id := range []string{"", "1", "-", "1-", "-1", "1-x", "x-1", "1-2-3", "18446744073709551616-0", "0-281474976710656"} {
		_, err := parsePosition(id)
		require.Error(t, err, id)
	}
	require.Equal(t, "4000", before(scaleout.Position{Major: 5000, Minor: 1}, time.Second))
	require.Equal(t, "0", before(scaleout.Position{Major: 500}, time.Second))
	require.Equal(t, "6000", before(scaleout.Position{Major: 5000, Minor: 1}, -time.Second))
}

// What nobody waits for any more must not pile up while Redis tells nothing.
func TestGivenUpEnvelopesAreLetGo(t *testing.T) {
	t.Parallel()
	n := newTestNode(t)
	s := n.streams[0]
	batch := entries(n, s.key, s.key, s.key)
	for _, e := range batch {
		e.ctx, e.stream, e.deadline = t.Context(), s, time.Now().Add(time.Hour)
	}
	s.lane.number(batch)
	batch[0].settle(scaleout.ErrDown)
	batch[2].settle(context.Canceled)
	n.eachAwaited(func(e *entry, l *lane) { e.expire(time.Now(), time.Hour, l) })
	require.Equal(t, batch[1:2], s.awaiting.entries)

	s.lane.takeBackNumbers(batch)
	require.Empty(t, s.awaiting.entries)
}

// Reads that wait take no call away from those that publish, however many streams a
// Cluster is given.
func TestFollowersLeaveCallsForOthers(t *testing.T) {
	t.Parallel()
	client := goredis.NewClusterClient(&goredis.ClusterOptions{})
	t.Cleanup(func() { _ = client.Close() })
	bus, err := New(client, WithStreams(2*callsLimit))
	require.NoError(t, err)
	n := newNode(bus, "hub", nil)
	t.Cleanup(func() { _ = n.stop(context.Background()) })
	reading := make(chan struct{})
	for range n.followers {
		go func() {
			_, _ = call(n.ctx, n, time.Hour, func(ctx context.Context) (any, error) {
				reading <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			})
		}()
	}
	for range n.followers {
		await.Done(t, reading, "every follower to read")
	}
	got, err := call(n.ctx, n, 10*time.Second, func(context.Context) (string, error) { return "appended", nil })
	require.NoError(t, err)
	require.Equal(t, "appended", got)
}

package redis

import (
	"fmt"
	"math/rand/v2"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/scaleout"
)

// collector is a receiver that keeps the targets of what it gets.
type collector struct{ targets []string }

func (c *collector) Deliver(e *scaleout.Envelope) { c.targets = append(c.targets, e.Target) }
func (*collector) NodeLeft(scaleout.NodeID)       {}
func (*collector) NodeSilent(scaleout.NodeID)     {}
func (*collector) Lost(scaleout.Loss)             {}

// publication is what a publisher appends in one batch: a stream for each envelope.
type publication struct {
	publisher scaleout.NodeID
	streams   []int
}

// logs are the streams that some publications make, by their keys.
type logs struct {
	n         *node
	ms        int
	sequences map[string]uint64
	orders    map[scaleout.NodeID]uint64
	messages  map[int][]goredis.XMessage
}

func newLogs(n *node, receiver scaleout.Receiver) *logs {
	n.receiver = receiver
	for _, s := range n.streams {
		s.place(log{}, n.bus.options.log)
	}
	return &logs{n: n, sequences: make(map[string]uint64), orders: make(map[scaleout.NodeID]uint64), messages: make(map[int][]goredis.XMessage)}
}

// deliver has a follower read and deliver to the end of the streams.
func (l *logs) deliver(t *testing.T, f *follower, seed uint64) {
	for rounds := 0; ; rounds++ {
		require.Less(t, rounds, 1000, "seed %d: reading does not come to an end", seed)
		var batches []goredis.XStream
		for i, s := range l.n.streams {
			var messages []goredis.XMessage
			for _, m := range l.messages[i] {
				if at, _ := parsePosition(m.ID); at.Compare(s.position) > 0 && int64(len(messages)) < f.count {
					messages = append(messages, m)
				}
			}
			if len(messages) > 0 {
				batches = append(batches, goredis.XStream{Stream: s.key, Messages: messages})
			}
		}
		if len(batches) == 0 {
			return
		}
		f.deliver(batches)
	}
}

// append appends a batch and returns what repeats it.
func (l *logs) append(p publication) (repeat func()) {
	entries := make(map[int][]*entry)
	for _, stream := range p.streams {
		number := fmt.Sprint(p.publisher, "/", stream)
		l.sequences[number]++
		l.orders[p.publisher]++
		entries[stream] = append(entries[stream], &entry{
			envelope: &scaleout.Envelope{Kind: scaleout.Message, Target: fmt.Sprint(p.publisher, ":", l.orders[p.publisher])},
			sequence: l.sequences[number], order: l.orders[p.publisher], size: 100,
		})
	}
	repeat = func() {
		for stream, batch := range entries {
			l.messages[stream] = append(l.messages[stream], goredis.XMessage{
				ID:     fmt.Sprint(l.ms, "-", len(l.messages[stream])),
				Values: map[string]any{fieldEnvelopes: string(pack(batch, p.publisher))},
			})
		}
	}
	repeat()
	return repeat
}

// TestDeliverInOrder: what a publisher has appended to several streams, in batches of any
// kind and some of them twice, is delivered in that order, and once.
func TestDeliverInOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		n := newTestNode(t, WithStreams(2))
		var got collector
		l := newLogs(n, &got)
		var late []func()
		for range 1 + random.IntN(12) {
			l.ms += random.IntN(3)
			p := publication{publisher: scaleout.NodeID(1 + random.IntN(3))}
			for range 1 + random.IntN(5) {
				p.streams = append(p.streams, random.IntN(len(n.streams)))
			}
			repeat := l.append(p)
			switch random.IntN(6) {
			case 0:
				repeat()
			case 1:
				late = append(late, repeat)
			}
			if len(late) > 0 && random.IntN(3) == 0 {
				late[0]()
				late = late[1:]
			}
		}
		f := n.followers[0]
		f.count = int64(1 + random.IntN(6))
		l.deliver(t, f, seed)
		next := make(map[string]int)
		for _, target := range got.targets {
			var publisher string
			var number int
			_, err := fmt.Sscanf(target, "%1s:%d", &publisher, &number)
			require.NoError(t, err)
			next[publisher]++
			require.Equal(t, next[publisher], number, "seed %d: %v", seed, got.targets)
		}
		for publisher, orders := range l.orders {
			require.EqualValues(t, orders, next[fmt.Sprint(publisher)], "seed %d: all of publisher %d", seed, publisher)
		}
	}
}

// uninterested is a receiver that wants nothing, or everything.
type uninterested struct {
	collector
	wants bool
}

func (u *uninterested) Deliver(*scaleout.Envelope)                {}
func (u *uninterested) Wants(_ scaleout.TopicKind, _ []byte) bool { return u.wants }

// BenchmarkDeliver delivers messages to groups, in entries of 64, and what it takes if none
// of them concerns the node.
func BenchmarkDeliver(b *testing.B) {
	const size, count = 64, 256
	var batch []*entry
	messages := make([]goredis.XMessage, count)
	for i := range messages {
		batch = batch[:0]
		for j := range size {
			batch = append(batch, &entry{
				envelope: &scaleout.Envelope{
					Kind: scaleout.Message, Topic: scaleout.Topic{Kind: scaleout.Group, Name: fmt.Sprint("room ", j)}, Target: "messageReceived",
					Bodies: []scaleout.Body{{Protocol: "json", Data: make([]byte, 120)}, {Protocol: "messagepack", Data: make([]byte, 90)}},
				},
				sequence: uint64(i*size + j + 1), order: uint64(i*size + j + 1), size: 300,
			})
		}
		messages[i] = goredis.XMessage{ID: fmt.Sprint(i+1, "-0"), Values: map[string]any{fieldEnvelopes: string(pack(batch, 7))}}
	}
	for _, wants := range []bool{true, false} {
		b.Run(fmt.Sprint("wanted=", wants), func(b *testing.B) {
			b.ReportAllocs()
			n := newTestNode(b)
			n.receiver = &uninterested{wants: wants}
			f := n.followers[0]
			for i := 0; b.Loop(); i++ {
				if i%count == 0 {
					n.streams[0] = newStream(n.streams[0].key, 0)
					n.streams[0].place(log{}, n.bus.options.log)
				}
				f.entry(n.streams[0], messages[i%count])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/message")
		})
	}
}

// TestDeliverWhatIsLate: an envelope whose append was given up, and carried out later than
// others behind it, neither holds these up nor spoils their order.
func TestDeliverWhatIsLate(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]int{"by the clock": 1, "at the same time": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTestNode(t, WithStreams(2))
			var got collector
			l := newLogs(n, &got)
			l.ms = 1
			l.append(publication{1, []int{1, 0, 1}})
			late := l.messages[0][0]
			l.messages[0] = nil
			for _, stream := range []int{1, 0} {
				l.ms += clock
				l.append(publication{2, []int{stream}})
			}
			late.ID = fmt.Sprint(l.ms+clock, "-", len(l.messages[0]))
			l.messages[0] = append(l.messages[0], late)

			l.deliver(t, n.followers[0], 0)
			require.ElementsMatch(t, []string{"1:1", "1:2", "1:3", "2:1", "2:2"}, got.targets)
			if clock > 0 {
				require.Equal(t, []string{"1:1", "1:3", "2:1", "2:2", "1:2"}, got.targets)
			}
		})
	}
}

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
		n.receiver = &got
		for _, s := range n.streams {
			s.place(log{}, n.bus.options.log)
		}
		l := &logs{n: n, sequences: make(map[string]uint64), orders: make(map[scaleout.NodeID]uint64), messages: make(map[int][]goredis.XMessage)}
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
		for rounds := 0; ; rounds++ {
			require.Less(t, rounds, 1000, "seed %d: reading does not come to an end", seed)
			var batches []goredis.XStream
			for i, s := range n.streams {
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
				break
			}
			f.deliver(batches)
		}
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

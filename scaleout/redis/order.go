package redis

import (
	"cmp"
	"math"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// What a node has appended to several streams, one after the other, is delivered in that
// order by every node that reads these streams together: who is sent something alone,
// as a group and as a user gets it in the order in which it was sent. In a Cluster each
// stream is read by itself, and there is no order between them.

// merge is the delivery of entries of several streams that were read at the same time.
// The order within a stream holds, and that of each publisher over all of them.
type merge struct {
	follower *follower
	streams  []inOrder
	// left has, in order, the places of what each publisher has yet to have delivered.
	left map[scaleout.NodeID][]uint64
}

// inOrder is what was read of a stream and waits for its turn.
type inOrder struct {
	stream *stream
	queue  []turn
	// If there may be more of the stream than was read: the time of its last entry by
	// the clock of Redis, before which nothing of the rest was appended, and the last
	// place of each publisher, after which all of its rest is.
	cutOff bool
	until  uint64
	last   map[scaleout.NodeID]uint64
}

// turn is an envelope, or the end of an entry.
type turn struct {
	unpacked
	repeated bool // it was there before, is forged, or late, so that its place says nothing

	end       scaleout.Position // of the entry
	isEnd     bool
	envelopes int
	size      int
	err       error
}

// deliverInOrder delivers entries of several streams as far as it is known that nothing
// that was not read yet belongs before, and returns their length. stuck reports that this
// is known of none.
func (f *follower) deliverInOrder(batches []goredis.XStream) (bytes int, stuck bool) {
	m := merge{follower: f, left: make(map[scaleout.NodeID][]uint64)}
	for _, batch := range batches {
		m.streams = append(m.streams, m.queue(batch))
	}
	for _, places := range m.left {
		slices.Sort(places)
	}
	stuck = m.run(&bytes)
	if stuck && m.excuseLate() {
		stuck = m.run(&bytes)
	}
	return bytes, stuck
}

// run delivers as far as it can, and reports whether nothing new could be: what was
// delivered before of an entry that was not passed comes again with each read.
func (m *merge) run(bytes *int) (stuck bool) {
	stuck = true
	for advanced := true; advanced && m.follower.node.ctx.Err() == nil; {
		advanced = false
		for i := range m.streams {
			for m.isNext(i) {
				stuck = stuck && m.streams[i].queue[0].repeated
				*bytes += m.deliver(i)
				advanced = true
			}
		}
	}
	return stuck
}

// queue opens the entries of a stream.
func (m *merge) queue(batch goredis.XStream) inOrder {
	f := m.follower
	in := inOrder{stream: f.stream(batch.Stream), last: make(map[scaleout.NodeID]uint64)}
	in.cutOff = int64(len(batch.Messages)) >= f.count
	newest := make(map[scaleout.NodeID]uint64) // numbers of the publishers
	for _, message := range batch.Messages {
		end, err := parsePosition(message.ID)
		if err != nil {
			f.malformed(in.stream, err)
			continue
		}
		f.welcome(message)
		in.until = end.Major
		last := turn{end: end, isEnd: true}
		last.size, last.err = in.stream.open(message, end, nil, func(u unpacked) {
			last.envelopes++
			t := turn{unpacked: u, end: end}
			t.repeated = u.Sequence <= max(newest[u.Publisher], in.stream.last(u.Publisher)) || u.order <= in.last[u.Publisher]
			if !t.repeated {
				newest[u.Publisher] = u.Sequence
				in.last[u.Publisher] = u.order
				m.left[u.Publisher] = append(m.left[u.Publisher], u.order)
			}
			in.queue = append(in.queue, t)
		})
		in.queue = append(in.queue, last)
	}
	return in
}

// excuseLate lets nothing wait any more for the envelopes that Redis has got behind later
// ones of their publishers: their appends were given up, and carried out late. It reports
// whether there are any.
func (m *merge) excuseLate() (found bool) {
	turns := make(map[scaleout.NodeID][]*turn)
	for _, in := range m.streams {
		for i := range in.queue {
			if t := &in.queue[i]; !t.isEnd && !t.repeated {
				turns[t.Publisher] = append(turns[t.Publisher], t)
			}
		}
	}
	for publisher, of := range turns {
		slices.SortFunc(of, func(a, b *turn) int { return cmp.Compare(a.order, b.order) })
		earliest := uint64(math.MaxUint64)
		for _, t := range slices.Backward(of) {
			if t.end.Major <= earliest {
				earliest = t.end.Major
				continue
			}
			t.repeated, found = true, true
			m.left[publisher] = slices.DeleteFunc(m.left[publisher], func(place uint64) bool { return place == t.order })
		}
	}
	return found
}

// isNext reports whether nothing must be delivered before the first of a queue.
func (m *merge) isNext(i int) bool {
	if len(m.streams[i].queue) == 0 {
		return false
	}
	t := &m.streams[i].queue[0]
	if t.isEnd || t.repeated {
		return true
	}
	if m.left[t.Publisher][0] != t.order {
		return false
	}
	for j := range m.streams {
		other := &m.streams[j]
		if j != i && other.cutOff && t.end.Major >= other.until && t.order > other.last[t.Publisher] {
			return false
		}
	}
	return true
}

// deliver delivers the first of a queue. It returns the length of an entry at its end.
func (m *merge) deliver(i int) (size int) {
	in := &m.streams[i]
	t := &in.queue[0]
	in.queue = in.queue[1:]
	if t.isEnd {
		m.follower.passed(in.stream, t.end, t.envelopes, t.size, t.err)
		return t.size
	}
	if !t.repeated {
		m.left[t.Publisher] = m.left[t.Publisher][1:]
	}
	m.follower.envelope(in.stream, t.unpacked)
	return 0
}

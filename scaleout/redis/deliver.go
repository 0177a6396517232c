package redis

import (
	"cmp"

	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// deliver delivers what was read. It reports whether that was as much as had been
// asked for, so that there may be more.
func (f *follower) deliver(batches []goredis.XStream) (full bool) {
	bytes, stuck := 0, false
	for _, batch := range batches {
		full = full || int64(len(batch.Messages)) >= f.count
	}
	if len(batches) > 1 {
		bytes, stuck = f.deliverInOrder(batches)
	}
	if stuck && f.count < cmp.Or(f.most, readEntries) {
		f.count = min(f.count*2, cmp.Or(f.most, readEntries)) // the order shows when more is read
		return true
	}
	if stuck {
		batches = batches[:1]
	}
	if len(batches) == 1 {
		s := f.stream(batches[0].Stream)
		for _, m := range batches[0].Messages {
			bytes += f.entry(s, m)
		}
	}
	for _, batch := range batches {
		f.stream(batch.Stream).forget()
	}
	switch {
	case bytes > readBytes:
		f.count = max(f.count/2, 1)
	case full && bytes < readBytes/4:
		if f.steps++; f.most > 0 && f.steps >= retryLength {
			f.most, f.steps = min(2*f.most, readEntries), 0
		}
		f.count = min(f.count*2, cmp.Or(f.most, readEntries))
	}
	if !full {
		f.most = 0
		for _, s := range f.streams {
			s.lag.Store(0)
		}
	}
	return full
}

func (f *follower) stream(key string) *stream { return f.streams[f.index(key)] }

// entry delivers what is in an entry of a stream, and returns its length.
func (f *follower) entry(s *stream, m goredis.XMessage) (size int) {
	if f.node.ctx.Err() != nil {
		return 0
	}
	end, err := parsePosition(m.ID)
	if err != nil {
		f.malformed(s, err)
		return 0
	}
	f.welcome(m)
	envelopes := 0
	size, err = s.open(m, end, f.wants(s), func(u unpacked) {
		envelopes++
		f.envelope(s, u)
	})
	f.passed(s, end, envelopes, size, err)
	return size
}

// wants returns what tells which envelopes of a stream need not be parsed; nil: none.
func (f *follower) wants(s *stream) func(scaleout.Header) bool {
	receiver, ok := f.node.receiver.(scaleout.Selective)
	if !ok || s.index < 0 || s.log.Keeps() {
		return nil
	}
	return func(h scaleout.Header) bool {
		concernsAll := h.Kind != scaleout.Message && h.Kind != scaleout.Abort ||
			h.TopicKind != scaleout.Group && h.TopicKind != scaleout.User
		return concernsAll || receiver.Wants(h.TopicKind, h.TopicName)
	}
}

// welcome notes a node that says that it has joined.
func (f *follower) welcome(m goredis.XMessage) {
	if mark, ok := m.Values[fieldMark].(string); ok {
		if id, ok := parseID(mark); ok {
			f.node.members.heard(id)
		}
	}
}

// passed notes that all of an entry was delivered. err is why not.
func (f *follower) passed(s *stream, end scaleout.Position, envelopes, size int, err error) {
	s.position = end
	s.passed++
	s.read.Store(&reading{end.Major, time.Now()})
	// Who has published an entry's envelopes goes on at the same time, so that
	// what they publish next comes together too.
	s.awaiting.delivered(s.own)
	s.own, s.heard = s.own[:0], 0
	s.sizes.add(1, size)
	s.average.Store(s.sizes.mean())
	s.density.add(1, envelopes)
	o := &f.node.bus.options
	s.longest.Store(min(s.density.entriesOf(o.maxLength), max(o.maxBytes/max(s.sizes.mean(), 1), 1)))
	if err != nil {
		f.malformed(s, err)
	}
}

// envelope delivers an envelope, unless it was delivered before.
func (f *follower) envelope(s *stream, u unpacked) {
	n, e := f.node, u.Envelope
	last := s.last(e.Publisher)
	isForged := e.Publisher == n.id && s.index >= 0 && e.Sequence > s.given.Load()
	if isForged && plausible(last, e.Sequence) {
		s.forged.Store(max(s.forged.Load(), e.Sequence)) // others take it for this node's
	}
	if isForged || !plausible(last, e.Sequence) {
		f.malformed(s, errImplausible)
		return
	}
	missing, isNew := s.arrival(e, u.gap)
	if !isNew {
		n.bus.stats.duplicates.Add(1)
		return
	}
	if e.Publisher == n.id {
		s.own = append(s.own, e.Sequence)
	} else if e.Publisher != s.heard { // an entry has the envelopes of one node
		s.heard = e.Publisher
		n.members.heard(e.Publisher) // before the receiver may reply to it
	}
	if missing > 0 {
		f.missing(s, e.Publisher, missing)
	}
	if u.skipped {
		s.log.Skip(e.Position)
		n.bus.stats.skipped.Add(1)
		return
	}
	if s.index >= 0 {
		s.log.Append(e)
	}
	n.bus.stats.delivered.Add(1)
	n.receiver.Deliver(e)
}

// missing notes that envelopes of a publisher are missing.
func (f *follower) missing(s *stream, publisher scaleout.NodeID, count uint64) {
	f.suspect.Store(true) // they may have been trimmed
	f.node.bus.stats.jumps.Add(1)
	f.lost(s, scaleout.Loss{Reason: "sequence", Own: s.index < 0, Publisher: publisher, Count: count})
}

func (f *follower) malformed(s *stream, err error) {
	f.node.bus.stats.malformed.Add(1)
	if count := s.malformed.due(1); count > 0 {
		f.node.log().Error("redis: what is in a stream is not an envelope of a node", "stream", s.key, "count", count, "error", err)
	}
}

func (f *follower) lost(s *stream, l scaleout.Loss) {
	f.node.bus.stats.lost.Add(l.Count)
	if l.Reason != "sequence" {
		f.node.log().Error("redis: envelopes are missing", "reason", l.Reason, "stream", s.key)
	} else if count := s.missing.due(l.Count); count > 0 {
		f.node.log().Error("redis: envelopes are missing", "reason", l.Reason, "stream", s.key,
			"publisher", uint32(l.Publisher), "count", count)
	}
	f.node.receiver.Lost(l)
}

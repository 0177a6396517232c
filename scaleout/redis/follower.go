package redis

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// follower reads streams and delivers what is in them. A node has one for all
// its streams, or in a Cluster, where they are in different places, one for
// each.
type follower struct {
	node     *node
	streams  []*stream
	epochKey string

	// The rest is used by run alone, but for what is atomic.
	count    int64 // of entries that a read asks for of each stream
	most     int64 // what count may become before the follower has caught up; 0: any
	behind   bool  // there may be more than was read last
	checked  time.Time
	failures int // since a read last succeeded
	overdue  int // of these, in a row
	pause    backoff
	epoch    atomic.Pointer[string]
	// suspect is set by others who have seen that the data is not what it was.
	suspect atomic.Bool
}

// compareEpoch makes the follower look if the epoch, empty for none, is another.
func (f *follower) compareEpoch(epoch string) {
	if *f.epoch.Load() != epoch {
		f.suspect.Store(true)
	}
}

func (f *follower) run() {
	interrupted := false
	for f.node.usable(f.node.ctx) == nil {
		lagging := f.behind && time.Since(f.checked) >= checkEvery
		if f.suspect.Swap(false) || interrupted || lagging {
			if err := f.check(); err != nil {
				interrupted = true
				f.failed(err)
				continue
			}
		}
		batches, err := f.read(!interrupted)
		if err != nil {
			interrupted = true
			// The reply may be more than a limit of Redis, or than the network carries
			// in time.
			f.count = max(f.count/4, 1)
			f.most = f.count
			f.failed(err)
			continue
		}
		if interrupted {
			interrupted = false
			f.node.bus.stats.interruptions.Add(1)
		}
		f.succeeded()
		began := time.Now()
		full := f.deliver(batches)
		f.behind = full || time.Since(began) >= checkEvery
	}
}

// read reads what comes next in the streams. If there is nothing, it may wait for a
// while.
func (f *follower) read(wait bool) ([]goredis.XStream, error) {
	args := make([]any, 0, 6+2*len(f.streams))
	args = append(args, "xread", "count", f.count)
	if wait {
		args = append(args, "block", f.node.block.Milliseconds())
	}
	args = append(args, "streams")
	firstKey := len(args)
	for _, s := range f.streams {
		args = append(args, s.key)
	}
	for _, s := range f.streams {
		args = append(args, formatPosition(s.position))
	}
	return call(f.node.ctx, f.node, f.node.block+grace, func(ctx context.Context) ([]goredis.XStream, error) {
		cmd := read{goredis.NewXStreamSliceCmd(ctx, args...)}
		cmd.SetFirstKeyPos(int8(firstKey))
		err := f.node.bus.client.Process(ctx, cmd)
		if errors.Is(err, goredis.Nil) {
			return nil, nil
		}
		return cmd.Val(), err
	})
}

// deliver delivers what was read. It reports whether that was as much as had been
// asked for, so that there may be more.
func (f *follower) deliver(batches []goredis.XStream) (full bool) {
	bytes := 0
	for _, batch := range batches {
		for _, s := range f.streams {
			if s.key == batch.Stream {
				bytes += f.deliverStream(s, batch.Messages)
			}
		}
		full = full || int64(len(batch.Messages)) >= f.count
	}
	switch {
	case bytes > readBytes:
		f.count = max(f.count/2, 1)
	case full && bytes < readBytes/4:
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

func (f *follower) deliverStream(s *stream, messages []goredis.XMessage) (bytes int) {
	envelopes := 0
	var own []uint64
	for _, m := range messages {
		if f.node.ctx.Err() != nil {
			return bytes
		}
		end, err := parsePosition(m.ID)
		if err != nil {
			f.malformed(s, err)
			continue
		}
		s.position = end
		s.passed++
		var publisher scaleout.NodeID // of the entry, which comes from one node
		size, err := s.open(m, end, func(e *scaleout.Envelope, gap uint64) {
			envelopes++
			if !f.envelope(s, e, gap) {
				return
			}
			if e.Publisher == f.node.id {
				own = append(own, e.Sequence)
			} else if e.Publisher != publisher {
				publisher = e.Publisher
				f.node.members.heard(publisher)
			}
		})
		// Who has published an entry's envelopes goes on at the same time, so that
		// what they publish next comes together too.
		s.awaiting.delivered(own)
		own = own[:0]
		bytes += size
		if err != nil {
			f.malformed(s, err)
		}
	}
	if len(messages) > 0 {
		s.average.Store(int64(bytes / len(messages)))
		s.density.add(len(messages), envelopes)
		s.longest.Store(s.density.entriesOf(f.node.bus.options.maxLength))
	}
	s.forget()
	return bytes
}

// envelope delivers an envelope, unless it was delivered before.
func (f *follower) envelope(s *stream, e *scaleout.Envelope, gap uint64) (isNew bool) {
	n := f.node
	last := s.last(e.Publisher)
	isForged := e.Publisher == n.id && s.index >= 0 && e.Sequence > s.given.Load()
	if isForged && plausible(last, e.Sequence) {
		s.forged.Store(max(s.forged.Load(), e.Sequence)) // others take it for this node's
	}
	if isForged || !plausible(last, e.Sequence) {
		f.malformed(s, errImplausible)
		return false
	}
	if last == 0 {
		n.members.heard(e.Publisher) // before the receiver may answer it
	}
	missing, isNew := s.arrival(e, gap)
	if !isNew {
		n.bus.stats.duplicates.Add(1)
		return false
	}
	if missing > 0 {
		f.suspect.Store(true) // they may have been trimmed
		n.bus.stats.jumps.Add(1)
		f.lost(s, scaleout.Loss{Reason: "sequence", Own: s.index < 0, Publisher: e.Publisher, Count: missing})
	}
	if s.index >= 0 {
		s.log.Append(e)
	}
	n.bus.stats.delivered.Add(1)
	n.receiver.Deliver(e)
	return true
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

// succeeded notes that a read has succeeded, which another answer of Redis does not
// show: reads alone may be refused, or their replies be too long.
func (f *follower) succeeded() {
	if f.failures > 0 {
		f.failures, f.overdue = 0, 0
		f.pause.reset()
	}
	f.node.health.set(f, scaleout.Connected, nil)
}

// failed notes that Redis has not answered, or with an error, and waits before
// the next attempt. The first failure is only a reason to ask again at once, on
// another connection.
func (f *follower) failed(err error) {
	if f.node.ctx.Err() != nil {
		return
	}
	f.failures++
	state := scaleout.Down
	if errors.Is(err, errOverdue) {
		f.overdue++
		switch {
		case f.overdue < staleAfter:
			state = scaleout.Probing
		case f.overdue < downAfter:
			state = scaleout.Stale
		}
	} else {
		f.overdue = 0
	}
	if f.failures == 1 {
		state = scaleout.Probing
	}
	f.node.health.set(f, state, err)
	f.node.logFailure(f.failures, "redis: reading the streams failed, will be tried again", err)
	if f.failures > 1 {
		f.pause.wait(f.node.ctx)
	}
}

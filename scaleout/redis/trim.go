package redis

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Who appends to a stream also trims it. When nothing is appended any more, what is there
// still grows older than the retention: then the heartbeats of all nodes trim it.

// trimming is how far a stream was trimmed by heartbeats. It is used by members.run alone.
type trimming struct {
	emptied uint64 // the newest entry, in milliseconds of Redis, when all was removed
	exactly bool   // only single entries are left to remove
}

// idleTrim is what trims a stream to which nothing has been appended for a while.
type idleTrim struct {
	stream  *stream
	newest  uint64 // entry
	oldest  string // id that stays
	exactly bool
	all     bool // nothing is left after it
}

// idleTrims returns what a heartbeat has to trim.
func (n *node) idleTrims(now time.Time) (trims []idleTrim) {
	o := &n.bus.options
	for _, s := range n.streams[:n.Streams()] {
		read := s.read.Load()
		if read == nil || read.ms == s.trim.emptied {
			continue
		}
		idle := now.Sub(read.at)
		if idle < o.heartbeat {
			continue
		}
		trims = append(trims, idleTrim{
			stream: s, newest: read.ms, oldest: beforeTime(read.ms, o.retention-idle),
			exactly: s.trim.exactly, all: s.trim.exactly && idle > o.retention,
		})
	}
	return trims
}

// add adds the trimming to a heartbeat. Whole nodes of the tree that a stream is cost Redis
// little to remove, so that single entries are removed only when there are few.
func (t idleTrim) add(ctx context.Context, pipe goredis.Pipeliner) *goredis.IntCmd {
	if t.exactly {
		return pipe.XTrimMinID(ctx, t.stream.key, t.oldest)
	}
	return pipe.XTrimMinIDApprox(ctx, t.stream.key, t.oldest, 0)
}

// done notes how many entries were removed.
func (t idleTrim) done(removed int64) {
	t.stream.trim.exactly = !t.exactly && removed == 0
	if t.all {
		t.stream.trim.emptied = t.newest
	}
}

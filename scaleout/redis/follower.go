package redis

import (
	"context"
	"errors"
	"slices"
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
	steps    int   // reads that were as long as most since it was set
	unread   int   // reads that have failed since one last succeeded
	behind   bool  // there may be more than was read last
	checked  time.Time
	failures int // since a read last succeeded
	overdue  int // of these, in a row
	pause    backoff
	epoch    atomic.Pointer[string]
	// promised is set by the heartbeats.
	promised atomic.Pointer[promised]
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
		promised := f.promised.Swap(nil)
		batches, err := f.readAll(!interrupted)
		if err != nil {
			interrupted = true
			if f.unread++; f.unread > 1 && !notCarriedOut(err) {
				// The reply may be more than a limit of Redis, or than the network
				// carries in time.
				f.count = max(f.count/4, 1)
				f.most, f.steps = f.count, 0
			}
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
		if promised != nil && !full {
			f.keep(*promised)
		}
	}
}

// readAll reads what comes next in the streams. If there is nothing, it may wait for a
// while. Redis ends the wait with the first stream that has something: if that is part
// of a batch, all streams are read once more, as messages in others may belong in between.
func (f *follower) readAll(wait bool) ([]goredis.XStream, error) {
	after := make([]scaleout.Position, len(f.streams))
	for i, s := range f.streams {
		after[i] = s.position
	}
	found, err := f.read(after, wait)
	if err != nil || !wait || len(found) == len(f.streams) || !slices.ContainsFunc(found, isPart) {
		return found, err
	}
	for _, batch := range found {
		end, err := parsePosition(batch.Messages[len(batch.Messages)-1].ID)
		if err != nil {
			return found, nil
		}
		after[f.index(batch.Stream)] = end
	}
	rest, err := f.read(after, false)
	if err != nil {
		return nil, err
	}
	for _, batch := range rest {
		i := slices.IndexFunc(found, func(x goredis.XStream) bool { return x.Stream == batch.Stream })
		if i < 0 {
			found = append(found, batch)
		} else {
			found[i].Messages = append(found[i].Messages, batch.Messages...)
		}
	}
	return found, nil
}

func isPart(found goredis.XStream) bool {
	return slices.ContainsFunc(found.Messages, func(m goredis.XMessage) bool { return m.Values[fieldPart] != nil })
}

func (f *follower) index(key string) int {
	return slices.IndexFunc(f.streams, func(s *stream) bool { return s.key == key })
}

// read reads what the streams have after these positions.
func (f *follower) read(after []scaleout.Position, wait bool) ([]goredis.XStream, error) {
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
	for _, position := range after {
		args = append(args, formatPosition(position))
	}
	return call(f.node.ctx, f.node, f.node.block+grace, func(ctx context.Context) ([]goredis.XStream, error) {
		cmd := read{goredis.NewXStreamSliceCmd(ctx, args...)}
		cmd.SetFirstKeyPos(int8(firstKey))
		err := f.node.bus.reads.Process(ctx, cmd)
		if errors.Is(err, goredis.Nil) {
			return nil, nil
		}
		return cmd.Val(), err
	})
}

// succeeded notes that a read has succeeded, which another answer of Redis does not
// show: reads alone may be refused, or their replies be too long.
func (f *follower) succeeded() {
	if f.failures > 0 {
		f.failures, f.overdue, f.unread = 0, 0, 0
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

package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// log is what Redis says of a stream.
type log struct {
	exists bool
	last   scaleout.Position // the newest id that there ever was
	first  scaleout.Position // of the oldest entry
	added  uint64            // how many entries there ever were; 0 before Redis 7
	length uint64
}

// trimmed is how many entries are not there any more.
func (l log) trimmed() uint64 { return l.added - min(l.added, l.length) }

// follows reports whether a log certainly is the one that a stream was read from so
// far. Without the counts of Redis 7, nothing is certain.
func (l log) follows(s *stream) bool {
	return l.exists && s.counted && l.added >= s.passed && l.last.Compare(s.position) >= 0 && !l.anew(s)
}

// anew reports whether a log has begun anew since a stream was last read: nothing of what
// was read is there, and it was not trimmed, as the log has lost no entries yet or has not
// had as many as were read. One that has lost its end alone, as after a failover, has not.
func (l log) anew(s *stream) bool {
	if !l.exists {
		return s.position != scaleout.Position{}
	}
	return s.counted && s.passed > 0 && l.added > 0 && s.position.Compare(l.first) < 0 &&
		(l.trimmed() == 0 || l.added < s.passed)
}

// survey is what a follower asks about its streams.
type survey struct {
	epoch string
	logs  []log
}

// survey asks. If there is no epoch, it sets one.
func (f *follower) survey() (survey, error) {
	return call(f.node.ctx, f.node, askTimeout, func(ctx context.Context) (survey, error) {
		pipe := f.node.bus.client.Pipeline()
		pipe.SetNX(ctx, f.epochKey, rand.Text(), keyExpiry)
		epoch := pipe.GetEx(ctx, f.epochKey, keyExpiry)
		infos := make([]*goredis.XInfoStreamCmd, len(f.streams))
		for i, s := range f.streams {
			infos[i] = pipe.XInfoStream(ctx, s.key)
		}
		_, err := pipe.Exec(ctx)
		if epoch.Val() == "" { // also if there was no connection, which the commands are not told
			return survey{}, cmp.Or(epoch.Err(), err)
		}
		s := survey{epoch: epoch.Val(), logs: make([]log, len(infos))}
		for i, info := range infos {
			if s.logs[i], err = parseLog(info.Result()); err != nil {
				return survey{}, err
			}
		}
		return s, nil
	})
}

func parseLog(info *goredis.XInfoStream, err error) (log, error) {
	var refused goredis.Error
	if errors.As(err, &refused) && strings.HasPrefix(refused.Error(), "ERR no such key") {
		return log{}, nil
	}
	if err != nil {
		return log{}, err
	}
	l := log{exists: true, added: uint64(info.EntriesAdded), length: uint64(info.Length)}
	if l.last, err = parsePosition(info.LastGeneratedID); err != nil {
		return log{}, err
	}
	if info.Length > 0 {
		l.first, err = parsePosition(info.FirstEntry.ID)
	}
	return l, err
}

// start places the follower at the end of its streams. It makes those that do not
// exist, so that the place is a position that was given out.
func (f *follower) start() error {
	s, err := f.survey()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(s.logs, func(l log) bool { return !l.exists }) {
		if err = f.mark(s.logs); err == nil {
			s, err = f.survey()
		}
		if err != nil {
			return err
		}
	}
	f.epoch.Store(&s.epoch)
	for i, l := range s.logs {
		f.streams[i].place(l, f.node.bus.options.log)
	}
	return nil
}

// mark makes the streams that do not exist.
func (f *follower) mark(logs []log) error {
	_, err := call(f.node.ctx, f.node, askTimeout, func(ctx context.Context) (any, error) {
		pipe := f.node.bus.client.Pipeline()
		for i, s := range f.streams {
			if !logs[i].exists {
				pipe.XAdd(ctx, &goredis.XAddArgs{Stream: s.key, Values: []any{fieldMark, ""}})
				pipe.Expire(ctx, s.key, keyExpiry)
			}
		}
		_, err := pipe.Exec(ctx)
		return nil, err
	})
	return err
}

// check looks, before reading goes on, whether the streams still are what was
// read so far: the same data, reaching back to where the follower is.
func (f *follower) check() error {
	found, err := f.survey()
	if err != nil {
		return err
	}
	f.checked = time.Now()
	replaced := found.epoch != *f.epoch.Load()
	if replaced {
		f.epoch.Store(&found.epoch)
		replaced = !f.followed(found.logs)
		if !replaced {
			f.node.log().Warn("redis: a key was lost and the streams were not: Redis must not evict keys (maxmemory-policy noeviction)",
				"key", f.epochKey)
		}
	}
	if replaced {
		f.node.bus.stats.epochs.Add(1)
		for _, s := range f.streams {
			s.broken() // before the receiver is notified, which may call Last or Read
		}
		f.lost(f.streams[0], scaleout.Loss{Reason: "epoch"})
	}
	for i, s := range f.streams {
		l := found.logs[i]
		if s.index < 0 && !l.exists {
			if err := f.node.createStream(); err != nil {
				return err
			}
		}
		f.reconcile(s, l, replaced)
	}
	return nil
}

// followed reports whether all logs certainly are those that were read so far.
func (f *follower) followed(logs []log) bool {
	for i, s := range f.streams {
		if !logs[i].follows(s) {
			return false
		}
	}
	return true
}

// reconcile compares a stream with its log.
func (f *follower) reconcile(s *stream, l log, replaced bool) {
	if !replaced && l.anew(s) {
		// Redis has removed it, and what was not read of it.
		f.node.bus.stats.gaps.Add(1)
		s.broken()
		f.lost(s, scaleout.Loss{Reason: "gap", Own: s.index < 0})
		replaced = true
	}
	switch {
	case !l.exists || replaced && l.last.Compare(s.position) < 0:
		// All that will be there is new.
		s.position, s.passed, s.counted = scaleout.Position{}, 0, true
	case l.last.Compare(s.position) < 0:
		// The log has lost its end, as after a failover. Nothing of that is
		// lost here; who has not read it will see it by the numbers.
		s.position, s.passed, s.counted = l.last, l.added, l.added > 0
	case replaced:
		// The ids go on, as Redis makes them of the time.
		s.passed, s.counted = l.trimmed(), l.added > 0 && s.position.Compare(l.first) < 0
	case l.last == s.position:
		s.passed, s.counted = l.added, l.added > 0
	case s.counted && l.trimmed() > s.passed:
		// How much that was is known when its publishers are heard again.
		s.passed = l.trimmed()
		s.broken()
		f.node.bus.stats.gaps.Add(1)
		f.lost(s, scaleout.Loss{Reason: "gap", Own: s.index < 0})
	}
	s.lag.Store(l.added - min(l.added, s.passed))
}

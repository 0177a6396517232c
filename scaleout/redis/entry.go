package redis

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-signalr/signalr/scaleout"
)

// entry is an envelope on its way into a stream. It belongs to its lane, but for
// what is atomic and done, and for what expire uses.
type entry struct {
	envelope *scaleout.Envelope // the caller's, which is not written to
	key      string
	stream   *stream // the shared stream; nil for a node's own
	size     int
	ctx      context.Context // of who waits

	sequence uint64 // its number; 0: none yet
	gap      uint64 // how many numbers before its own were given up
	order    uint64 // its place among all that its lane has appended

	appended atomic.Bool
	outcome  atomic.Int32
	done     chan error // gets one value

	deadline time.Time
	late     bool // the deadline has passed once
}

// Outcomes of an entry.
const (
	awaited int32 = iota
	succeeded
	failed
)

// settle ends the wait for the entry. It reports false if it has ended before.
func (e *entry) settle(err error) bool {
	outcome := succeeded
	if err != nil {
		outcome = failed
	}
	if !e.outcome.CompareAndSwap(awaited, outcome) {
		return false
	}
	e.done <- err
	return true
}

// settled says that nobody waits for the entry any more.
func (e *entry) settled() bool { return e.outcome.Load() != awaited }

// expire ends the wait if its context has ended, or it has been too long. What Redis
// has confirmed by then is waited for as long again: this node will read it soon, and
// an error would make the caller publish it again. The lane is the entry's.
func (e *entry) expire(now time.Time, timeout time.Duration, l *lane) {
	err := e.ctx.Err()
	switch {
	case err != nil:
		e.settle(err)
	case now.Before(e.deadline):
	case e.appended.Load() && !e.late:
		e.late = true
		e.deadline = now.Add(timeout)
	case !e.settled():
		e.settle(l.gaveUp())
	}
}

// awaiting are the entries of this node in one shared stream that its own
// follower has not come across yet, in the order of their numbers.
type awaiting struct {
	mu      sync.Mutex
	entries []*entry
}

func (a *awaiting) add(e *entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = append(a.entries, e)
}

// takeBack removes the entry added last, unless it was let go of.
func (a *awaiting) takeBack(e *entry) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last := len(a.entries) - 1; last >= 0 && a.entries[last] == e {
		a.entries[last] = nil
		a.entries = a.entries[:last]
	}
}

// each calls do for every entry, and lets go of those that nobody waits for any more:
// while Redis is silent, none is delivered that would take them along.
func (a *awaiting) each(do func(e *entry)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range a.entries {
		do(e)
	}
	a.entries = slices.DeleteFunc(a.entries, (*entry).settled)
}

// delivered settles the entries with these numbers, which rise, and those before the
// last of them that are not among them: they have not come and, as they are in order,
// will not.
func (a *awaiting) delivered(sequences []uint64) {
	if len(sequences) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	last := sequences[len(sequences)-1]
	i := 0
	for ; i < len(a.entries) && a.entries[i].sequence <= last; i++ {
		e := a.entries[i]
		a.entries[i] = nil
		for sequences[0] < e.sequence {
			sequences = sequences[1:]
		}
		if e.sequence == sequences[0] {
			e.settle(nil)
		} else {
			e.settle(errLost)
		}
	}
	if a.entries = a.entries[i:]; len(a.entries) == 0 {
		a.entries = nil
	}
}

// numbering is what a lane knows of a stream that it appends to. It is kept as
// long as the node lives, so that no number is used twice.
type numbering struct {
	last uint64 // the last number given
	gap  uint64 // how many numbers were given up after the last that was used

	batch []*entry // those that are being appended at once

	newest    scaleout.Position // the last that Redis has told
	full      time.Time         // since when Redis has no memory for more; zero: it has
	untrimmed int               // envelopes since the stream was trimmed
	bytes     int64             // of these
	trimmed   time.Time
	density   density
}

// isTrimmable reports whether it is time to trim the stream.
func (n *numbering) isTrimmable(maxBytes int64) bool {
	return n.untrimmed >= trimEvery || n.bytes >= maxBytes/8 || time.Since(n.trimmed) >= time.Second
}

// density is how many envelopes the entries of a stream have, of late.
type density struct{ entries, envelopes int64 }

func (d *density) add(entries, envelopes int) {
	d.entries += int64(entries)
	d.envelopes += int64(envelopes)
	const window = 1024
	if d.entries > window {
		d.entries /= 2
		d.envelopes /= 2
	}
}

// mean returns how many an entry has.
func (d *density) mean() int64 { return d.envelopes / max(d.entries, 1) }

// entriesOf returns how many entries have about a number of envelopes.
func (d *density) entriesOf(envelopes int64) int64 {
	return max(envelopes*max(d.entries, 1)/max(d.envelopes, 1), 1)
}

package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

var (
	// errLost is the failure of a Publish whose envelope Redis had confirmed
	// and has lost before this node could read it.
	errLost = fmt.Errorf("redis: the envelope was lost after it was confirmed: %w", scaleout.ErrDown)
	// errNoStream is the failure of a Send to a stream that is not there.
	errNoStream = errors.New("redis: the node has no stream")
)

// lane appends entries in the order in which they were added. There is one for
// all streams, or in a Cluster, where they are in different places, one for each.
//
// It appends as many as have come at once, as one entry of each stream, and takes
// the next when this has succeeded, so that a repeated attempt cannot mix with later
// ones: either all of a batch is in its stream or nothing. As an answer can get lost,
// a batch may be there twice; then the followers know by the numbers. Its goroutine
// runs while there is something to append.
type lane struct {
	node    *node
	key     string                // a stream that it appends to
	numbers map[string]*numbering // by key; used by run alone
	order   uint64                // of the entry numbered last; likewise
	judging sync.Mutex            // held to change trouble and the health that follows from it
	trouble atomic.Pointer[trouble]
	probing atomic.Bool

	mu      sync.Mutex
	queue   []*entry
	current []*entry // what was taken last of the queue; not written to
	running bool
}

func newLane(n *node, key string) *lane {
	return &lane{node: n, key: key, numbers: make(map[string]*numbering)}
}

// trouble is why nothing can be appended, since when, and how many bytes could not be
// appended last.
type trouble struct {
	since time.Time
	cause error
	size  int
}

// failed notes that an attempt to append so many bytes has failed. That is bad health
// when it has been so for as long as who publishes waits.
func (l *lane) failed(err error, size int) {
	l.judging.Lock()
	defer l.judging.Unlock()
	now := time.Now()
	t := trouble{now, err, size}
	if was := l.trouble.Load(); was != nil {
		t.since = was.since
	}
	l.trouble.Store(&t)
	if now.Sub(t.since) >= l.node.bus.options.publishTimeout {
		l.node.health.set(l, scaleout.Down, err)
	}
}

// gaveUp notes that who publishes has waited in vain, which is bad health if nothing can
// be appended. It returns the error for them.
func (l *lane) gaveUp() error {
	l.judging.Lock()
	defer l.judging.Unlock()
	t := l.trouble.Load()
	if t == nil {
		return scaleout.ErrDown
	}
	l.node.health.set(l, scaleout.Down, t.cause)
	return unreachable(t.cause)
}

// succeeded notes that something could be appended.
func (l *lane) succeeded() { l.recovered(l.trouble.Load()) }

// recovered notes that a trouble is over, if it is still that one.
func (l *lane) recovered(from *trouble) {
	if from == nil {
		return
	}
	l.judging.Lock()
	defer l.judging.Unlock()
	if l.trouble.CompareAndSwap(from, nil) {
		l.node.health.set(l, scaleout.Connected, nil)
	}
}

// probe finds out, without waiting, whether a lane that was in trouble can append again,
// as there may be nothing to append for a long time. If there is, that tells.
func (l *lane) probe() {
	t := l.trouble.Load()
	if t == nil || l.isRunning() || l.probing.Swap(true) {
		return
	}
	l.node.spawn(func() {
		defer l.probing.Store(false)
		l.appendMark(t)
	})
}

// appendMark appends an entry without envelopes, but of the size that could not be
// appended: a Redis without memory for that has some for a small one now and then. A
// stream that is not there is no trouble.
func (l *lane) appendMark(t *trouble) {
	padding := strings.Repeat("-", min(t.size, markBytes))
	_, err := call(l.node.ctx, l.node, askTimeout, func(ctx context.Context) (string, error) {
		mark := once{goredis.NewStringCmd(ctx, "xadd", l.key, "nomkstream", "*", fieldMark, padding)}
		_ = l.node.bus.client.Process(ctx, mark)
		return mark.Result()
	})
	if err == nil || errors.Is(err, goredis.Nil) {
		l.recovered(t)
	} else {
		l.failed(err, t.size)
	}
}

// isRunning says whether there is something to append.
func (l *lane) isRunning() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running
}

// add adds an entry, unless too much waits already.
func (l *lane) add(e *entry) error {
	if l.node.waiting.Add(int64(e.size)) > l.node.bus.options.publishBuffer {
		l.node.waiting.Add(-int64(e.size))
		return scaleout.ErrFull
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.node.isClosing() { // expire will not come by again
		l.release(e)
		return scaleout.ErrClosed
	}
	l.queue = append(l.queue, e)
	if !l.running {
		l.running = l.node.spawn(l.run)
	}
	return nil
}

// each calls do for every entry that is not appended yet, and some others.
func (l *lane) each(do func(e *entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.current {
		do(e)
	}
	for _, e := range l.queue {
		do(e)
	}
}

func (l *lane) run() {
	for batch := l.take(); batch != nil; batch = l.take() {
		l.append(batch)
	}
}

// take returns the next batch, nil if there is nothing to do any more.
func (l *lane) take() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropSettled()
	n, bytes := 0, 0
	for n < len(l.queue) && n < batchEntries && (n == 0 || bytes+l.queue[n].size <= batchBytes) {
		bytes += l.queue[n].size
		n++
	}
	l.current = slices.Clone(l.queue[:n])
	if n == 0 {
		l.queue, l.running = nil, false
		return nil
	}
	clear(l.queue[:n])
	l.queue = l.queue[n:]
	return l.current
}

// dropSettled removes the entries that nobody waits for any more from the queue,
// so that they take up no room.
func (l *lane) dropSettled() {
	if !slices.ContainsFunc(l.queue, (*entry).settled) {
		return
	}
	l.queue = slices.DeleteFunc(l.queue, func(e *entry) bool {
		if e.settled() {
			l.release(e)
			return true
		}
		return false
	})
}

func (l *lane) release(e *entry) { l.node.waiting.Add(-int64(e.size)) }

// append appends a batch. It tries until it succeeds, or nobody waits any more.
func (l *lane) append(batch []*entry) {
	var pause backoff
	limit := appendTimeout
	failures := 0
	numbered := false // by an attempt that may have been carried out
	for {
		batch = l.withoutSettled(batch)
		if len(batch) == 0 {
			return
		}
		if !numbered {
			l.number(batch)
		}
		left, inDoubt, err := l.attempt(batch, limit)
		if len(left) == 0 {
			l.succeeded()
			return
		}
		size := 0
		for _, e := range left {
			size += e.size
		}
		l.failed(err, size)
		if errors.Is(err, errOverdue) {
			limit *= 2
		}
		if !numbered && len(left) == len(batch) && !inDoubt {
			l.takeBackNumbers(batch)
		} else {
			numbered = true
		}
		batch = left
		failures++
		l.node.logFailure(failures, "redis: appending to the streams failed, will be tried again", err)
		if !pause.wait(l.node.ctx) {
			for _, e := range batch {
				e.settle(scaleout.ErrClosed)
			}
		}
		l.mu.Lock()
		l.dropSettled()
		l.mu.Unlock()
	}
}

// withoutSettled drops the entries that nobody waits for any more. If they have
// numbers and failed, the next entry tells that these were given up. One that has
// been delivered, although the answer to its append was lost, is not given up: if
// Redis loses it after that, it is missing.
func (l *lane) withoutSettled(batch []*entry) []*entry {
	if !slices.ContainsFunc(batch, (*entry).settled) {
		return batch
	}
	gaps := make(map[string]uint64)
	var kept []*entry
	for _, e := range batch {
		switch {
		case !e.settled():
			e.gap += gaps[e.key]
			delete(gaps, e.key)
			kept = append(kept, e)
		case e.sequence != 0 && e.outcome.Load() == failed:
			gaps[e.key] += e.gap + 1
			fallthrough
		default:
			l.release(e)
		}
	}
	for key, gap := range gaps {
		l.numbers[key].gap += gap
	}
	return kept
}

// number gives the entries their numbers.
func (l *lane) number(batch []*entry) {
	for _, e := range batch {
		of := l.numbers[e.key]
		if of == nil {
			of = &numbering{}
			l.numbers[e.key] = of
		}
		if e.stream != nil {
			of.last = max(of.last, e.stream.forged.Load())
			e.stream.given.Store(max(e.stream.given.Load(), of.last+1))
		}
		of.last++
		l.order++
		e.sequence, e.order = of.last, l.order
		e.gap, of.gap = of.gap, 0
		if e.stream != nil {
			e.stream.awaiting.add(e)
		}
	}
}

// takeBackNumbers undoes number.
func (l *lane) takeBackNumbers(batch []*entry) {
	for _, e := range slices.Backward(batch) {
		of := l.numbers[e.key]
		of.last--
		of.gap, e.gap = of.gap+e.gap, 0
		if e.stream != nil {
			e.stream.awaiting.takeBack(e)
		}
		e.sequence = 0
	}
}

// attempt tries to append a batch once. It returns what is still to be done,
// whether some of that may have been done nevertheless, and an error of it.
func (l *lane) attempt(batch []*entry, limit time.Duration) (left []*entry, inDoubt bool, err error) {
	keys := l.divide(batch)
	commands, failure := call(l.node.ctx, l.node, limit, l.exchange(keys))
	for i, key := range keys {
		of := l.numbers[key]
		var id string
		partly := failure
		if commands != nil {
			id, partly = commands[i].Result()
		}
		switch {
		case partly == nil && id != "":
			l.appended(of, id)
		case errors.Is(partly, goredis.Nil):
			l.refused(of)
		default:
			left, err = append(left, of.batch...), cmp.Or(partly, failure)
			inDoubt = inDoubt || !notCarriedOut(err)
			if of.full.IsZero() && goredis.IsOOMError(partly) {
				of.full = time.Now()
			}
		}
		clear(of.batch)
		of.batch = of.batch[:0]
	}
	return left, inDoubt, err
}

// divide sorts a batch by stream. It returns the keys.
func (l *lane) divide(batch []*entry) (keys []string) {
	for _, e := range batch {
		of := l.numbers[e.key]
		if len(of.batch) == 0 {
			keys = append(keys, e.key)
		}
		of.batch = append(of.batch, e)
	}
	return keys
}

// appended notes that Redis has confirmed a batch, which is one entry of the stream.
func (l *lane) appended(of *numbering, id string) {
	of.full = time.Time{}
	of.untrimmed += len(of.batch)
	for _, e := range of.batch {
		of.bytes += int64(e.size)
	}
	of.density.add(1, len(of.batch))
	if at, err := parsePosition(id); err == nil {
		of.newest = at
	}
	l.node.bus.stats.published.Add(uint64(len(of.batch)))
	for _, e := range of.batch {
		l.release(e)
		e.appended.Store(true)
		if e.stream == nil {
			e.settle(nil)
		} else {
			e.stream.confirmed.Store(e.sequence)
		}
	}
}

// refused notes that there is no stream for a batch.
func (l *lane) refused(of *numbering) {
	for _, e := range of.batch {
		of.gap += e.gap + 1
		l.release(e)
		e.settle(errNoStream)
	}
}

// exchange returns the exchange that appends what was divided, and trims.
func (l *lane) exchange(keys []string) func(context.Context) ([]once, error) {
	type trimming struct {
		key, oldest string
		most        int64
	}
	var trims []trimming
	options := &l.node.bus.options
	args := make([][]any, 0, len(keys))
	for _, key := range keys {
		of := l.numbers[key]
		stream := of.batch[0].stream
		a := make([]any, 0, 6)
		a = append(a, "xadd", key)
		if stream == nil {
			a = append(a, "nomkstream") // that of a node that has left must not come back
		}
		field := fieldEnvelopes
		if len(keys) > 1 {
			field = fieldPart
		}
		args = append(args, append(a, "*", field, pack(of.batch, l.node.id)))
		if of.newest.Major > 0 && of.isTrimmable(options.maxBytes) {
			of.untrimmed, of.bytes, of.trimmed = 0, 0, time.Now()
			most := of.density.entriesOf(options.maxLength)
			if stream != nil {
				most = cmp.Or(stream.longest.Load(), most)
			}
			age := options.retention
			if !of.full.IsZero() { // no new entry tells how old the others have become
				age -= time.Since(of.full)
			}
			trims = append(trims, trimming{key, before(of.newest, age), most})
		}
	}
	return func(ctx context.Context) ([]once, error) {
		commands := make([]once, len(args))
		pipelined := l.node.bus.client.Pipelined
		if len(args) > 1 {
			// As a transaction, so that who waits for what comes gets it all at once.
			pipelined = l.node.bus.client.TxPipelined
		}
		_, err := pipelined(ctx, func(p goredis.Pipeliner) error {
			for i, a := range args {
				commands[i] = once{goredis.NewStringCmd(ctx, a...)}
				if err := p.Process(ctx, commands[i]); err != nil {
					return err
				}
			}
			for _, trim := range trims {
				p.XTrimMinIDApprox(ctx, trim.key, trim.oldest, 0)
				p.XTrimMaxLenApprox(ctx, trim.key, trim.most, 0)
				p.Expire(ctx, trim.key, keyExpiry)
			}
			return nil
		})
		return commands, err
	}
}

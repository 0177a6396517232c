package redis

import (
	"context"
	"fmt"
	"slices"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

func (n *node) Streams() int { return n.bus.options.streams }

func (n *node) Keep() {
	for _, s := range n.streams[:n.Streams()] {
		s.log.Keep()
	}
}

func (n *node) Last(stream int) scaleout.Position { return n.streams[stream].log.Last() }

func (n *node) Reader(stream int, after scaleout.Position) scaleout.Reader {
	return &reader{node: n, stream: n.streams[stream], after: after}
}

// reader reads the log of a stream: from memory, and what is not there from Redis.
type reader struct {
	node   *node
	stream *stream
	after  scaleout.Position // how far the log was read

	// Of Redis, from there on.
	placed  bool                       // what is before after was looked at
	seen    map[scaleout.NodeID]uint64 // the publishers' last numbers
	density density
	rest    []*scaleout.Envelope // was read, but not yet returned

	end scaleout.Position // how far the node is, for one call of Next
	gap bool              // likewise
}

// Next tries again while Redis is away, for as long as a Publish would.
func (r *reader) Next(ctx context.Context, most int) ([]*scaleout.Envelope, bool, error) {
	n := r.node
	if err := n.usable(ctx); err != nil || most <= 0 {
		return nil, false, err
	}
	if len(r.rest) > 0 {
		return r.next(most), false, nil
	}
	if envelopes, ok := r.stream.log.Read(r.after, most); ok {
		if len(envelopes) > 0 {
			r.after = envelopes[len(envelopes)-1].Position
			r.placed, r.seen = false, nil
		}
		return envelopes, false, nil
	}
	limited, cancel := context.WithTimeout(ctx, n.bus.options.publishTimeout)
	defer cancel()
	select {
	case n.readers <- struct{}{}:
		defer func() { <-n.readers }()
	case <-limited.Done():
		return nil, false, n.readFailure(ctx, errOverdue)
	case <-n.closing:
		return nil, false, scaleout.ErrClosed
	}
	r.end, r.gap = r.stream.log.Last(), false
	var pause backoff
	for {
		err := r.fill(limited, most)
		if err == nil {
			return r.next(most), r.gap, nil
		}
		if !pause.wait(limited) || n.usable(limited) != nil {
			return nil, false, n.readFailure(ctx, err)
		}
	}
}

// next takes from what was read.
func (r *reader) next(most int) []*scaleout.Envelope {
	n := min(most, len(r.rest))
	envelopes := r.rest[:n:n]
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		r.rest = nil
	}
	return envelopes
}

// readFailure is the error of a reader.
func (n *node) readFailure(ctx context.Context, err error) error {
	if usable := n.usable(ctx); usable != nil {
		return usable
	}
	return fmt.Errorf("%w: %w", scaleout.ErrDown, err)
}

// fill reads until it has something, or there is nothing. It asks for about as much
// as is wanted: what is more, the reader has to keep.
func (r *reader) fill(ctx context.Context, most int) error {
	for {
		count, isFirst := max(r.density.entriesOf(int64(most)), fewestEntries), !r.placed
		count = min(count, r.entriesOf(readBytes, readEntries))
		if isFirst { // nothing is known of how much is in an entry
			count = min(count, r.entriesOf(firstBytes, readEntries))
		}
		count++ // the entry that the reader is in may be the first
		p, err := r.fetch(ctx, count)
		if err != nil {
			return err
		}
		if isFirst {
			r.placed, r.seen = true, make(map[scaleout.NodeID]uint64)
		}
		if (isFirst || r.after != oldest) && p.gap(r.after) {
			r.gap, r.after = true, oldest
			continue
		}
		r.look(p.before)
		r.take(p.entries)
		if len(r.rest) > 0 || int64(len(p.entries)) < count {
			return nil
		}
	}
}

// oldest is the position before everything.
var oldest scaleout.Position

// page is what one call gets.
type page struct {
	before  []goredis.XMessage // up to after, newest first; only of the first page
	log     log                // likewise
	placed  bool               // it is not the first page
	entries []goredis.XMessage // from the one on that after is in
}

// gap reports whether the log does not reach back to a position or has not come to
// it. It may be that of an entry that is gone while others before it are not, if
// Redis has lost its end.
func (p *page) gap(after scaleout.Position) bool {
	after = endOfEntry(after)
	if p.placed {
		if len(p.entries) == 0 {
			return true
		}
		first, err := parsePosition(p.entries[0].ID)
		return err != nil || first != after
	}
	if !p.log.exists || after.Compare(p.log.last) > 0 {
		return true
	}
	return len(p.before) == 0 && after != p.log.last
}

// fetch asks Redis, in one transaction, as what is there may be trimmed at any time.
func (r *reader) fetch(ctx context.Context, count int64) (page, error) {
	limit := min(askTimeout, r.node.bus.options.publishTimeout)
	key, placed, after, end := r.stream.key, r.placed, r.after, r.end
	back := r.entriesOf(lookBackBytes, lookBack)
	return call(ctx, r.node, limit, func(ctx context.Context) (page, error) {
		p := page{placed: placed}
		var before, entries *goredis.XMessageSliceCmd
		var info *goredis.XInfoStreamCmd
		pipe := r.node.bus.client.TxPipeline()
		if !placed {
			before = pipe.XRevRangeN(ctx, key, formatPosition(after), "-", back)
			info = pipe.XInfoStream(ctx, key)
		}
		if placed || after.Compare(end) < 0 {
			entries = pipe.XRangeN(ctx, key, formatPosition(after), formatPosition(end), count)
		}
		_, err := pipe.Exec(ctx)
		if !placed {
			var refused error
			p.before = before.Val()
			if p.log, refused = parseLog(info.Result()); refused == nil && !p.log.exists {
				return p, nil // which is what the transaction's error says
			}
		}
		if entries != nil {
			p.entries = entries.Val()
		}
		return p, err
	})
}

// entriesOf returns how many entries have about a number of bytes, most at the most.
func (r *reader) entriesOf(bytes, most int64) int64 {
	const unknown = 4096
	average := r.stream.average.Load()
	if average == 0 {
		average = unknown
	}
	return max(min(bytes/average, most), 1)
}

// look notes the numbers of the publishers.
func (r *reader) look(before []goredis.XMessage) {
	for _, m := range slices.Backward(before) { // the newest comes first
		end, err := parsePosition(m.ID)
		if err != nil {
			continue
		}
		envelopes := 0
		_, _ = r.stream.open(m, end, nil, func(e unpacked) {
			envelopes++
			if e.Position.Compare(r.after) <= 0 && plausible(r.seen[e.Publisher], e.Sequence) {
				r.seen[e.Publisher] = max(r.seen[e.Publisher], e.Sequence)
			}
		})
		r.density.add(1, envelopes)
	}
}

// take takes the envelopes of entries, without those that were there before. What is
// malformed, the follower has told.
func (r *reader) take(entries []goredis.XMessage) {
	bytes, envelopes := 0, 0
	for _, m := range entries {
		end, err := parsePosition(m.ID)
		if err != nil {
			continue
		}
		size, _ := r.stream.open(m, end, nil, func(e unpacked) {
			envelopes++
			if e.Position.Compare(r.after) <= 0 || e.Position.Compare(r.end) > 0 || e.Sequence <= r.seen[e.Publisher] ||
				!plausible(r.seen[e.Publisher], e.Sequence) {
				return
			}
			r.seen[e.Publisher] = e.Sequence
			r.rest = append(r.rest, e.Envelope)
		})
		if r.after = end; r.end.Compare(end) < 0 {
			r.after = r.end // the node has yet to deliver the rest
		}
		bytes += size
	}
	if len(entries) > 0 {
		r.stream.average.Store(int64(max(bytes/len(entries), 1)))
		r.density.add(len(entries), envelopes)
	}
}

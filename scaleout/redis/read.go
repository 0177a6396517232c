package redis

import (
	"context"
	"fmt"

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

// Read reads from memory, and what is not there from Redis. While Redis is away, it
// tries again for as long as a Publish would.
func (n *node) Read(ctx context.Context, stream int, after scaleout.Position, most int) ([]*scaleout.Envelope, bool, error) {
	if err := n.usable(ctx); err != nil {
		return nil, false, err
	}
	s := n.streams[stream]
	if envelopes, ok := s.log.Read(after, most); ok || most <= 0 {
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
	r := &reading{node: n, stream: s, after: after, end: s.log.Last(), most: most, seen: make(map[scaleout.NodeID]uint64)}
	var pause backoff
	for {
		err := r.run(limited)
		if err == nil {
			return r.envelopes, r.gap, nil
		}
		if !pause.wait(limited) || n.usable(limited) != nil {
			return nil, false, n.readFailure(ctx, err)
		}
	}
}

// readFailure is the error of a Read.
func (n *node) readFailure(ctx context.Context, err error) error {
	if usable := n.usable(ctx); usable != nil {
		return usable
	}
	return fmt.Errorf("%w: %w", scaleout.ErrDown, err)
}

// reading reads from the log of a stream in Redis, up to where the node is.
type reading struct {
	node   *node
	stream *stream
	after  scaleout.Position
	end    scaleout.Position
	most   int

	placed    bool // what is before after was looked at
	seen      map[scaleout.NodeID]uint64
	envelopes []*scaleout.Envelope
	gap       bool
}

// run reads until it has something, or there is nothing.
func (r *reading) run(ctx context.Context) error {
	for {
		count := int(min(int64(r.most), r.entriesOf(readBytes, readEntries)))
		p, err := r.fetch(ctx, count)
		if err != nil {
			return err
		}
		if !r.placed {
			r.placed = true
			if r.gap = p.gap(r.after); r.gap {
				r.after = scaleout.Position{}
				continue
			}
			r.look(p.before)
		}
		r.take(p.entries)
		if len(r.envelopes) > 0 || len(p.entries) < count {
			return nil
		}
	}
}

// page is what one call gets.
type page struct {
	before  []goredis.XMessage // up to after, newest first; only of the first page
	log     log                // likewise
	entries []goredis.XMessage // following after
}

// gap reports whether the log does not reach back to a position or has not come to
// it. It may be that of an entry that is gone while others before it are not, if
// Redis has lost its end.
func (p *page) gap(after scaleout.Position) bool {
	after = endOfEntry(after)
	if !p.log.exists || after.Compare(p.log.last) > 0 {
		return true
	}
	return len(p.before) == 0 && after != p.log.last
}

// fetch asks Redis, in one transaction, as what is there may be trimmed at any time.
func (r *reading) fetch(ctx context.Context, count int) (page, error) {
	limit := min(askTimeout, r.node.bus.options.publishTimeout)
	key, placed, after, end := r.stream.key, r.placed, r.after, r.end
	from, back := formatPosition(after), r.entriesOf(lookBackBytes, lookBack)
	if after == endOfEntry(after) {
		from = "(" + from
	}
	return call(ctx, r.node, limit, func(ctx context.Context) (p page, err error) {
		var before, entries *goredis.XMessageSliceCmd
		var info *goredis.XInfoStreamCmd
		pipe := r.node.bus.client.TxPipeline()
		if !placed {
			before = pipe.XRevRangeN(ctx, key, formatPosition(after), "-", back)
			info = pipe.XInfoStream(ctx, key)
		}
		if after.Compare(end) < 0 {
			entries = pipe.XRangeN(ctx, key, from, formatPosition(end), int64(count))
		}
		if pipe.Len() == 0 {
			return p, nil
		}
		_, err = pipe.Exec(ctx)
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
func (r *reading) entriesOf(bytes, most int64) int64 {
	const unknown = 4096
	average := r.stream.average.Load()
	if average == 0 {
		average = unknown
	}
	return max(min(bytes/average, most), 1)
}

// look notes the numbers of the publishers.
func (r *reading) look(before []goredis.XMessage) {
	for _, m := range before {
		end, err := parsePosition(m.ID)
		if err != nil {
			continue
		}
		_, _ = r.stream.open(m, end, func(e *scaleout.Envelope, _ uint64) {
			if e.Position.Compare(r.after) <= 0 {
				r.seen[e.Publisher] = max(r.seen[e.Publisher], e.Sequence)
			}
		})
	}
}

// take takes the envelopes of entries, without those that were there before. What is
// malformed, the follower has told.
func (r *reading) take(entries []goredis.XMessage) {
	bytes := 0
	for _, m := range entries {
		end, err := parsePosition(m.ID)
		if err != nil {
			continue
		}
		size, _ := r.stream.open(m, end, func(e *scaleout.Envelope, _ uint64) {
			if e.Position.Compare(r.after) <= 0 || e.Position.Compare(r.end) > 0 || e.Sequence <= r.seen[e.Publisher] {
				return
			}
			r.seen[e.Publisher] = e.Sequence
			if len(r.envelopes) < r.most {
				r.envelopes = append(r.envelopes, e)
			}
		})
		r.after = end
		bytes += size
	}
	if len(entries) > 0 {
		r.stream.average.Store(int64(max(bytes/len(entries), 1)))
	}
}

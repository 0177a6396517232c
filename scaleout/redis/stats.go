package redis

import "sync/atomic"

// Stats are counters of a bus since it was made, over all its nodes, for
// metrics.
type Stats struct {
	// Published are envelopes that Redis has confirmed.
	Published uint64
	// Delivered are envelopes given to receivers.
	Delivered uint64
	// Skipped are envelopes that concerned none of a receiver's connections
	// ([scaleout.Selective]).
	Skipped uint64
	// Duplicates are envelopes that were not delivered because they were
	// before, after an append had to be repeated.
	Duplicates uint64
	// Malformed are entries of the streams that are not envelopes.
	Malformed uint64
	// Lost are envelopes known to be missing.
	Lost uint64
	// Gaps, Epochs and Jumps are the occasions: the stream did not reach back
	// far enough; the data of Redis was replaced; numbers were missing.
	Gaps, Epochs, Jumps uint64
	// Interruptions are the times that reading went on after a failure.
	Interruptions uint64
	// Waiting is how many bytes wait to be appended now.
	Waiting int64
	// Lag has, for each stream, how many entries the node that is furthest
	// behind had before it when it looked last.
	Lag []uint64
}

// counters are what Stats is made of.
type counters struct {
	published, delivered, skipped, duplicates, malformed atomic.Uint64
	lost, gaps, epochs, jumps, interruptions             atomic.Uint64
}

// Stats returns the counters of this moment.
func (b *Bus) Stats() Stats {
	s := Stats{
		Published:     b.stats.published.Load(),
		Delivered:     b.stats.delivered.Load(),
		Skipped:       b.stats.skipped.Load(),
		Duplicates:    b.stats.duplicates.Load(),
		Malformed:     b.stats.malformed.Load(),
		Lost:          b.stats.lost.Load(),
		Gaps:          b.stats.gaps.Load(),
		Epochs:        b.stats.epochs.Load(),
		Jumps:         b.stats.jumps.Load(),
		Interruptions: b.stats.interruptions.Load(),
		Lag:           make([]uint64, b.options.streams),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range b.nodes {
		s.Waiting += n.waiting.Load()
		for i := range s.Lag {
			s.Lag[i] = max(s.Lag[i], n.streams[i].lag.Load())
		}
	}
	return s
}

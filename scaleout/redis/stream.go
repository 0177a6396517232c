package redis

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-signalr/signalr/scaleout"
)

// stream is a stream that a node follows. It belongs to its follower, but for
// what is atomic, lane, awaiting, and log.
type stream struct {
	key   string
	index int // -1: the node's own
	// position is of the last entry read.
	position scaleout.Position
	// passed is how many entries the stream ever had up to position, by the
	// count of Redis, if counted.
	passed     uint64
	counted    bool
	publishers map[scaleout.NodeID]*publisher
	lane       *lane // by which this node appends to a shared stream
	awaiting   awaiting
	log        *scaleout.Log // of a shared stream
	lag        atomic.Uint64
	average    atomic.Int64 // bytes of an entry, as far as was seen of late
	density    density
	sizes      density      // of bytes, instead of envelopes
	longest    atomic.Int64 // how many entries it may have; 0: none was seen yet
	read       atomic.Pointer[reading]
	trim       trimming
	forgotten  uint64 // when forget was last at work

	// Of the entry that is being delivered: the numbers of this node's envelopes in it,
	// and which other node has published it.
	own   []uint64
	heard scaleout.NodeID

	// Of this node as a publisher: the last number that its lane has given, and one
	// that it has not, but others take for its last.
	given, forged atomic.Uint64
	confirmed     atomic.Uint64 // the last number that Redis has confirmed
	// What would fill the log is logged now and then.
	malformed, missing rarely
}

// reading is when the newest entry was read, by the clock of Redis and by this one's.
type reading struct {
	ms uint64
	at time.Time
}

// place sets where the stream is followed from.
func (s *stream) place(l log, limits scaleout.LogLimits) {
	s.position = l.last
	s.passed, s.counted = l.added, l.added > 0 || !l.exists
	if s.index >= 0 {
		s.log = scaleout.NewLog(limits, l.last)
	}
}

// broken notes that what comes next does not follow on what was there before.
func (s *stream) broken() {
	if s.index >= 0 {
		s.log.Reset()
	}
}

// publisher is what a follower remembers of who publishes in a stream.
type publisher struct {
	last  uint64 // number
	heard uint64 // when, in milliseconds of Redis
}

// maxSequence and maxJump bound the numbers of envelopes, in all and from one to the
// next, far beyond those of any node. Greater ones would make all that a publisher
// sends from then on look like repetitions.
const (
	maxSequence = 1 << 48
	maxJump     = 1 << 32
)

var errImplausible = errors.New("redis: the number of an envelope cannot be its publisher's")

// plausible reports whether a number may follow on the last one, 0 if that is not known.
func plausible(last, sequence uint64) bool {
	return sequence <= maxSequence && (last == 0 || sequence <= last+maxJump)
}

// arrival judges an envelope by its number, which is plausible. gap is how many numbers before it
// were given up by the publisher. It reports false for one that was there
// before, and how many are missing before it.
func (s *stream) arrival(e *scaleout.Envelope, gap uint64) (missing uint64, isNew bool) {
	p := s.publishers[e.Publisher]
	if p == nil {
		// The node may have joined in the middle: nothing is known of before.
		s.publishers[e.Publisher] = &publisher{last: e.Sequence, heard: e.Position.Major}
		return 0, true
	}
	p.heard = e.Position.Major
	if e.Sequence <= p.last {
		return 0, false
	}
	missing = e.Sequence - p.last - 1
	missing -= min(missing, gap)
	p.last = e.Sequence
	return missing, true
}

// last returns the last number of a publisher; 0: it is not known.
func (s *stream) last(id scaleout.NodeID) uint64 {
	if p := s.publishers[id]; p != nil {
		return p.last
	}
	return 0
}

// forget forgets, now and then, publishers that were not heard for so long that
// no late copy of what they published can come any more.
func (s *stream) forget() {
	const long = uint64(60 * 60 * 1000) // milliseconds
	if s.position.Major < s.forgotten+long {
		return
	}
	s.forgotten = s.position.Major
	for id, p := range s.publishers {
		if p.heard+long < s.position.Major {
			delete(s.publishers, id)
		}
	}
}

package scaleout

import (
	"cmp"
	"fmt"
	"sort"
	"sync"
	"time"
)

// The defaults of [LogLimits].
const (
	DefaultLogEntries = 32_768
	DefaultLogBytes   = 8 << 20
	DefaultLogAge     = time.Minute
)

// logOverhead is about what an envelope takes beyond its encoding.
const logOverhead = 384

// LogLimits bound what a node keeps in memory of each shared stream after
// [Node.Keep]. What is 0 has its default.
type LogLimits struct {
	// Entries is how many envelopes are kept at most; [DefaultLogEntries].
	Entries int
	// Bytes is about how much memory they take at most; [DefaultLogBytes].
	Bytes int
	// Age is how old they get; [DefaultLogAge]. What is too old goes when the
	// log is next used, not by itself.
	Age time.Duration
}

// Validate reports limits that are negative.
func (l LogLimits) Validate() error {
	if l.Entries < 0 || l.Bytes < 0 || l.Age < 0 {
		return fmt.Errorf("scaleout: the limits of a log must not be negative: %d entries, %d bytes, %v", l.Entries, l.Bytes, l.Age)
	}
	return nil
}

// Log is the recent part of one stream, for those who write a bus: it does what
// [Node.Keep], [Node.Last] and [Node.Reader] promise of memory. It is safe for
// concurrent use.
type Log struct {
	limits LogLimits
	began  time.Time

	mu   sync.Mutex
	keep bool
	last Position
	// floor is where the log reaches back to: all that the stream has had after
	// it is in the ring.
	floor Position
	// Between holeStart and holeEnd there may be positions of other nodes that do
	// not lead to what this log has; see Reset. The hole is open until the next
	// Append.
	holeStart, holeEnd Position
	holeOpen           bool
	// ring has the entries first to first+count-1, numbered without end, at
	// their number modulo its length, a power of two.
	ring  []logEntry
	first uint64
	count int
	bytes int
}

type logEntry struct {
	envelope *Envelope
	size     int
	at       time.Duration // since the log began
}

// NewLog returns a log that keeps nothing yet, of a stream that is at start.
func NewLog(limits LogLimits, start Position) *Log {
	limits.Entries = cmp.Or(limits.Entries, DefaultLogEntries)
	limits.Bytes = cmp.Or(limits.Bytes, DefaultLogBytes)
	limits.Age = cmp.Or(limits.Age, DefaultLogAge)
	return &Log{limits: limits, began: time.Now(), last: start, floor: start}
}

// Keep makes the log keep what is appended from now on.
func (l *Log) Keep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keep = true
}

// Keeps reports whether the log keeps what is appended.
func (l *Log) Keeps() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keep
}

// Last returns the position of the newest envelope, or what the log was started
// with.
func (l *Log) Last() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Append adds the newest envelope of the stream, before it is delivered. What is
// local of it is not kept. If the stream has been there before,
// because its broker has lost its end, what was there is not part of it any more.
func (l *Log) Append(e *Envelope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = e.Position
	if l.holeOpen {
		l.holeEnd, l.holeOpen = e.Position, false
	}
	if !l.keep {
		l.floor = e.Position
		return
	}
	for l.count > 0 && l.entry(l.count-1).envelope.Position.Compare(e.Position) >= 0 {
		l.count--
		l.bytes -= l.entry(l.count).size
		*l.entry(l.count) = logEntry{}
	}
	if e.Position.Compare(l.floor) < 0 {
		l.floor = e.Position
	}
	if e.Local != nil {
		kept := *e
		kept.Local = nil
		e = &kept
	}
	if l.count == len(l.ring) {
		l.grow()
	}
	size := e.Size() + logOverhead
	*l.entry(l.count) = logEntry{envelope: e, size: size, at: time.Since(l.began)}
	l.count++
	l.bytes += size
	l.trim()
}

// Skip notes that the newest envelope of the stream is not to be kept, so that the log has
// nothing of before it.
func (l *Log) Skip(position Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.count > 0 {
		l.drop()
	}
	l.last, l.floor = position, position
	if l.holeOpen {
		l.holeEnd, l.holeOpen = position, false
	}
}

// Reset empties the log because the next envelope does not continue its contents.
// No position returned before is valid any more, the last one included. The same
// holds for positions that other nodes, which may have read further, returned up to
// the next envelope. Only what Last returns from now on leads to that.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.count > 0 {
		l.drop()
	}
	l.last.Minor++ // the number of nothing: a broker's are far from their limit
	l.floor = l.last
	l.holeStart, l.holeOpen = l.last, true
}

// Read returns up to most envelopes that follow a position, oldest first. It
// reports false if the log does not reach back to the position, or is not there
// yet.
func (l *Log) Read(after Position, most int) (envelopes []*Envelope, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim()
	inHole := after.Compare(l.holeStart) > 0 && after.Compare(l.holeEnd) < 0
	if inHole || after.Compare(l.floor) < 0 || after.Compare(l.last) > 0 {
		return nil, false
	}
	next := sort.Search(l.count, func(i int) bool { return l.entry(i).envelope.Position.Compare(after) > 0 })
	return l.copy(next, most), true
}

// Oldest returns up to most envelopes, beginning with the oldest that is kept.
func (l *Log) Oldest(most int) []*Envelope {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trim()
	return l.copy(0, most)
}

// The rest is called with the lock held.

// entry returns the place of the i-th entry that is kept.
func (l *Log) entry(i int) *logEntry {
	return &l.ring[(l.first+uint64(i))&uint64(len(l.ring)-1)]
}

func (l *Log) copy(from, most int) []*Envelope {
	n := max(min(most, l.count-from), 0)
	if n == 0 {
		return nil
	}
	envelopes := make([]*Envelope, n)
	for i := range envelopes {
		envelopes[i] = l.entry(from + i).envelope
	}
	return envelopes
}

// trim drops what exceeds the limits.
func (l *Log) trim() {
	oldest := time.Since(l.began) - l.limits.Age
	for l.count > 0 && (l.count > l.limits.Entries || l.bytes > l.limits.Bytes || l.entry(0).at < oldest) {
		l.drop()
	}
}

// drop drops the oldest.
func (l *Log) drop() {
	oldest := l.entry(0)
	l.floor = oldest.envelope.Position
	l.bytes -= oldest.size
	*oldest = logEntry{}
	l.first++
	l.count--
}

// grow makes the ring larger.
func (l *Log) grow() {
	const least = 64
	ring := make([]logEntry, max(2*len(l.ring), least))
	for i := range l.count {
		ring[(l.first+uint64(i))&uint64(len(ring)-1)] = *l.entry(i)
	}
	l.ring = ring
}

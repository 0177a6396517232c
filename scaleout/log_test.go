package scaleout_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/scaleout"
)

func at(n uint64) scaleout.Position { return scaleout.Position{Major: 7, Minor: n} }

func numbered(n uint64) *scaleout.Envelope { return &scaleout.Envelope{Position: at(n), Number: n} }

// newKeptLog returns a log that is kept, at 10.
func newKeptLog(limits scaleout.LogLimits) *scaleout.Log {
	log := scaleout.NewLog(limits, at(10))
	log.Keep()
	return log
}

// read returns the numbers that follow a position.
func read(log *scaleout.Log, after scaleout.Position) (numbers []uint64, ok bool) {
	envelopes, ok := log.Read(after, 1000)
	return numbersOf(envelopes), ok
}

func numbersOf(envelopes []*scaleout.Envelope) (numbers []uint64) {
	for _, e := range envelopes {
		numbers = append(numbers, e.Number)
	}
	return numbers
}

func TestLogLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		limits scaleout.LogLimits
	}{
		{"entries", scaleout.LogLimits{Entries: 5}},
		{"bytes", scaleout.LogLimits{Bytes: 5 * 500}}, // each takes 448
		{"age", scaleout.LogLimits{Age: 4500 * time.Millisecond}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := newKeptLog(test.limits)
				for n := uint64(11); n <= 100; n++ {
					time.Sleep(time.Second)
					log.Append(numbered(n))
				}
				numbers, ok := read(log, at(95))
				require.True(t, ok, "the position of the last that was dropped is good")
				require.Equal(t, []uint64{96, 97, 98, 99, 100}, numbers)
				_, ok = read(log, at(94))
				require.False(t, ok)
				require.Equal(t, []uint64{96, 97}, numbersOf(log.Oldest(2)))
			})
		})
	}
}

// What is too old is not read, though nothing has come since.
func TestLogAgesWithoutTraffic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := newKeptLog(scaleout.LogLimits{})
		log.Append(numbered(11))
		time.Sleep(scaleout.DefaultLogAge)
		numbers, ok := read(log, at(10))
		require.True(t, ok)
		require.Equal(t, []uint64{11}, numbers)
		time.Sleep(time.Nanosecond)
		_, ok = read(log, at(10))
		require.False(t, ok)
		require.Empty(t, log.Oldest(10))
		numbers, ok = read(log, at(11))
		require.True(t, ok)
		require.Empty(t, numbers)
		require.Equal(t, at(11), log.Last())
	})
}

// A single envelope beyond the limits is passed on and not kept.
func TestLogTooBigAnEnvelope(t *testing.T) {
	t.Parallel()
	log := newKeptLog(scaleout.LogLimits{Bytes: 10_000})
	big := numbered(11)
	big.Bodies = []scaleout.Body{{Data: make([]byte, 10_000)}}
	log.Append(big)
	require.Equal(t, at(11), log.Last())
	_, ok := read(log, at(10))
	require.False(t, ok)
	_, ok = read(log, at(11))
	require.True(t, ok)
}

func TestLogPositions(t *testing.T) {
	t.Parallel()
	log := newKeptLog(scaleout.LogLimits{})
	for _, n := range []uint64{20, 30, 40} {
		log.Append(numbered(n))
	}
	tests := []struct {
		after scaleout.Position
		ok    bool
		want  []uint64
	}{
		{at(9), false, nil},
		{at(10), true, []uint64{20, 30, 40}},
		{at(19), true, []uint64{20, 30, 40}},
		{at(20), true, []uint64{30, 40}},
		{at(25), true, []uint64{30, 40}},
		{at(40), true, nil},
		{at(41), false, nil},
		{scaleout.Position{Major: 6, Minor: 30}, false, nil},
		{scaleout.Position{Major: 8}, false, nil},
	}
	for _, test := range tests {
		numbers, ok := read(log, test.after)
		require.Equal(t, test.ok, ok, "%v", test.after)
		require.Equal(t, test.want, numbers, "%v", test.after)
	}
	some, ok := log.Read(at(10), 2)
	require.True(t, ok)
	require.Equal(t, []uint64{20, 30}, numbersOf(some))
	none, ok := log.Read(at(10), 0)
	require.True(t, ok)
	require.Empty(t, none)
}

func TestLogKeepsNothingUnasked(t *testing.T) {
	t.Parallel()
	log := scaleout.NewLog(scaleout.LogLimits{}, at(10))
	log.Append(numbered(11))
	require.Equal(t, at(11), log.Last())
	_, ok := read(log, at(10))
	require.False(t, ok)
	log.Keep()
	numbers, ok := read(log, at(11))
	require.True(t, ok)
	require.Empty(t, numbers)
	log.Append(numbered(12))
	numbers, ok = read(log, at(11))
	require.True(t, ok)
	require.Equal(t, []uint64{12}, numbers)
}

func TestLogDropsWhatIsLocal(t *testing.T) {
	t.Parallel()
	log := newKeptLog(scaleout.LogLimits{})
	e := numbered(11)
	e.Local = "local"
	log.Append(e)
	envelopes, _ := log.Read(at(10), 1)
	require.Nil(t, envelopes[0].Local)
	require.Equal(t, "local", e.Local)
}

// A broker that lost its end gives positions again: what they were before is gone.
func TestLogGoesBack(t *testing.T) {
	t.Parallel()
	log := newKeptLog(scaleout.LogLimits{})
	for n := uint64(11); n <= 20; n++ {
		log.Append(numbered(n))
	}
	again := numbered(15)
	again.Number = 1500
	log.Append(again)
	numbers, ok := read(log, at(13))
	require.True(t, ok)
	require.Equal(t, []uint64{14, 1500}, numbers)
	_, ok = read(log, at(16))
	require.False(t, ok)

	log.Append(numbered(3)) // before all that was there
	numbers, ok = read(log, at(3))
	require.True(t, ok)
	require.Empty(t, numbers)
	require.Equal(t, []uint64{3}, numbersOf(log.Oldest(9)))
}

// After Reset no position from before is good.
func TestLogReset(t *testing.T) {
	t.Parallel()
	log := newKeptLog(scaleout.LogLimits{})
	for n := uint64(11); n <= 20; n++ {
		log.Append(numbered(n))
	}
	log.Reset()
	for _, n := range []uint64{10, 15, 20} {
		_, ok := read(log, at(n))
		require.False(t, ok)
	}
	start := log.Last()
	for n := uint64(30); n < 33; n++ {
		log.Append(numbered(n))
	}
	numbers, ok := read(log, start)
	require.True(t, ok, "what Last returns is always good")
	require.Equal(t, []uint64{30, 31, 32}, numbers)
	_, ok = read(log, at(20))
	require.False(t, ok)
}

// A node that was behind at a Reset has never seen the last positions before it, but
// clients may have them from other nodes.
func TestLogResetWhileBehind(t *testing.T) {
	t.Parallel()
	log := newKeptLog(scaleout.LogLimits{})
	log.Append(numbered(11))
	log.Reset()
	_, ok := read(log, at(20))
	require.False(t, ok)
	log.Append(numbered(30))
	log.Append(numbered(31))
	for n := uint64(13); n < 30; n++ {
		_, ok = read(log, at(n))
		require.False(t, ok, "%d does not lead to 30", n)
	}
	numbers, ok := read(log, at(30))
	require.True(t, ok)
	require.Equal(t, []uint64{31}, numbers)
}

// Whatever is done to a log, it has the last envelopes, without a hole.
func TestLogAgainstModel(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		entries := 1 + r.IntN(300)
		log := newKeptLog(scaleout.LogLimits{Entries: entries})
		var all []uint64
		last := uint64(10)
		for range 1000 {
			last += 1 + r.Uint64N(3)
			log.Append(numbered(last))
			all = append(all, last)
			kept := all[max(len(all)-entries, 0):]
			require.Equal(t, kept[:min(len(kept), 3)], numbersOf(log.Oldest(3)))
			from := r.IntN(len(kept))
			envelopes, ok := log.Read(at(kept[from]), 5)
			require.True(t, ok)
			want := kept[from+1:]
			require.Equal(t, append([]uint64(nil), want[:min(len(want), 5)]...), numbersOf(envelopes))
		}
	}
}

func benchmarkLog(entries int) (*scaleout.Log, func()) {
	log := newKeptLog(scaleout.LogLimits{Entries: entries, Bytes: 1 << 30, Age: time.Hour})
	body := []scaleout.Body{{Protocol: "json", Data: bytes.Repeat([]byte("j"), 120)}}
	n := uint64(10)
	e := make([]scaleout.Envelope, 2*entries)
	return log, func() {
		n++
		next := &e[n%uint64(len(e))]
		next.Bodies, next.Position = body, at(n)
		log.Append(next)
	}
}

func BenchmarkLogAppend(b *testing.B) {
	_, appendNext := benchmarkLog(scaleout.DefaultLogEntries)
	b.ReportAllocs()
	for b.Loop() {
		appendNext()
	}
}

// BenchmarkLogAppendNotKept is what farms without readers pay.
func BenchmarkLogAppendNotKept(b *testing.B) {
	log := scaleout.NewLog(scaleout.LogLimits{}, at(10))
	e := numbered(11)
	b.ReportAllocs()
	for b.Loop() {
		log.Append(e)
	}
}

// BenchmarkLogRead reads 100 envelopes from the middle of a full log.
func BenchmarkLogRead(b *testing.B) {
	log, appendNext := benchmarkLog(scaleout.DefaultLogEntries)
	for range scaleout.DefaultLogEntries {
		appendNext()
	}
	after := at(log.Last().Minor - scaleout.DefaultLogEntries/2)
	b.ReportAllocs()
	for b.Loop() {
		if envelopes, ok := log.Read(after, 100); !ok || len(envelopes) != 100 {
			b.Fatal(len(envelopes), ok)
		}
	}
}

func TestLogAllocations(t *testing.T) {
	log, appendNext := benchmarkLog(64)
	for range 1000 {
		appendNext()
	}
	require.Zero(t, testing.AllocsPerRun(100, appendNext))
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { log.Read(at(log.Last().Minor-10), 10) }), 1.0)
}

// TestLogSkips: a log that begins after what was skipped has a gap before it.
func TestLogSkips(t *testing.T) {
	t.Parallel()
	log := newKeptLog(scaleout.LogLimits{})
	log.Append(numbered(11))
	log.Skip(at(12))
	require.Equal(t, at(12), log.Last())
	_, ok := read(log, at(11))
	require.False(t, ok)
	log.Append(numbered(13))
	numbers, ok := read(log, at(12))
	require.True(t, ok)
	require.Equal(t, []uint64{13}, numbers)
}

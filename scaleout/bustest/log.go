package bustest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// starts returns where a node is in each stream.
func (m *member) starts() []scaleout.Position {
	starts := make([]scaleout.Position, m.Streams())
	for i := range starts {
		starts[i] = m.Last(i)
	}
	return starts
}

// read reads a stream to where the node is, a few envelopes at a time.
func (m *member) read(stream int, after scaleout.Position, most int) (envelopes []*scaleout.Envelope, gap bool) {
	m.t.Helper()
	envelopes, gap, err := m.tryRead(stream, after, most)
	if err != nil {
		m.t.Fatal(err)
	}
	return envelopes, gap
}

// tryRead is read for goroutines that are not the test's.
func (m *member) tryRead(stream int, after scaleout.Position, most int) (envelopes []*scaleout.Envelope, gap bool, err error) {
	ctx, cancel := within(m.t)
	defer cancel()
	reader := m.Reader(stream, after)
	for end := m.Last(stream); after.Compare(end) < 0 || envelopes == nil; {
		page, missing, err := reader.Next(ctx, most)
		if err != nil {
			return nil, false, fmt.Errorf("reading: %w", err)
		}
		if len(page) > most {
			return nil, false, fmt.Errorf("reading at most %d returned %d", most, len(page))
		}
		gap = gap || missing
		if len(page) == 0 {
			break
		}
		envelopes = append(envelopes, page...)
		after = page[len(page)-1].Position
	}
	return envelopes, gap, nil
}

// inStream returns what the node has delivered of a shared stream.
func (m *member) inStream(stream int) []*scaleout.Envelope {
	return slices.DeleteFunc(m.delivered(), func(e *scaleout.Envelope) bool { return e.Stream != stream })
}

// sameEnvelopes checks that what was read is what was delivered.
func sameEnvelopes(t *testing.T, read, delivered []*scaleout.Envelope) {
	t.Helper()
	if len(read) != len(delivered) {
		t.Fatalf("read %d envelopes, want the %d delivered", len(read), len(delivered))
	}
	for i, e := range read {
		d := delivered[i]
		if e.Stream != d.Stream || e.Position != d.Position || e.Target != d.Target ||
			e.Publisher != d.Publisher || e.Sequence != d.Sequence || string(e.Body("json")) != string(d.Body("json")) {
			t.Fatalf("read %+v, want %+v", e, d)
		}
		if e.Local != nil {
			t.Fatalf("read an envelope with Local %v", e.Local)
		}
	}
}

// What was delivered since Keep can be read on every node, from any position and
// in pages of any size.
func testLog(t *testing.T, f *farm) {
	nodes := f.joinAll(2)
	starts := make([][]scaleout.Position, len(nodes))
	for i, node := range nodes {
		if node.Streams() != nodes[0].Streams() || node.Streams() < 1 {
			t.Fatalf("nodes have %d and %d streams", nodes[0].Streams(), node.Streams())
		}
		node.Keep()
		node.Keep()
		starts[i] = node.starts()
	}
	const total = 60
	for i := range total {
		e := message(group(fmt.Sprint(i%13)), fmt.Sprint(i))
		e.Local = i
		if err := nodes[i%2].Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if i%7 == 0 {
			nodes[0].send(nodes[1], "not in a shared stream")
		}
	}
	for i, node := range nodes {
		read := 0
		node.waitFor("everything", func() bool {
			n := 0
			for stream := range node.Streams() {
				n += len(node.inStream(stream))
			}
			return n == total
		})
		for stream := range node.Streams() {
			delivered := node.inStream(stream)
			for _, e := range delivered {
				if want := e.Topic.Stream(node.Streams()); stream != want {
					t.Errorf("%v came in stream %d, want %d", e.Topic, stream, want)
				}
			}
			for _, most := range []int{1, 3, 1000} {
				envelopes, gap := node.read(stream, starts[i][stream], most)
				sameEnvelopes(t, envelopes, delivered)
				if gap {
					t.Errorf("reading stream %d on node %d reports a gap", stream, i)
				}
			}
			for from, e := range delivered { // the positions of one node are good on the other
				for _, reader := range nodes {
					envelopes, gap := reader.read(stream, e.Position, 5)
					sameEnvelopes(t, envelopes, delivered[from+1:])
					if gap {
						t.Errorf("reading after %v reports a gap", e.Position)
					}
				}
			}
			if len(delivered) > 0 && node.Last(stream) != delivered[len(delivered)-1].Position {
				t.Errorf("Last is %v, want %v", node.Last(stream), delivered[len(delivered)-1].Position)
			}
			read += len(delivered)
		}
		if read != total {
			t.Errorf("read %d, want %d", read, total)
		}
	}
	if err := nodes[1].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := nodes[1].Reader(0, starts[1][0]).Next(t.Context(), 1); !errors.Is(err, scaleout.ErrClosed) {
		t.Errorf("Next after Close: %v, want ErrClosed", err)
	}
}

// An envelope is in the log, and Last is at it, before it is delivered.
func testLogBeforeDelivery(t *testing.T, f *farm) {
	node := f.join("hub")
	node.Keep()
	starts := node.starts()
	const total = 50
	node.mu.Lock()
	var count atomic.Int64
	node.live = func(e *scaleout.Envelope) {
		if last := node.Last(e.Stream); last != e.Position {
			t.Errorf("Last is %v while %v is delivered", last, e.Position)
		}
		envelopes, gap, err := node.Reader(e.Stream, starts[e.Stream]).Next(t.Context(), total)
		if err != nil || gap || len(envelopes) == 0 || envelopes[len(envelopes)-1].Position != e.Position {
			t.Errorf("while %v is delivered, Next returned %d envelopes, gap %v, %v", e.Position, len(envelopes), gap, err)
		}
		count.Add(1)
	}
	node.mu.Unlock()
	for i := range total {
		node.publish(group(fmt.Sprint(i%5)), "x")
	}
	if count.Load() != total {
		t.Errorf("delivered %d, want %d", count.Load(), total)
	}
}

// A reader that registers while others publish, reads to where the live traffic
// begins and goes on with that, gets everything once and in order.
func testLogReaders(t *testing.T, f *farm) {
	const publishers, each, readers = 4, 150, 8
	nodes := f.joinAll(2)
	reading := nodes[1]
	var live liveReaders
	for _, node := range nodes {
		node.Keep()
	}
	starts := reading.starts()
	reading.mu.Lock()
	reading.live = live.deliver
	reading.mu.Unlock()

	var publishing sync.WaitGroup
	for p := range publishers {
		publishing.Go(func() {
			for i := range each {
				nodes[p%2].publish(group(fmt.Sprint(p*7+i%5)), "x")
			}
		})
	}
	registered := make([]func() *liveReader, readers)
	for i := range readers {
		registered[i] = await.Go(t, func() (*liveReader, error) {
			// Each begins when a part of the traffic is there.
			begun := func() bool { return len(reading.delivered()) >= i*publishers*each/readers }
			if err := reading.tryWaitFor("traffic", begun); err != nil {
				return nil, err
			}
			return live.register(reading, starts)
		}, "reader %d to register", i)
	}
	await.Group(t, &publishing, "the publishers")
	all := make([]*liveReader, readers)
	for i, reader := range registered {
		all[i] = reader()
	}
	reading.waitFor("everything", func() bool { return len(reading.delivered()) >= publishers*each })
	for _, r := range all {
		r.mu.Lock()
		for stream := range reading.Streams() {
			sameEnvelopes(t, r.got[stream], reading.inStream(stream))
		}
		r.mu.Unlock()
	}
}

// liveReaders are readers of one node.
type liveReaders struct {
	mu      sync.Mutex
	readers []*liveReader
}

// liveReader is one of them: what is delivered while it still reads waits.
type liveReader struct {
	mu      sync.Mutex
	at      []scaleout.Position
	got     [][]*scaleout.Envelope
	reading bool
	waiting []*scaleout.Envelope
}

func (l *liveReaders) deliver(e *scaleout.Envelope) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.readers {
		r.mu.Lock()
		if r.reading {
			r.waiting = append(r.waiting, e)
		} else {
			r.take(e)
		}
		r.mu.Unlock()
	}
}

// take takes an envelope unless it has it already; r is locked.
func (r *liveReader) take(e *scaleout.Envelope) {
	if e.Position.Compare(r.at[e.Stream]) > 0 {
		r.at[e.Stream] = e.Position
		r.got[e.Stream] = append(r.got[e.Stream], e)
	}
}

func (l *liveReaders) register(node *member, starts []scaleout.Position) (*liveReader, error) {
	r := &liveReader{at: slices.Clone(starts), got: make([][]*scaleout.Envelope, len(starts)), reading: true}
	l.mu.Lock()
	l.readers = append(l.readers, r)
	l.mu.Unlock()
	for stream := range starts {
		envelopes, gap, err := node.tryRead(stream, starts[stream], 7)
		if err != nil {
			return nil, err
		}
		if gap {
			node.t.Errorf("reading stream %d reports a gap", stream)
		}
		r.mu.Lock()
		for _, e := range envelopes {
			r.take(e)
		}
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.waiting {
		r.take(e)
	}
	r.waiting, r.reading = nil, false
	return r, nil
}

// Who comes with a position that is not of this log is told, and begins with the
// oldest there is.
func testLogForeignPositions(t *testing.T, f *farm) {
	node := f.join("hub")
	node.Keep()
	topic := group("a")
	stream := topic.Stream(node.Streams())
	for i := range 20 {
		node.publish(topic, fmt.Sprint(i))
	}
	delivered := node.inStream(stream)
	last := node.Last(stream)
	positions := []scaleout.Position{
		{},
		{Minor: 5},
		{Major: 1, Minor: 5},
		{Major: last.Major, Minor: last.Minor + 1<<32},
		{Major: last.Major + 1_000_000, Minor: 5},
		{Major: math.MaxUint64, Minor: math.MaxUint64},
	}
	for _, position := range positions {
		envelopes, gap := node.read(stream, position, 7)
		if position.Compare(last) > 0 {
			var err error // such a reader is not at the end, however great its position
			if envelopes, gap, err = node.Reader(stream, position).Next(t.Context(), 100); err != nil {
				t.Fatal(err)
			}
		}
		if !gap {
			t.Errorf("reading after %v, which was never given out, reports no gap", position)
		}
		sameEnvelopes(t, envelopes, delivered)
	}
	if envelopes, gap := node.read(stream, last, 7); gap || len(envelopes) > 0 {
		t.Errorf("reading at the end returned %d envelopes, gap %v", len(envelopes), gap)
	}
}

// A farm without readers keeps nothing in memory; what a bus has elsewhere it may
// give nevertheless.
func testLogNotKept(t *testing.T, f *farm) {
	node := f.join("hub")
	topic := group("a")
	stream := topic.Stream(node.Streams())
	start := node.Last(stream)
	node.publish(topic, "before")
	kept := node.Last(stream)
	if kept.Compare(start) <= 0 {
		t.Errorf("Last is %v after an envelope, and was %v before", kept, start)
	}
	node.Keep()
	node.publish(topic, "after")
	delivered := node.inStream(stream)
	if envelopes, gap := node.read(stream, start, 10); gap {
		sameEnvelopes(t, envelopes, delivered[1:])
	} else {
		sameEnvelopes(t, envelopes, delivered)
	}
	envelopes, gap := node.read(stream, kept, 10)
	if gap {
		t.Error("reading after the position at the time of Keep reports a gap")
	}
	sameEnvelopes(t, envelopes, delivered[1:])
}

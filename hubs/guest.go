package hubs

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

const (
	// maxGuestItems and maxGuestBytes bound what waits for a guest in memory.
	// One that is further behind reads the log.
	maxGuestItems = 1000
	maxGuestBytes = transports.DefaultOutboxLimit
	// readAtOnce is how many envelopes of a log are read at a time.
	readAtOnce = 256
)

// guest is a connection of another protocol whose transport is on this node.
//
// It gets messages in two ways. Those delivered while it is here wait in its
// queue. Before these it reads in each stream's log what it has missed, up to a
// target: the last position of the stream that was delivered before the guest was
// registered, or before its queue overflowed. So nothing is between the two, and
// what is in both is known by its position.
//
// Lock order: guest.mu is taken last.
type guest struct {
	entry
	guests *guests
	wake   func()
	start  []scaleout.Position // the cursor that it has come with

	// Of the goroutine that takes.
	cursor  []scaleout.Position
	readers []scaleout.Reader      // by stream: of the log, behind the cursor and ahead; nil: none
	ahead   [][]*scaleout.Envelope // by stream: read from the log, not yet taken
	sample  []scaleout.Position
	joined  map[string]struct{} // the groups, as of what was taken
	changed bool                // joined was changed
	// caughtUp says that all from the start on was taken once: what the registry
	// knows of the guest is true since then.
	caughtUp bool
	unproven bool // the log does not reach back to the start
	logBytes int  // read for the Take that is under way

	left atomic.Bool // the guest is on another node

	mu     sync.Mutex
	queue  []guestItem
	size   int
	behind []bool              // by stream: the log comes first
	target []scaleout.Position // up to here
}

// guestItem is something that was delivered.
type guestItem struct {
	stream int
	at     scaleout.Position
	topic  scaleout.Topic
	text   []byte
	change scaleout.Kind // AddToGroup, RemoveFromGroup, or 0
	abort  bool
	anew   bool // what follows is of another log
}

// Attach implements [bridge.Hub].
func (g *guests) Attach(p *bridge.Peer, groups []string, cursor []scaleout.Position, wake func()) bridge.Member {
	n := g.Streams()
	m := &guest{
		entry:   entry{id: p.ConnectionID, userID: p.UserID},
		guests:  g,
		wake:    wake,
		cursor:  make([]scaleout.Position, n),
		ahead:   make([][]*scaleout.Envelope, n),
		readers: make([]scaleout.Reader, n),
		sample:  make([]scaleout.Position, n),
		joined:  make(map[string]struct{}, len(groups)),
		behind:  make([]bool, n),
		target:  make([]scaleout.Position, n),
	}
	if cursor == nil {
		g.snapshot(m.cursor)
		m.caughtUp = true
	} else {
		copy(m.cursor, cursor)
		for stream := range m.behind {
			m.behind[stream] = true
		}
	}
	if p.GroupRoom > 0 {
		room := p.GroupRoom
		m.room = &room
	}
	m.start = slices.Clone(m.cursor)
	g.registry.add(m)
	for _, group := range groups {
		if g.registry.addToGroup(m.id, group) == outcomeFull {
			m.logFull()
			continue
		}
		m.joined[group] = struct{}{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retarget()
	return m
}

// retarget lets the log be read up to what is being delivered; what comes later
// comes by the queue. m is locked.
func (m *guest) retarget() {
	for stream := range m.target {
		m.target[stream] = m.guests.hub.farm.node.Last(stream)
	}
}

// put takes what is delivered.
func (m *guest) put(i guestItem) {
	m.mu.Lock()
	if len(m.queue) > 0 && (len(m.queue) == maxGuestItems || m.size+len(i.text) > maxGuestBytes) {
		m.queue, m.size = nil, 0
		for stream := range m.behind {
			m.behind[stream] = true
		}
		m.retarget()
	} else {
		m.queue = append(m.queue, i)
		m.size += len(i.text)
	}
	m.mu.Unlock()
	m.wake()
}

// startAnew notes that the log of a stream was replaced: positions before do not
// compare with those that follow.
func (m *guest) startAnew(stream int) {
	m.mu.Lock()
	m.target[stream] = scaleout.Position{}
	m.mu.Unlock()
	m.put(guestItem{stream: stream, anew: true})
}

// precedes reports whether the guest was here before a node said that it has
// moved. One that has come with a later cursor has left that node again since; its
// word was only late.
func (m *guest) precedes(e *scaleout.Envelope) bool {
	return e.Position.Compare(m.start[e.Stream]) > 0
}

// leave notes that the guest is on another node.
func (m *guest) leave() {
	m.left.Store(true)
	m.wake()
}

// Detach implements [bridge.Member].
func (m *guest) Detach() { m.guests.registry.remove(m) }

// Cursor implements [bridge.Member].
func (m *guest) Cursor() []scaleout.Position { return slices.Clone(m.cursor) }

// Groups implements [bridge.Member].
func (m *guest) Groups() (names []string, changed bool) {
	if !m.changed {
		return nil, false
	}
	m.changed = false
	return slices.Sorted(maps.Keys(m.joined)), true
}

// Take implements [bridge.Member].
func (m *guest) Take(ctx context.Context, most int) (bridge.Batch, error) {
	m.logBytes = 0
	b, err := m.take(ctx, most)
	b.LogBytes = m.logBytes
	return b, err
}

func (m *guest) take(ctx context.Context, most int) (bridge.Batch, error) {
	if m.left.Load() {
		return bridge.Batch{Left: true}, nil // what follows is the other node's to send
	}
	var b bridge.Batch
	for len(b.Messages) < most && !b.Aborted {
		if m.unproven {
			return bridge.Batch{Unproven: true}, nil
		}
		more, err := m.readOn(ctx)
		if m.unproven {
			continue
		}
		if err != nil && len(b.Messages) == 0 {
			return b, err
		}
		if err != nil { // it comes again
			b.More = true
			return b, nil
		}
		if !more {
			m.drain(&b, most)
			return b, nil
		}
		m.takeOldest(&b)
	}
	b.More = !b.Aborted
	return b, nil
}

// readOn reads on in the logs that come first. It reports whether there is
// something to take from them.
func (m *guest) readOn(ctx context.Context) (more bool, err error) {
	for stream := range m.cursor {
		if len(m.ahead[stream]) == 0 {
			if err = m.read(ctx, stream); err != nil {
				return false, err
			}
		}
	}
	return slices.ContainsFunc(m.ahead, func(ahead []*scaleout.Envelope) bool { return len(ahead) > 0 }), nil
}

func (m *guest) read(ctx context.Context, stream int) error {
	m.mu.Lock()
	behind, target := m.behind[stream], m.target[stream]
	m.mu.Unlock()
	if !behind {
		return nil
	}
	if m.readers[stream] == nil {
		m.readers[stream] = m.guests.hub.farm.node.Reader(stream, m.cursor[stream])
	}
	envelopes, gap, err := m.readers[stream].Next(ctx, readAtOnce)
	if err != nil {
		return err
	}
	switch {
	case gap && m.caughtUp:
		m.startOver()
		return nil
	case gap:
		m.unproven = true
		return nil
	}
	for _, e := range envelopes {
		m.logBytes += e.Size()
	}
	for i, e := range envelopes {
		if e.Position.Compare(target) > 0 {
			envelopes = envelopes[:i]
			m.readers[stream] = nil // these come again if the target moves on
			break
		}
	}
	m.ahead[stream] = envelopes
	if len(envelopes) > 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.target[stream] == target { // else there is more to read by now
		m.behind[stream] = false
		m.readers[stream] = nil
	}
	return nil
}

// startOver goes on from now, without what the log has lost before the guest could take
// it. The registry knows the groups of today: the guest was here all the time.
func (m *guest) startOver() {
	m.guests.snapshot(m.sample) // what is put from now on is later
	m.mu.Lock()
	m.queue, m.size = nil, 0
	clear(m.behind)
	m.mu.Unlock()
	clear(m.readers)
	clear(m.ahead)
	joined, ok := m.guests.registry.groupsOf(m)
	if !ok {
		m.leave() // which is about to be noticed
		return
	}
	copy(m.cursor, m.sample)
	m.joined, m.changed = joined, true
}

// takeOldest takes the envelope that was published first, as far as that can be
// told: positions of different streams only nearly compare.
func (m *guest) takeOldest(b *bridge.Batch) {
	oldest := -1
	for stream, envelopes := range m.ahead {
		if len(envelopes) > 0 && (oldest < 0 || envelopes[0].Position.Compare(m.ahead[oldest][0].Position) < 0) {
			oldest = stream
		}
	}
	e := m.ahead[oldest][0]
	if e.Kind == scaleout.Abort && m.isMeant(e.Topic) && !slices.Contains(e.Excluded, m.id) {
		b.Aborted = true
		return
	}
	m.ahead[oldest] = m.ahead[oldest][1:]
	m.cursor[oldest] = e.Position
	switch e.Kind {
	case scaleout.AddToGroup, scaleout.RemoveFromGroup:
		if slices.Contains(e.Connections, m.id) {
			m.replayChange(e)
		}
	case scaleout.Message:
		if m.isMeant(e.Topic) && !slices.Contains(e.Excluded, m.id) {
			if text := m.guests.text(e); text != nil {
				b.Messages = append(b.Messages, text)
			}
		}
	}
}

// replayChange makes a change of the guest's groups that the log has.
func (m *guest) replayChange(e *scaleout.Envelope) {
	if !m.caughtUp {
		// From now on messages of the group come by the queue, or not any more;
		// those since the registration are still in the log, and so are later
		// changes, which this one may undo in the registry for now.
		if m.guests.registry.changeGroup(e.Kind, m.id, e.Topic.Name) == outcomeFull {
			m.logFull()
			return
		}
		m.mu.Lock()
		m.behind[e.Stream] = true
		m.target[e.Stream] = m.guests.hub.farm.node.Last(e.Stream)
		m.mu.Unlock()
	}
	m.changeGroup(e.Kind, e.Topic.Name)
}

// logFull logs that a membership is dropped that nobody could be told of: Groups.Add
// has returned while the guest was on its way from one node to another.
func (m *guest) logFull() {
	const message = "a group of a client is dropped: its groups token is full"
	m.guests.hub.logger.Log(context.Background(), m.guests.warnings.Level(slog.LevelWarn, message), message, "connection", m.id)
}

// isMeant reports whether a topic names the guest, with the groups as of what was
// taken.
func (m *guest) isMeant(topic scaleout.Topic) bool {
	switch topic.Kind {
	case scaleout.Connection:
		return topic.Name == m.id
	case scaleout.User:
		return m.userID != "" && topic.Name == m.userID
	case scaleout.Group:
		_, ok := m.joined[topic.Name]
		return ok
	default:
		return topic.Kind == scaleout.All
	}
}

func (m *guest) changeGroup(change scaleout.Kind, group string) {
	_, isMember := m.joined[group]
	switch {
	case change == scaleout.AddToGroup && !isMember:
		m.joined[group] = struct{}{}
		m.changed = true
	case change == scaleout.RemoveFromGroup && isMember:
		delete(m.joined, group)
		m.changed = true
	}
}

// drain takes what waits in the queue, when no log comes first any more.
func (m *guest) drain(b *bridge.Batch, most int) {
	m.guests.snapshot(m.sample) // all up to there is in the queue
	left := m.left.Load()       // perhaps not all
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.behind, true) { // it has overflowed just now
		b.More = true
		return
	}
	m.caughtUp = true
	n := 0
	for ; n < len(m.queue) && len(b.Messages) < most; n++ {
		i := &m.queue[n]
		if !i.anew && i.at.Compare(m.cursor[i.stream]) <= 0 {
			m.size -= len(i.text)
			continue // it was in the log
		}
		if i.abort && m.isMeant(i.topic) {
			b.Aborted = true
			break
		}
		m.size -= len(i.text)
		m.cursor[i.stream] = i.at
		switch {
		case i.anew:
		case i.change != 0:
			m.changeGroup(i.change, i.topic.Name)
		case !m.isMeant(i.topic):
		case i.text != nil:
			b.Messages = append(b.Messages, i.text)
		}
	}
	clear(m.queue[:n])
	m.queue = m.queue[n:]
	if len(m.queue) > 0 {
		b.More = !b.Aborted
		return
	}
	m.queue = nil // idle guests keep no memory
	if left {
		return
	}
	for stream, at := range m.sample {
		if at.Compare(m.cursor[stream]) > 0 {
			m.cursor[stream] = at
		}
	}
}

package bustest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// farm makes the nodes of one test.
type farm struct {
	t      *testing.T
	newBus func() scaleout.Bus
}

// join makes a node with a bus of its own, closed at the end of the test.
func (f *farm) join(hub string) *member {
	f.t.Helper()
	return f.joinOn(f.newBus(), hub)
}

func (f *farm) joinOn(bus scaleout.Bus, hub string) *member {
	f.t.Helper()
	m := &member{t: f.t, changed: make(chan struct{})}
	node, err := bus.Join(hub, m)
	if err != nil {
		f.t.Fatalf("Join: %v", err)
	}
	m.Node = node
	f.t.Cleanup(func() {
		closed := make(chan error, 1)
		go func() { closed <- node.Close(context.Background()) }()
		if err := await.Receive(f.t, closed, "node %d to close", node.ID()); err != nil {
			f.t.Errorf("Close: %v", err)
		}
	})
	return m
}

// joinAll makes n nodes of one hub that all know each other.
func (f *farm) joinAll(n int) []*member {
	f.t.Helper()
	members := make([]*member, n)
	for i := range members {
		members[i] = f.join("hub")
	}
	for _, m := range members {
		m.waitFor("the nodes to know each other", func() bool { return len(m.Nodes()) == n })
	}
	return members
}

// member is a node and its receiver, which keeps what it is told.
type member struct {
	scaleout.Node
	t *testing.T

	mu        sync.Mutex
	envelopes []*scaleout.Envelope
	left      []scaleout.NodeID
	silent    []scaleout.NodeID
	lost      []scaleout.Loss
	changed   chan struct{} // closed and replaced when something was told
	live      func(e *scaleout.Envelope)
}

func (m *member) Deliver(e *scaleout.Envelope) {
	m.mu.Lock()
	live := m.live
	m.mu.Unlock()
	if live != nil {
		live(e)
	}
	m.tell(func() { m.envelopes = append(m.envelopes, e) })
}

func (m *member) NodeLeft(id scaleout.NodeID) {
	m.tell(func() { m.left = append(m.left, id) })
}

func (m *member) NodeSilent(id scaleout.NodeID) {
	m.tell(func() { m.silent = append(m.silent, id) })
}

func (m *member) Lost(l scaleout.Loss) {
	m.tell(func() { m.lost = append(m.lost, l) })
}

func (m *member) tell(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.changed)
	m.changed = make(chan struct{})
}

// delivered returns what the node has delivered so far.
func (m *member) delivered() []*scaleout.Envelope {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.envelopes)
}

// targets returns the targets of what the node has delivered so far.
func (m *member) targets() []string {
	var targets []string
	for _, e := range m.delivered() {
		targets = append(targets, e.Target)
	}
	return targets
}

// departures returns the nodes that have left, as the node was notified.
func (m *member) departures() []scaleout.NodeID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.left)
}

// waitFor waits until a condition holds.
func (m *member) waitFor(what string, holds func() bool) {
	m.t.Helper()
	if err := m.tryWaitFor(what, holds); err != nil {
		m.t.Fatal(err)
	}
}

// tryWaitFor is waitFor for goroutines that are not the test's. It evaluates the condition again whenever the node is
// told something, and at intervals, as a bus may change without a call.
func (m *member) tryWaitFor(what string, holds func() bool) error {
	deadline := time.NewTimer(await.Timeout)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		if holds() {
			return nil
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-deadline.C:
			return fmt.Errorf("node %d: timed out waiting for %s", m.ID(), what)
		}
	}
}

// waitForTargets waits until the node has delivered exactly these targets.
func (m *member) waitForTargets(want ...string) {
	m.t.Helper()
	m.waitFor("what was published", func() bool { return len(m.delivered()) >= len(want) })
	if got := m.targets(); !slices.Equal(got, want) {
		m.t.Fatalf("node %d delivered %q, want %q", m.ID(), got, want)
	}
}

// nothingLost checks that the node was told of no loss.
func (m *member) nothingLost() {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lost) > 0 {
		m.t.Errorf("node %d was told of losses: %+v", m.ID(), m.lost)
	}
}

// publish publishes a message, which must succeed.
func (m *member) publish(topic scaleout.Topic, target string) {
	m.t.Helper()
	ctx, cancel := within(m.t)
	defer cancel()
	if err := m.Publish(ctx, message(topic, target)); err != nil {
		m.t.Errorf("Publish: %v", err)
	}
}

// send sends a message, which must succeed.
func (m *member) send(to *member, target string) {
	m.t.Helper()
	ctx, cancel := within(m.t)
	defer cancel()
	if err := m.Send(ctx, to.ID(), message(scaleout.Topic{}, target)); err != nil {
		m.t.Errorf("Send: %v", err)
	}
}

func message(topic scaleout.Topic, target string) *scaleout.Envelope {
	return &scaleout.Envelope{
		Kind: scaleout.Message, Topic: topic, Target: target,
		Bodies: []scaleout.Body{{Protocol: "json", Data: []byte(target)}},
	}
}

func group(name string) scaleout.Topic {
	return scaleout.Topic{Kind: scaleout.Group, Name: name}
}

// within returns a context that bounds a call as the waits of the suite are bounded.
func within(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), await.Timeout)
}

// soon is a context for what must be answered at once.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	t.Cleanup(cancel)
	return ctx
}

package bustest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

func testSend(t *testing.T, f *farm) {
	nodes := f.joinAll(3)
	var want []string
	for i := range 50 {
		want = append(want, fmt.Sprint(i))
		nodes[0].send(nodes[1], want[i])
	}
	nodes[1].waitForTargets(want...)
	nodes[2].send(nodes[2], "self")
	nodes[2].waitForTargets("self")
	for _, e := range nodes[1].delivered() {
		if e.Publisher != nodes[0].ID() || e.Stream != -1 {
			t.Fatalf("sent by %d in stream %d, want %d and -1", e.Publisher, e.Stream, nodes[0].ID())
		}
	}
	nodes[0].publish(scaleout.Topic{}, "all")
	nodes[0].waitForTargets("all")
	nodes[2].waitForTargets("self", "all")
}

// What is begun one after the other keeps that order, without waiting for each.
func testStart(t *testing.T, f *farm) {
	nodes := f.joinAll(2)
	ctx, cancel := within(t)
	defer cancel()
	start := func(to scaleout.NodeID, topic scaleout.Topic, target string) func() error {
		wait, err := nodes[0].Start(ctx, to, message(topic, target))
		if err != nil {
			t.Fatalf("Start: %v", err)
		}
		return wait
	}
	var waits []func() error
	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprint(i))
		waits = append(waits, start(nodes[1].ID(), scaleout.Topic{}, want[i]))
	}
	for i := range 300 {
		want = append(want, fmt.Sprint(300+i))
		waits = append(waits, start(0, group("a"), want[300+i]))
	}
	for _, wait := range waits {
		if err := wait(); err != nil {
			t.Errorf("the outcome of Start: %v", err)
		}
	}
	nodes[0].waitForTargets(want[300:]...)
	nodes[1].waitFor("all that was begun", func() bool { return len(nodes[1].delivered()) == len(want) })
	var sent, published []string
	for _, e := range nodes[1].delivered() {
		if e.Stream < 0 {
			sent = append(sent, e.Target)
		} else {
			published = append(published, e.Target)
		}
	}
	if !slices.Equal(sent, want[:300]) || !slices.Equal(published, want[300:]) {
		t.Errorf("node %d delivered %q and %q, want %q", nodes[1].ID(), sent, published, want)
	}
	if _, err := nodes[0].Start(ctx, nodes[1].ID()+1, message(scaleout.Topic{}, "x")); !errors.Is(err, scaleout.ErrNoNode) {
		t.Errorf("Start to a node that never was: %v, want ErrNoNode", err)
	}
	if err := nodes[0].Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[0].Start(ctx, 0, message(group("a"), "x")); !errors.Is(err, scaleout.ErrClosed) {
		t.Errorf("Start after Close: %v, want ErrClosed", err)
	}
}

// One may send to a node from the moment it has joined, and no longer than it is
// there; both are known at once, not when the nodes next hear of each other.
func testSendToNobody(t *testing.T, f *farm) {
	a := f.join("hub")
	noNode := func(id scaleout.NodeID) {
		t.Helper()
		quickest := time.Hour
		for range 5 { // a busy machine may hold each up
			start := time.Now()
			if err := a.Send(soon(t), id, message(scaleout.Topic{}, "x")); !errors.Is(err, scaleout.ErrNoNode) {
				t.Errorf("Send to %d: %v, want ErrNoNode", id, err)
			}
			quickest = min(quickest, time.Since(start))
		}
		if quickest > time.Second {
			t.Errorf("Send to %d took %v to find out that there is none", id, quickest)
		}
	}
	noNode(0)
	noNode(a.ID() + 1)
	b := f.join("hub")
	a.send(b, "welcome")
	b.waitForTargets("welcome")
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	noNode(b.ID())
	a.waitFor("the news", func() bool { return slices.Contains(a.departures(), b.ID()) })
	noNode(b.ID())
	b.waitForTargets("welcome")
}

func testNodes(t *testing.T, f *farm) {
	nodes := f.joinAll(3)
	sorted := func(nodes ...*member) (ids []scaleout.NodeID) {
		for _, node := range nodes {
			ids = append(ids, node.ID())
		}
		slices.Sort(ids)
		return ids
	}
	check := func(living ...*member) {
		t.Helper()
		for _, node := range living {
			node.waitFor("the list of nodes", func() bool {
				ids := node.Nodes()
				if ids[0] != node.ID() {
					t.Errorf("node %d lists %v, want itself first", node.ID(), ids)
				}
				slices.Sort(ids)
				return slices.Equal(ids, sorted(living...))
			})
		}
	}
	check(nodes...)
	for _, id := range sorted(nodes...) {
		if id == 0 {
			t.Error("a node has the id 0")
		}
	}
	if err := nodes[1].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(nodes[0], nodes[2])
	check(nodes[0], nodes[2], f.join("hub"))
}

func testNodeLeft(t *testing.T, f *farm) {
	nodes := f.joinAll(4)
	for i := 3; i > 1; i-- {
		if err := nodes[i].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, node := range nodes[:i] {
			node.waitFor("a node to leave", func() bool { return len(node.departures()) >= 4-i })
		}
	}
	for _, node := range nodes[:2] {
		if got, want := node.departures(), []scaleout.NodeID{nodes[3].ID(), nodes[2].ID()}; !slices.Equal(got, want) {
			t.Errorf("node %d was notified that %v have left, want %v", node.ID(), got, want)
		}
	}
}

func testClose(t *testing.T, f *farm) {
	nodes := f.joinAll(2)
	nodes[0].publish(group("a"), "before")
	nodes[1].waitForTargets("before")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := nodes[1].Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	await.Group(t, &wg, "all calls of Close")
	nodes[0].publish(group("a"), "after")
	nodes[0].waitForTargets("before", "after")
	if got := nodes[1].targets(); !slices.Equal(got, []string{"before"}) {
		t.Errorf("the node that has left delivered %q", got)
	}
	if got := nodes[1].departures(); len(got) > 0 {
		t.Errorf("the node that has left was notified that %v have left", got)
	}
	if err := nodes[1].Publish(soon(t), message(group("a"), "x")); !errors.Is(err, scaleout.ErrClosed) {
		t.Errorf("Publish after Close: %v, want ErrClosed", err)
	}
	for _, to := range nodes {
		if err := nodes[1].Send(soon(t), to.ID(), message(group("a"), "x")); !errors.Is(err, scaleout.ErrClosed) {
			t.Errorf("Send after Close: %v, want ErrClosed", err)
		}
	}
}

// A node that leaves while it publishes keeps nobody waiting.
func testCloseAmidPublishing(t *testing.T, f *farm) {
	nodes := f.joinAll(2)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for {
				err := nodes[0].Publish(t.Context(), message(group(fmt.Sprint(g)), "x"))
				if err == nil {
					continue
				}
				if !errors.Is(err, scaleout.ErrClosed) {
					t.Errorf("Publish: %v, want ErrClosed", err)
				}
				return
			}
		})
	}
	nodes[1].waitFor("some messages", func() bool { return len(nodes[1].delivered()) > 20 })
	if err := nodes[0].Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	await.Group(t, &wg, "the publishers on the closed node")
	published := len(nodes[0].delivered())
	nodes[1].waitFor("what the other has delivered", func() bool { return len(nodes[1].delivered()) >= published })
	nodes[1].nothingLost()
}

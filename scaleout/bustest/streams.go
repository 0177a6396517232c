package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// Whoever publishes at the same time, all nodes deliver a topic's messages in
// the same order: positions rise in each stream, and each publisher's numbers go
// up by one.
func testOrder(t *testing.T, f *farm) {
	const publishers, each = 3, 40
	topics := []scaleout.Topic{{}, group("a"), group("b"), {Kind: scaleout.User, Name: "a"}}
	nodes := f.joinAll(3)
	var wg sync.WaitGroup
	for i, node := range nodes {
		for p := range publishers {
			wg.Go(func() {
				for n := range each {
					node.publish(topics[(n+p)%len(topics)], fmt.Sprintf("%d/%d/%d", i, p, n))
				}
			})
		}
	}
	await.Group(t, &wg, "the publishers")
	const total = 3 * publishers * each
	for _, node := range nodes {
		node.waitFor("everything published", func() bool { return len(node.delivered()) >= total })
	}
	want := byTopic(nodes[0].delivered())
	for _, node := range nodes {
		envelopes := node.delivered()
		if len(envelopes) != total {
			t.Errorf("node %d delivered %d, want %d", node.ID(), len(envelopes), total)
		}
		if got := byTopic(envelopes); !reflect.DeepEqual(got, want) {
			t.Errorf("the order on node %d differs from that on node %d:\n%v\n%v", node.ID(), nodes[0].ID(), got, want)
		}
		checkStreams(t, envelopes)
		node.nothingLost()
	}
}

func byTopic(envelopes []*scaleout.Envelope) map[scaleout.Topic][]string {
	targets := make(map[scaleout.Topic][]string)
	for _, e := range envelopes {
		targets[e.Topic] = append(targets[e.Topic], e.Target)
	}
	return targets
}

// checkStreams checks positions and sequences of what a node has delivered that
// was there from the beginning.
func checkStreams(t *testing.T, envelopes []*scaleout.Envelope) {
	t.Helper()
	type numbered struct {
		stream    int
		publisher scaleout.NodeID
	}
	positions := make(map[int]scaleout.Position)
	sequences := make(map[numbered]uint64)
	streams := make(map[scaleout.Topic]int)
	for _, e := range envelopes {
		if last, ok := positions[e.Stream]; ok && last.Compare(e.Position) >= 0 {
			t.Errorf("in stream %d, %v came after %v", e.Stream, e.Position, last)
		}
		positions[e.Stream] = e.Position
		if stream, ok := streams[e.Topic]; ok && stream != e.Stream {
			t.Errorf("%v is in streams %d and %d", e.Topic, stream, e.Stream)
		}
		streams[e.Topic] = e.Stream
		key := numbered{e.Stream, e.Publisher}
		if sequences[key]++; sequences[key] != e.Sequence {
			t.Errorf("node %d's number in stream %d is %d, want %d", e.Publisher, e.Stream, e.Sequence, sequences[key])
		}
	}
}

func testOwnNode(t *testing.T, f *farm) {
	nodes := f.joinAll(2)
	var want []string
	for i := range 50 {
		target := fmt.Sprint(i)
		want = append(want, target)
		nodes[0].publish(group(fmt.Sprint(i%7)), target)
		if got := nodes[0].targets(); !slices.Equal(got, want) {
			t.Fatalf("after Publish the node has delivered %q, want %q", got, want)
		}
	}
}

func testSeveralTopics(t *testing.T, f *farm) {
	node := f.joinAll(2)[1]
	var wg sync.WaitGroup
	const goroutines, each = 4, 50
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				node.publish(group(fmt.Sprint(i%9)), fmt.Sprintf("%d %d", g, i))
			}
		})
	}
	await.Group(t, &wg, "the publishers")
	next := make([]int, goroutines)
	for _, target := range node.targets() {
		var g, i int
		if _, err := fmt.Sscan(target, &g, &i); err != nil || g >= goroutines {
			t.Fatalf("delivered %q", target)
		}
		if i != next[g] {
			t.Fatalf("goroutine %d's message %d was delivered when %d was next", g, i, next[g])
		}
		next[g]++
	}
	for g, n := range next {
		if n != each {
			t.Errorf("%d messages of goroutine %d were delivered, want %d", n, g, each)
		}
	}
}

func testFields(t *testing.T, f *farm) {
	nodes := f.joinAll(3)
	topic := scaleout.Topic{Kind: scaleout.Group, Name: "every \x00\xff field"}
	fresh := func() *scaleout.Envelope {
		return &scaleout.Envelope{
			Kind: scaleout.Invoke, Topic: topic,
			Excluded: []string{"a", "b"},
			Target:   "target",
			Bodies: []scaleout.Body{
				{Protocol: "json", Data: []byte("{}\x1e")}, {Protocol: "messagepack", Data: []byte{0, 0xff, '\r', '\n'}},
			},
			Group: "group", Request: 1<<64 - 1, ReplyTo: 1<<32 - 1, Error: "error", Outcome: 255,
			Connections: []string{"c"}, Number: 1<<64 - 1,
		}
	}
	if err := nodes[1].Publish(t.Context(), fresh()); err != nil {
		t.Fatal(err)
	}
	nodes[1].publish(topic, "end")
	if err := nodes[1].Send(t.Context(), nodes[2].ID(), fresh()); err != nil {
		t.Fatal(err)
	}
	check := func(got *scaleout.Envelope) {
		t.Helper()
		want := fresh()
		want.Publisher, want.Sequence = nodes[1].ID(), got.Sequence
		want.Stream, want.Position = got.Stream, got.Position
		if !reflect.DeepEqual(got, want) {
			t.Errorf("delivered %+v, want %+v", got, want)
		}
	}
	var first *scaleout.Envelope
	for _, node := range nodes {
		node.waitFor("both", func() bool { return slices.Contains(node.targets(), "end") })
		got := slices.DeleteFunc(node.delivered(), func(e *scaleout.Envelope) bool { return e.Stream < 0 })
		if len(got) != 2 {
			t.Fatalf("node %d delivered %d, want 2", node.ID(), len(got))
		}
		check(got[0])
		if got[0].Sequence != 1 || got[1].Sequence != 2 {
			t.Errorf("the sequences are %d and %d, want 1 and 2", got[0].Sequence, got[1].Sequence)
		}
		if first == nil {
			first = got[0]
		}
		if got[0].Stream != first.Stream || got[0].Position != first.Position {
			t.Errorf("on node %d the place is %d, %v; on another %d, %v",
				node.ID(), got[0].Stream, got[0].Position, first.Stream, first.Position)
		}
	}
	nodes[2].waitFor("what was sent", func() bool { return len(nodes[2].delivered()) == 3 })
	i := slices.IndexFunc(nodes[2].delivered(), func(e *scaleout.Envelope) bool { return e.Stream < 0 })
	if i < 0 {
		t.Fatal("what was sent is not in the node's own stream, -1")
	}
	check(nodes[2].delivered()[i])
}

func testBig(t *testing.T, f *farm) {
	nodes := f.joinAll(2)
	data := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 1<<20) }
	const count = 5
	for i := range count {
		e := message(group("big"), "big")
		e.Bodies[0].Data = data(i)
		if err := nodes[0].Publish(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		node.waitFor("big envelopes", func() bool { return len(node.delivered()) >= count })
		for i, e := range node.delivered() {
			if !bytes.Equal(e.Body("json"), data(i)) {
				t.Errorf("envelope %d on node %d has other data", i, node.ID())
			}
		}
	}
}

func testManyTopics(t *testing.T, f *farm) {
	const publishers, topics = 8, 100
	nodes := f.joinAll(2)
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range topics {
				name := fmt.Sprint(p, " ", i)
				nodes[p%2].publish(group(name), name)
			}
		})
	}
	await.Group(t, &wg, "the publishers")
	for _, node := range nodes {
		node.waitFor("all topics", func() bool { return len(node.delivered()) >= publishers*topics })
		for topic, targets := range byTopic(node.delivered()) {
			if !slices.Equal(targets, []string{topic.Name}) {
				t.Errorf("in topic %q node %d delivered %q", topic.Name, node.ID(), targets)
			}
		}
	}
}

func testLateJoiner(t *testing.T, f *farm) {
	early := f.join("hub")
	topics := []scaleout.Topic{{}, group("a"), group("b"), group("c"), group("d")}
	for _, topic := range topics {
		early.publish(topic, "before")
	}
	late := f.join("hub")
	var want []string
	for i, topic := range topics {
		want = append(want, fmt.Sprint(i))
		early.publish(topic, want[i])
	}
	late.waitFor("what comes after", func() bool { return len(late.delivered()) >= len(topics) })
	got := late.targets() // several streams, in any order
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("the late node delivered %q, want %q", got, want)
	}
	late.nothingLost()
}

func testHubs(t *testing.T, f *farm) {
	hubs := []string{"hub", "Hub", "hub/0", "hub/node", "hub}", "{hub}", "hub:hub", "hub%2F0", "hüb", "*"}
	bus := f.newBus()
	var nodes []*member
	for _, hub := range hubs {
		nodes = append(nodes, f.joinOn(bus, hub))
	}
	for i, node := range nodes {
		node.publish(group("same"), hubs[i])
		node.publish(scaleout.Topic{}, hubs[i])
	}
	for i, node := range nodes {
		node.publish(group("same"), "end")
		node.waitFor("its own", func() bool { return len(node.delivered()) >= 3 })
		if got, want := node.targets(), []string{hubs[i], hubs[i], "end"}; !slices.Equal(got, want) {
			t.Errorf("hub %q delivered %q, want %q", hubs[i], got, want)
		}
		if ids := node.Nodes(); !slices.Equal(ids, []scaleout.NodeID{node.ID()}) {
			t.Errorf("hub %q has the nodes %v, want itself, %d, alone", hubs[i], ids, node.ID())
		}
		other := nodes[(i+1)%len(nodes)]
		if err := node.Send(soon(t), other.ID(), message(scaleout.Topic{}, "x")); !errors.Is(err, scaleout.ErrNoNode) {
			t.Errorf("Send to a node of another hub: %v, want ErrNoNode", err)
		}
	}
}

func testCancelled(t *testing.T, f *farm) {
	nodes := f.joinAll(2)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := nodes[0].Publish(ctx, message(group("a"), "never")); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish: %v, want context.Canceled", err)
	}
	if err := nodes[0].Send(ctx, nodes[1].ID(), message(scaleout.Topic{}, "never")); !errors.Is(err, context.Canceled) {
		t.Errorf("Send: %v, want context.Canceled", err)
	}
	nodes[0].publish(group("a"), "published")
	nodes[0].send(nodes[1], "sent")
	nodes[1].waitFor("both", func() bool { return len(nodes[1].delivered()) >= 2 })
	if got := nodes[1].targets(); slices.Contains(got, "never") {
		t.Errorf("delivered %q", got)
	}
	for _, node := range nodes {
		node.nothingLost()
	}
}

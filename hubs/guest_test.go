package hubs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// guestHub is what guests call.
type guestHub struct{ events chan string }

func (*guestHub) Add(_ *hubs.Context, numbers ...int) int {
	sum := 0
	for _, n := range numbers {
		sum += n
	}
	return sum
}
func (*guestHub) Void(*hubs.Context) error                  { return nil }
func (*guestHub) Nothing(*hubs.Context) (*int, error)       { return nil, nil }
func (*guestHub) Fail(*hubs.Context) error                  { return hubs.NewError("no seats") }
func (*guestHub) Panic(*hubs.Context)                       { panic("oh") }
func (*guestHub) Secret(*hubs.Context) error                { return nil }
func (*guestHub) Count(*hubs.Context) iter.Seq2[int, error] { return nil }
func (*guestHub) Who(c *hubs.Context) string {
	return fmt.Sprint(c.ConnectionID(), " ", c.UserID(), " ", c.Request().URL.Path, " ", c.Transport(), " ", c.Method())
}
func (*guestHub) Reply(c *hubs.Context, text string) error {
	return c.Clients().Caller().Send(c, "reply", text)
}
func (h *guestHub) OnConnected(c *hubs.Context) error {
	h.events <- "connected " + c.UserID()
	return c.Groups().Add(c, c.ConnectionID(), "lobby")
}
func (h *guestHub) OnReconnected(c *hubs.Context) error {
	h.events <- "reconnected " + c.UserID()
	return nil
}
func (h *guestHub) OnDisconnected(c *hubs.Context, cause error) {
	h.events <- fmt.Sprint("disconnected ", c.UserID(), " ", cause)
}

// guestWorld is a farm in memory that guests visit.
type guestWorld struct {
	t      *testing.T
	hubs   []*hubs.Hub
	nodes  []bridge.Hub
	events diary
}

func newGuestWorld(t *testing.T, nodes int, opts ...hubs.Option) *guestWorld {
	return newGuestWorldOn(t, scaleout.NewMemory(), nodes, opts...)
}

func newGuestWorldOn(t *testing.T, bus scaleout.Bus, nodes int, opts ...hubs.Option) *guestWorld {
	w := &guestWorld{t: t, events: newDiary()}
	for range nodes {
		h, err := hubs.New(&guestHub{w.events}, append(opts, hubs.WithName("Chat"), hubs.WithBus(bus))...)
		require.NoError(t, err)
		t.Cleanup(func() { shutDown(t, h) })
		b, err := h.Bridge()
		require.NoError(t, err)
		w.hubs, w.nodes = append(w.hubs, h), append(w.nodes, b)
	}
	return w
}

// visit is a guest on a node.
type visit struct {
	t *testing.T
	bridge.Member
	peer *bridge.Peer
	woke chan struct{}
}

func newPeer(user string) *bridge.Peer {
	return &bridge.Peer{
		ConnectionID: bridge.NewConnectionID(),
		UserID:       user,
		Request:      httptest.NewRequest(http.MethodGet, "/signalr/connect", nil),
		Transport:    transports.LongPolling,
		Items:        new(sync.Map),
		Context:      context.Background(),
		Abort:        func() {},
	}
}

func (w *guestWorld) visit(node int, p *bridge.Peer, groups []string, cursor []scaleout.Position) *visit {
	v := &visit{t: w.t, peer: p, woke: make(chan struct{}, 1)}
	v.Member = w.nodes[node].Attach(p, groups, cursor, func() {
		select {
		case v.woke <- struct{}{}:
		default:
		}
	})
	return v
}

// take takes what there is.
func (v *visit) take() (texts []string, last bridge.Batch) {
	for {
		b, err := v.Take(context.Background(), 7)
		require.NoError(v.t, err)
		for _, m := range b.Messages {
			texts = append(texts, string(m))
		}
		if !b.More {
			return texts, b
		}
	}
}

func (v *visit) requireTaken(texts ...string) {
	v.t.Helper()
	got, _ := v.take()
	require.Equal(v.t, texts, got)
}

func said(text string) string { return `{"H":"Chat","M":"say","A":["` + text + `"]}` }

func TestGuestsAreReachedByEverySelector(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 2)
	ctx := t.Context()
	ann, bob := newPeer("ann"), newPeer("bob")
	a, b := w.visit(0, ann, []string{"red"}, nil), w.visit(1, bob, nil, nil)
	clients := w.hubs[1].Clients()
	for name, target := range map[string]hubs.Target{"direct": clients.Client(ann.ConnectionID), "user": clients.User("ann"), "group": clients.Group("red")} {
		require.NoError(t, target.Send(ctx, "say", name))
		a.requireTaken(said(name))
	}
	require.NoError(t, clients.All().Send(ctx, "say", "all"))
	require.NoError(t, clients.AllExcept(ann.ConnectionID).Send(ctx, "say", "not ann"))
	require.NoError(t, clients.GroupExcept("red", ann.ConnectionID).Send(ctx, "say", "nobody"))
	require.NoError(t, clients.Clients(ann.ConnectionID, bob.ConnectionID).Send(ctx, "say", "both"))
	a.requireTaken(said("all"), said("both"))
	b.requireTaken(said("all"), said("not ann"), said("both"))

	require.NoError(t, w.nodes[0].Push(ctx, bob.ConnectionID, []byte(`{"I":"P|1"}`)))
	b.requireTaken(`{"I":"P|1"}`)
}

func TestGuestsGroupsChangeFromAnyNode(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 3)
	ctx := t.Context()
	p := newPeer("")
	v := w.visit(0, p, []string{"old"}, nil)
	require.NoError(t, w.hubs[1].Groups().Add(ctx, p.ConnectionID, "new"))
	require.NoError(t, w.hubs[1].Clients().Group("new").Send(ctx, "say", "1"))
	require.NoError(t, w.hubs[2].Groups().Remove(ctx, p.ConnectionID, "old"))
	require.NoError(t, w.hubs[2].Clients().Group("old").Send(ctx, "say", "2"))
	_, changed := v.Groups()
	require.False(t, changed, "as of what was taken")
	v.requireTaken(said("1"))
	names, changed := v.Groups()
	require.Equal(t, []string{"new"}, names)
	require.True(t, changed)
	_, changed = v.Groups()
	require.False(t, changed)

	require.NoError(t, w.hubs[0].Groups().Add(ctx, bridge.NewConnectionID(), "new"), "nobody has that id: answered at once")
}

func TestGuestsCountAndAreEnded(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 2)
	ctx := t.Context()
	p := newPeer("ann")
	v, other := w.visit(0, p, []string{"red"}, nil), w.visit(1, newPeer("ann"), nil, nil)
	n, err := w.hubs[1].Clients().User("ann").Count(ctx)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	ids, err := w.hubs[1].Clients().Group("red").Connections(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{p.ConnectionID}, ids)

	require.NoError(t, w.hubs[1].Clients().All().Send(ctx, "say", "bye"))
	require.NoError(t, w.hubs[1].Clients().Client(p.ConnectionID).Abort(ctx, nil), nil)
	texts, last := v.take()
	require.Equal(t, []string{said("bye")}, texts)
	require.True(t, last.Aborted)
	_, last = v.take()
	require.True(t, last.Aborted, "again")
	v.Detach()
	_, last = other.take()
	require.False(t, last.Aborted)
	n, err = w.hubs[0].Clients().All().Count(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)

	again := w.visit(1, p, nil, v.Cursor())
	texts, last = again.take()
	require.Empty(t, texts)
	require.True(t, last.Aborted, "the cursor stays before that")
	again.Detach()
	again = w.visit(1, p, nil, nil)
	_, last = again.take()
	require.False(t, last.Aborted)
	require.NoError(t, w.nodes[0].Moved(ctx, p.ConnectionID))
	_, last = again.take()
	require.True(t, last.Left)
}

// What comes with the news that a guest has left would be lost: the cursor was
// behind it, and who writes the one writes the other to the client, which may be
// here still when a late request of it has come to the other node.
func TestGuestThatHasLeftTakesNothing(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 2)
	ctx := t.Context()
	p := newPeer("ann")
	v := w.visit(0, p, nil, nil)
	for i := range 3 {
		require.NoError(t, w.hubs[0].Clients().User("ann").Send(ctx, "say", fmt.Sprint(i)))
	}
	b, err := v.Take(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte(said("0"))}, b.Messages)
	cursor := v.Cursor()
	require.NoError(t, w.nodes[1].Moved(ctx, p.ConnectionID))
	b, err = v.Take(ctx, 1)
	require.NoError(t, err)
	require.Equal(t, bridge.Batch{Left: true}, b)
	require.Equal(t, cursor, v.Cursor())
	w.visit(1, p, nil, cursor).requireTaken(said("1"), said("2"))
}

func TestGuestMissesNothingBetweenNodes(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 2)
	ctx := t.Context()
	p := newPeer("ann")
	v := w.visit(0, p, []string{"red"}, nil)
	require.NoError(t, w.hubs[0].Clients().All().Send(ctx, "say", "1"))
	v.requireTaken(said("1"))
	cursor := v.Cursor()
	v.Detach()

	send := func(h int, target func(hubs.Clients) hubs.Target, text string) {
		require.NoError(t, target(w.hubs[h].Clients()).Send(ctx, "say", text))
	}
	group := func(name string) func(hubs.Clients) hubs.Target {
		return func(c hubs.Clients) hubs.Target { return c.Group(name) }
	}
	send(0, group("red"), "2")
	send(0, group("blue"), "not yet")
	require.NoError(t, w.hubs[0].Groups().Add(ctx, p.ConnectionID, "blue"))
	send(1, group("blue"), "3")
	require.NoError(t, w.hubs[0].Groups().Remove(ctx, p.ConnectionID, "red"))
	send(1, group("red"), "not any more")

	v = w.visit(1, p, []string{"red"}, cursor)
	send(0, group("blue"), "4")
	texts, _ := v.take()
	require.ElementsMatch(t, []string{said("2"), said("3"), said("4")}, texts)
	names, changed := v.Groups()
	require.Equal(t, []string{"blue"}, names)
	require.True(t, changed)
	send(0, group("blue"), "5")
	v.requireTaken(said("5"))
}

// A guest that takes nothing for long has a bounded queue and misses nothing.
func TestSlowGuestReadsTheLog(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 1)
	v := w.visit(0, newPeer("ann"), nil, nil)
	const count = 5000
	var want []string
	for i := range count {
		text := fmt.Sprint(i)
		require.NoError(t, w.hubs[0].Clients().User("ann").Send(t.Context(), "say", text))
		want = append(want, said(text))
	}
	v.requireTaken(want...)
}

// A log that does not reach back to a cursor, or has never been there, proves nothing.
func TestGuestWhoseLogIsGoneIsUnproven(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]scaleout.Position{
		"of the future": {Major: uint64(time.Now().Add(time.Hour).UnixMilli())}, "of an earlier log": {Major: 1, Minor: 7}, "nowhere": {},
	} {
		w := newGuestWorld(t, 1)
		require.NoError(t, w.hubs[0].Clients().All().Send(t.Context(), "say", "1"))
		v := w.visit(0, newPeer(""), []string{"red"}, slices.Repeat([]scaleout.Position{at}, w.nodes[0].Streams()))
		for range 2 {
			require.NoError(t, w.hubs[0].Clients().All().Send(t.Context(), "say", "2"))
			texts, last := v.take()
			require.Empty(t, texts, name)
			require.Equal(t, bridge.Batch{Unproven: true}, last, name)
		}
	}
}

// A guest that was too slow for the log goes on with the groups that it is in by then.
func TestGuestThatIsSlowerThanTheLog(t *testing.T) {
	t.Parallel()
	w := newGuestWorldOn(t, scaleout.NewMemory(scaleout.WithLogLimits(scaleout.LogLimits{Entries: 10})), 1)
	ctx, h := t.Context(), w.hubs[0]
	p := newPeer("ann")
	v := w.visit(0, p, []string{"red"}, nil)
	require.NoError(t, h.Groups().Add(ctx, p.ConnectionID, "blue"))
	require.NoError(t, h.Groups().Remove(ctx, p.ConnectionID, "red"))
	for i := range 1100 {
		require.NoError(t, h.Clients().User("ann").Send(ctx, "say", fmt.Sprint(i)))
	}
	for i := range 100 { // in all streams
		require.NoError(t, h.Clients().Group(fmt.Sprint(i)).Send(ctx, "say", "others"))
	}
	for _, group := range []string{"red", "blue"} {
		require.NoError(t, h.Clients().Group(group).Send(ctx, "say", "before it goes on"))
	}
	texts, last := v.take()
	require.Empty(t, texts)
	require.False(t, last.Unproven)
	names, changed := v.Groups()
	require.True(t, changed)
	require.Equal(t, []string{"blue"}, names)
	for _, group := range []string{"red", "blue"} {
		require.NoError(t, h.Clients().Group(group).Send(ctx, "say", group))
	}
	v.requireTaken(said("blue"))
}

// A guest that reads in the log of changes that were made long ago is in the groups of today if the log is lost then.
func TestGuestThatLosesTheLogWhileItReads(t *testing.T) {
	t.Parallel()
	w := newGuestWorldOn(t, scaleout.NewMemory(scaleout.WithLogLimits(scaleout.LogLimits{Entries: 400})), 1)
	ctx, h := t.Context(), w.hubs[0]
	p := newPeer("")
	v := w.visit(0, p, nil, nil)
	v.take()
	send := func(count int, target hubs.Target) {
		for range count {
			require.NoError(t, target.Send(ctx, "say", "hi"))
		}
	}
	require.NoError(t, h.Groups().Add(ctx, p.ConnectionID, "red"))
	send(300, h.Clients().Group("red"))
	require.NoError(t, h.Groups().Remove(ctx, p.ConnectionID, "red"))
	streams := w.nodes[0].Streams()
	streamOf := func(group string) int { return scaleout.Topic{Kind: scaleout.Group, Name: group}.Stream(streams) }
	full := map[int]bool{streamOf("red"): true}
	for i := 0; len(full) < streams; i++ { // so much by each of the other streams that its queue overflows
		group := fmt.Sprint("other ", i)
		if full[streamOf(group)] {
			continue
		}
		full[streamOf(group)] = true
		require.NoError(t, h.Groups().Add(ctx, p.ConnectionID, group))
		send(350, h.Clients().Group(group))
		require.NoError(t, h.Groups().Remove(ctx, p.ConnectionID, group))
	}
	b, err := v.Take(ctx, 10)
	require.NoError(t, err)
	require.Len(t, b.Messages, 10, "of the log")
	require.Positive(t, b.LogBytes)
	send(500, h.Clients().Group("red"))
	_, last := v.take()
	require.False(t, last.Unproven)
	names, _ := v.Groups()
	require.Empty(t, names)
	send(1, h.Clients().Group("red"))
	send(1, h.Clients().All())
	v.requireTaken(said("hi"))
}

// What is read of the log is counted, whomever it is for; what is delivered is not.
func TestGuestCountsWhatIsReadOfTheLog(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 1)
	p := newPeer("")
	v := w.visit(0, p, nil, nil)
	cursor := v.Cursor()
	for range 300 {
		require.NoError(t, w.hubs[0].Clients().Group("others").Send(t.Context(), "say", strings.Repeat("x", 1000)))
	}
	require.NoError(t, w.hubs[0].Clients().All().Send(t.Context(), "say", "hi"))
	b, err := v.Take(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, b.Messages, 1)
	require.Zero(t, b.LogBytes)
	v.Detach()
	v = w.visit(0, p, nil, cursor)
	b, err = v.Take(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, b.Messages, 1)
	require.Greater(t, b.LogBytes, 300_000)
	require.Less(t, b.LogBytes, 400_000)
}

// Publishers on two nodes send numbers by every kind of topic, while a guest goes
// from one node to the other and loses answers on the way.
func TestGuestGetsEveryNumberOnce(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 2)
	p := newPeer("ann")
	const each = 1500
	targets := map[string]func(hubs.Clients) hubs.Target{
		"all":    hubs.Clients.All,
		"red":    func(c hubs.Clients) hubs.Target { return c.Group("red") },
		"blue":   func(c hubs.Clients) hubs.Target { return c.Group("blue") },
		"user":   func(c hubs.Clients) hubs.Target { return c.User("ann") },
		"direct": func(c hubs.Clients) hubs.Target { return c.Client(p.ConnectionID) },
	}
	v := w.visit(0, p, []string{"red", "blue"}, nil)
	var publishers sync.WaitGroup
	for name, target := range targets {
		for node, h := range w.hubs {
			publishers.Go(func() {
				for i := range each {
					if !assert.NoError(t, target(h.Clients()).Send(context.Background(), name, node, i)) {
						return
					}
				}
			})
		}
	}
	done := make(chan struct{})
	go func() {
		publishers.Wait()
		close(done)
	}()

	next := map[string]int{} // by topic and publisher
	total := len(targets) * len(w.hubs) * each
	cursor, groups := v.Cursor(), []string{"red", "blue"}
	random := rand.New(rand.NewPCG(1, 2))
	over := false
	for count := 0; count < total; {
		b, err := v.Take(t.Context(), 1+random.IntN(50))
		require.NoError(t, err)
		if random.IntN(20) == 0 { // the answer is lost
			v.Detach()
			v = w.visit(random.IntN(2), p, groups, cursor)
			continue
		}
		cursor = v.Cursor()
		if names, changed := v.Groups(); changed {
			groups = names
		}
		for _, text := range b.Messages {
			var m struct {
				M string
				A [2]int
			}
			require.NoError(t, json.Unmarshal(text, &m))
			key := fmt.Sprint(m.M, m.A[0])
			require.Equal(t, next[key], m.A[1], key)
			next[key]++
			count++
		}
		if len(b.Messages) == 0 && !b.More {
			require.False(t, over, "%d of %d have come: %v", count, total, next)
			select {
			case <-v.woke:
			case <-done:
				over = true // one more look
			case <-time.After(await.Timeout):
				require.FailNow(t, "timed out waiting for more numbers", "%d of %d have come: %v", count, total, next)
			}
		}
	}
}

func TestGuestCalls(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 1, hubs.WithMethodAuthorization(func(*hubs.Context) error { return errors.New("no") }, "Secret"))
	p := newPeer("ann")
	call := func(method string, arguments ...string) (string, error) {
		var raws []json.RawMessage
		for _, a := range arguments {
			raws = append(raws, json.RawMessage(a))
		}
		result, err := w.nodes[0].Call(p, method, raws)
		return string(result), err
	}
	for _, test := range []struct {
		method    string
		arguments []string
		want      string
	}{
		{"Add", nil, "0"},
		{"add", []string{"1", "2"}, "3"},
		{"Void", nil, ""},
		{"Nothing", nil, "null"},
		{"Who", nil, `"` + p.ConnectionID + ` ann /signalr/connect LongPolling Who"`},
	} {
		got, err := call(test.method, test.arguments...)
		require.NoError(t, err)
		require.Equal(t, test.want, got, test.method)
	}
	for _, test := range []struct {
		method    string
		arguments []string
		want      error
	}{
		{"Missing", nil, bridge.ErrNoMethod},
		{"Count", nil, bridge.ErrNoMethod},
		{"OnConnected", nil, bridge.ErrNoMethod},
		{"Void", []string{"1"}, bridge.ErrArguments},
		{"Add", []string{`"x"`}, bridge.ErrArguments},
		{"Secret", nil, bridge.ErrUnauthorized},
	} {
		_, err := call(test.method, test.arguments...)
		require.ErrorIs(t, err, test.want, test.method)
	}
	_, err := call("Fail")
	forClient := (*hubs.Error)(nil)
	require.ErrorAs(t, err, &forClient)
	_, err = call("Panic")
	require.EqualError(t, err, "panic: oh")

	var names []string
	for _, m := range w.nodes[0].Methods() {
		names = append(names, m.Name)
	}
	require.Equal(t, "Add Fail Nothing Panic Reply Secret Void Who", strings.Join(names, " "))

	v := w.visit(0, p, nil, nil)
	_, err = call("Reply", `"hi"`)
	require.NoError(t, err)
	p.State = func() json.RawMessage { return json.RawMessage(`{"name":"x"}`) }
	_, err = call("Reply", `"you"`)
	require.NoError(t, err)
	v.requireTaken(`{"H":"Chat","M":"reply","A":["hi"]}`, `{"H":"Chat","M":"reply","A":["you"],"S":{"name":"x"}}`)

	_, err = hubs.Invoke[int](t.Context(), w.hubs[0].Clients().Client(p.ConnectionID), "ask")
	require.Error(t, err)
}

func TestGuestLifecycle(t *testing.T) {
	t.Parallel()
	w := newGuestWorld(t, 1)
	p := newPeer("ann")
	v := w.visit(0, p, nil, nil)
	require.NoError(t, w.nodes[0].Connected(p))
	require.NoError(t, w.nodes[0].Reconnected(p))
	require.NoError(t, w.nodes[0].Disconnected(p, hubs.ErrClientTimeout))
	w.events.expect(t, "connected ann")
	w.events.expect(t, "reconnected ann")
	w.events.expect(t, "disconnected ann "+hubs.ErrClientTimeout.Error())
	v.take()
	names, _ := v.Groups()
	require.True(t, slices.Equal([]string{"lobby"}, names))
}

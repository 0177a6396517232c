package redis_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/redis"
)

// recorder is a receiver of numbered envelopes, "name number", that keeps which
// number each name is at and what is wrong with their order.
type recorder struct {
	mu       sync.Mutex
	at       map[string]int
	wrong    []string
	count    int
	lost     []scaleout.Loss
	left     []scaleout.NodeID
	silent   []scaleout.NodeID
	targets  []string
	received func()        // called for each envelope, if not nil
	gate     chan struct{} // for received to block on, until release or the end of the test
	release  func()
}

func newRecorder() *recorder {
	gate := make(chan struct{})
	return &recorder{
		at:      make(map[string]int),
		gate:    gate,
		release: sync.OnceFunc(func() { close(gate) }),
	}
}

func (r *recorder) Deliver(e *scaleout.Envelope) {
	if r.received != nil {
		r.received()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	r.targets = append(r.targets, e.Target)
	var name string
	var number int
	if _, err := fmt.Sscan(e.Target, &name, &number); err != nil {
		return
	}
	if number != r.at[name]+1 {
		r.wrong = append(r.wrong, fmt.Sprintf("%s after %d", e.Target, r.at[name]))
	}
	r.at[name] = number
}

func (r *recorder) NodeLeft(id scaleout.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = append(r.left, id)
}

func (r *recorder) NodeSilent(id scaleout.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = append(r.silent, id)
}

func (r *recorder) Lost(l scaleout.Loss) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = append(r.lost, l)
}

// locked returns what f reads of the recorder.
func locked[T any](r *recorder, f func() T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return f()
}

func (r *recorder) has(target string) bool {
	return locked(r, func() bool { return slices.Contains(r.targets, target) })
}

func (r *recorder) delivered() int { return locked(r, func() int { return r.count }) }

func (r *recorder) losses() []scaleout.Loss {
	return locked(r, func() []scaleout.Loss { return slices.Clone(r.lost) })
}

// gone returns the nodes that have left or were silent.
func (r *recorder) gone() []scaleout.NodeID {
	return locked(r, func() []scaleout.NodeID { return slices.Concat(r.left, r.silent) })
}

// complete checks that exactly the numbers up to those of want have come, in
// order, and that nothing was told as lost.
func (r *recorder) complete(t *testing.T, want map[string]int) {
	t.Helper()
	await.Until(t, func() bool {
		return locked(r, func() bool {
			for name, number := range want {
				if r.at[name] < number {
					return false
				}
			}
			return true
		})
	}, "all of %v is delivered", want)
	r.mu.Lock()
	defer r.mu.Unlock()
	require.Empty(t, r.wrong)
	require.Empty(t, r.lost)
	require.Equal(t, want, r.at)
}

// joined is a node with its bus and its receiver.
type joined struct {
	scaleout.Node
	*recorder
	bus *redis.Bus
}

// newBus returns a bus whose options are right.
func newBus(t testing.TB, client goredis.UniversalClient, opts ...redis.Option) *redis.Bus {
	t.Helper()
	bus, err := redis.New(client, opts...)
	require.NoError(t, err)
	return bus
}

// join makes a node of the hub "hub", closed at the end of the test. Unless an option
// says otherwise, publishing waits as long as a busy machine may need.
func join(t testing.TB, client goredis.UniversalClient, opts ...redis.Option) *joined {
	t.Helper()
	return joinWith(t, newRecorder(), client, opts...)
}

func joinWith(t testing.TB, r *recorder, client goredis.UniversalClient, opts ...redis.Option) *joined {
	t.Helper()
	bus := newBus(t, client, append([]redis.Option{patient}, opts...)...)
	node, err := bus.Join("hub", r)
	require.NoError(t, err)
	t.Cleanup(func() {
		closed := make(chan error, 1)
		go func() { closed <- node.Close(context.Background()) }()
		require.NoError(t, await.Receive(t, closed, "node %d to close", node.ID()))
	})
	t.Cleanup(r.release) // else Close would wait for a held receiver if the test fails
	return &joined{Node: node, recorder: r, bus: bus}
}

// meet waits until nodes know each other.
func meet(t testing.TB, nodes ...*joined) {
	t.Helper()
	for _, node := range nodes {
		await.Equal(t, len(nodes), func() int { return len(node.Nodes()) }, "the number of nodes that node %d knows", node.ID())
	}
}

// health returns the state of the node's connection without the cause.
func (j *joined) health() scaleout.Health {
	state, _ := j.Health()
	return state
}

func (j *joined) publish(ctx context.Context, target string) error {
	return j.Publish(ctx, message("a topic", target))
}

func message(topic, target string) *scaleout.Envelope {
	return &scaleout.Envelope{
		Kind: scaleout.Message, Topic: scaleout.Topic{Kind: scaleout.Group, Name: topic}, Target: target,
		Bodies: []scaleout.Body{{Protocol: "json", Data: []byte(target)}},
	}
}

// traffic is numbered envelopes that are published all the time.
type traffic struct {
	t       *testing.T
	stop    chan struct{}
	wg      sync.WaitGroup
	mu      sync.Mutex
	numbers map[string]int
}

// publishAll lets several goroutines on each node publish, each to a topic of
// its own, until finish is called. All must succeed.
func publishAll(t *testing.T, nodes ...*joined) *traffic {
	tr := &traffic{t: t, stop: make(chan struct{}), numbers: make(map[string]int)}
	for i, node := range nodes {
		for g := range 4 {
			name := fmt.Sprintf("%c%d", 'a'+i, g)
			tr.wg.Go(func() {
				for number := 1; ; number++ {
					select {
					case <-tr.stop:
						return
					default:
					}
					err := node.Publish(t.Context(), message(name, fmt.Sprint(name, " ", number)))
					if err != nil {
						t.Errorf("publishing %s %d: %v", name, number, err)
						return
					}
					tr.mu.Lock()
					tr.numbers[name] = number
					tr.mu.Unlock()
				}
			})
		}
	}
	return tr
}

// progress waits until every goroutine has published n more.
func (tr *traffic) progress(n int) {
	tr.t.Helper()
	count := func() int {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		total := 0
		for _, number := range tr.numbers {
			total += number
		}
		return total
	}
	start := count()
	await.Until(tr.t, func() bool { return tr.t.Failed() || count() >= start+n }, "%d more envelopes are published", n)
}

// finish ends the traffic and returns the last number of each name.
func (tr *traffic) finish() map[string]int {
	tr.t.Helper()
	close(tr.stop)
	await.Group(tr.t, &tr.wg, "the publishers")
	return tr.numbers
}

package redis

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// node is a member of a farm. Its goroutines are one for each follower, one for
// the heartbeats, one that ends what waits for too long, one for each lane that has
// something to append, and one for each call of Redis that is under way, of which a
// few wait for the next; Close waits for all of them.
//
// Locks are not nested, but for lane.mu, under which spawn takes node.mu, and that
// contexts are asked under lane.mu and awaiting.mu whether they have ended.
type node struct {
	bus       *Bus
	hub       string
	keys      keys
	id        scaleout.NodeID
	receiver  scaleout.Receiver
	block     time.Duration
	streams   []*stream // the shared ones, then the node's own
	followers []*follower
	members   *members
	health    *health
	waiting   atomic.Int64  // bytes to be appended
	calls     chan struct{} // holds a token for each call under way
	work      chan func()   // to the goroutines that wait for calls to do
	idle      chan struct{} // holds a token for each of those
	readers   chan struct{}

	ctx     context.Context // ends when everything must
	cancel  context.CancelFunc
	closing chan struct{} // closed when Close begins
	once    sync.Once
	closed  error // what Close returns

	mu      sync.Mutex
	ended   bool // no goroutine is started any more
	wg      sync.WaitGroup
	callers sync.WaitGroup // goroutines that call Redis for others
	lanes   map[string]*lane
	beater  chan struct{} // closed when the last heartbeat was sent; nil before the first
}

func newNode(b *Bus, hub string, receiver scaleout.Receiver) *node {
	b.mu.Lock()
	block := b.block
	b.mu.Unlock()
	n := &node{
		bus: b, hub: hub, receiver: receiver, block: block,
		keys:    newKeys(b.options.prefix, hub),
		calls:   make(chan struct{}, callsLimit+b.options.streams), // each stream may have a follower that waits
		work:    make(chan func()),
		idle:    make(chan struct{}, idleCalls),
		readers: make(chan struct{}, readers),
		closing: make(chan struct{}),
		lanes:   make(map[string]*lane),
	}
	for n.id == 0 {
		n.id = scaleout.NodeID(rand.Uint32())
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.members, n.health = newMembers(n), newHealth(n)
	for i := range b.options.streams {
		n.streams = append(n.streams, newStream(n.keys.stream(i), i))
	}
	for _, s := range n.streams {
		s.lane = n.lane(s.key)
	}
	n.streams = append(n.streams, newStream(n.keys.node(n.id), -1))
	if !b.cluster {
		n.followers = []*follower{{node: n, streams: n.streams, epochKey: n.keys.epoch(), count: readEntries / 8}}
		return n
	}
	for _, s := range n.streams {
		n.followers = append(n.followers, &follower{
			node: n, streams: []*stream{s}, epochKey: epochOf(s.key), count: readEntries / 8,
		})
	}
	return n
}

func newStream(key string, index int) *stream {
	return &stream{key: key, index: index, publishers: make(map[scaleout.NodeID]*publisher)}
}

// join starts the node, and tries that again for a while if Redis is not ready.
func (n *node) join() error {
	deadline := time.Now().Add(n.bus.options.joinTimeout)
	var pause backoff
	for {
		err := n.ping()
		if err == nil {
			err = n.start()
		}
		if err == nil || errors.As(err, new(*streamsError)) || time.Now().After(deadline) {
			return err
		}
		n.log().Warn("redis: joining failed, will be tried again", "error", err)
		pause.wait(n.ctx)
	}
}

// ping finds out whether Redis answers, in one attempt, as the client's own attempts to
// connect take longer than a call may and would hide why they fail.
func (n *node) ping() error {
	_, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (string, error) {
		ping := once{goredis.NewStringCmd(ctx, "ping")}
		_ = n.bus.client.Process(ctx, ping)
		return ping.Result()
	})
	return err
}

// warnOfEviction warns if Redis may remove keys when its memory is full, as far as this
// node may know.
func (n *node) warnOfEviction() {
	info, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (string, error) {
		return n.bus.client.Info(ctx, "memory").Result()
	})
	if err != nil {
		return
	}
	_, policy, _ := strings.Cut(info, "\nmaxmemory_policy:")
	policy, _, _ = strings.Cut(policy, "\r")
	if policy != "" && policy != "noeviction" {
		n.log().Warn("redis: Redis may remove what nodes have yet to read; its maxmemory-policy should be noeviction", "maxmemory-policy", policy)
	}
}

// start joins the farm: the node has its stream and its places before others
// know of it.
func (n *node) start() error {
	if err := n.members.agree(); err != nil {
		return err
	}
	if err := n.createStream(); err != nil {
		return err
	}
	for _, f := range n.followers {
		if err := f.start(); err != nil {
			return err
		}
	}
	if err := n.members.announce(); err != nil {
		return err
	}
	for _, f := range n.followers {
		n.spawn(f.run)
	}
	n.spawn(n.expire)
	beater := make(chan struct{})
	n.beater = beater
	n.spawn(func() {
		defer close(beater)
		n.members.run()
	})
	n.bus.mu.Lock()
	defer n.bus.mu.Unlock()
	n.bus.nodes[n] = struct{}{}
	return nil
}

// traces is how long a node's own stream and its place in the hash of nodes stay when
// nothing comes from it any more: what was sent to it is there as long as what was
// published, should it come back.
func (n *node) traces() time.Duration {
	return max(n.bus.options.retention, 4*n.bus.options.nodeTimeout)
}

// ownExpiry is when the node's own stream goes if no other node removes it.
func (n *node) ownExpiry() time.Duration { return n.traces() + time.Hour }

// createStream makes sure that the node's own stream is there.
func (n *node) createStream() error {
	_, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (any, error) {
		pipe := n.bus.client.Pipeline()
		pipe.XAdd(ctx, &goredis.XAddArgs{Stream: n.keys.node(n.id), Values: []any{fieldMark, ""}})
		pipe.Expire(ctx, n.keys.node(n.id), n.ownExpiry())
		_, err := pipe.Exec(ctx)
		return nil, err
	})
	return err
}

// spawn starts a goroutine that Close waits for. It reports false if it is too
// late for that.
func (n *node) spawn(f func()) bool { return n.spawnIn(&n.wg, f) }

func (n *node) spawnIn(group *sync.WaitGroup, f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return false
	}
	group.Go(f)
	return true
}

func (n *node) log() *slog.Logger {
	return n.bus.options.logger.With("hub", n.hub, "node", uint32(n.id))
}

// logFailure logs a failure, loudly only the first in a row.
func (n *node) logFailure(failures int, message string, err error) {
	level := slog.LevelDebug
	if failures == 1 {
		level = slog.LevelWarn
	}
	n.log().Log(n.ctx, level, message, "failures", failures, "error", err)
}

func (n *node) ID() scaleout.NodeID { return n.id }

func (n *node) Nodes() []scaleout.NodeID { return n.members.living() }

func (n *node) Health() (scaleout.Health, error) { return n.health.get() }

func (n *node) Publish(ctx context.Context, e *scaleout.Envelope) error {
	entry, err := n.publish(ctx, e)
	if err != nil {
		return err
	}
	return n.outcome(entry)
}

// publish begins to append an envelope to the stream of its topic.
func (n *node) publish(ctx context.Context, e *scaleout.Envelope) (*entry, error) {
	s := n.streams[e.Topic.Stream(n.bus.options.streams)]
	return n.begin(ctx, s.lane, &entry{envelope: e, key: s.key, stream: s})
}

func (n *node) Start(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) (wait func() error, err error) {
	if to == 0 {
		entry, err := n.publish(ctx, e)
		if err != nil {
			return nil, err
		}
		return func() error { return n.outcome(entry) }, nil
	}
	if err := n.usable(ctx); err != nil {
		return nil, err
	}
	if err := n.reachable(ctx, to); err != nil {
		return nil, err
	}
	entry, err := n.send(ctx, to, e)
	if err != nil {
		return nil, err
	}
	return func() error {
		err := n.outcome(entry)
		if errors.Is(err, errNoStream) {
			err = n.whyNoStream(to) // to wait for the stream would let what was begun later overtake it
		}
		return err
	}, nil
}

// whyNoStream returns what it means that a node has no stream: either it has left and
// this one has not heard of it yet, or Redis has lost its data and the node has not
// noticed yet, which it will.
func (n *node) whyNoStream(of scaleout.NodeID) error {
	there, gone, err := n.members.ask(of)
	known, left := n.members.state(of)
	if err == nil && gone || left || !known && !there {
		return scaleout.ErrNoNode
	}
	return unreachable(cmp.Or(err, errNoStream))
}

// send begins to append an envelope to the stream of a node.
func (n *node) send(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) (*entry, error) {
	key := n.keys.node(to)
	return n.begin(ctx, n.lane(key), &entry{envelope: e, key: key})
}

func (n *node) Send(ctx context.Context, to scaleout.NodeID, e *scaleout.Envelope) error {
	if err := n.usable(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(n.bus.options.publishTimeout)
	var pause backoff
	for {
		if err := n.reachable(ctx, to); err != nil {
			return err
		}
		entry, err := n.send(ctx, to, e)
		if err == nil {
			err = n.outcome(entry)
		}
		if !errors.Is(err, errNoStream) {
			return err
		}
		err = n.whyNoStream(to)
		if errors.Is(err, scaleout.ErrNoNode) || time.Now().After(deadline) {
			return err
		}
		if !pause.wait(ctx) {
			return ctx.Err()
		}
	}
}

// reachable returns an error if a node is known to have left, or neither this node
// nor Redis knows of it.
func (n *node) reachable(ctx context.Context, to scaleout.NodeID) error {
	known, left := n.members.state(to)
	if left || to == 0 {
		return scaleout.ErrNoNode
	}
	if known {
		return nil
	}
	there, _, err := n.members.ask(to)
	if err != nil {
		return cmp.Or(n.usable(ctx), unreachable(err))
	}
	if !there {
		return scaleout.ErrNoNode
	}
	n.members.heard(to) // who was sent something is told when the node goes
	return nil
}

// usable returns an error if there is no use in beginning.
func (n *node) usable(ctx context.Context) error {
	if n.isClosing() {
		return scaleout.ErrClosed
	}
	return ctx.Err()
}

func (n *node) isClosing() bool {
	select {
	case <-n.closing:
		return true
	default:
		return false
	}
}

// begin puts an entry into a lane.
func (n *node) begin(ctx context.Context, l *lane, e *entry) (*entry, error) {
	if err := n.usable(ctx); err != nil {
		return nil, err
	}
	e.ctx, e.size, e.deadline = ctx, e.envelope.Size(), time.Now().Add(n.bus.options.publishTimeout)
	e.done = n.bus.channels.Get().(chan error)
	if err := l.add(e); err != nil {
		n.bus.channels.Put(e.done)
		return nil, err
	}
	return e, nil
}

// outcome waits for the outcome of an entry, once. That it does not wait for too long,
// or when the entry's context has ended or the node is closed, is the work of expire:
// to wait for two things costs twice as much as for one, and for a channel that many
// others wait for as well, as that of a context may be, even more.
func (n *node) outcome(e *entry) error {
	err := <-e.done
	n.bus.channels.Put(e.done) // it has got its value
	return err
}

// expire ends the waits that have been too long, until the node is closed, which ends
// all. A timer for each wait would cost as much as the rest of it.
func (n *node) expire() {
	ticker := time.NewTicker(expireEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			n.eachAwaited(func(e *entry, l *lane) { e.expire(now, n.bus.options.publishTimeout, l) })
		case <-n.closing:
			n.eachAwaited(func(e *entry, _ *lane) { e.settle(scaleout.ErrClosed) })
			return
		}
	}
}

// eachAwaited calls do for every entry that somebody waits for, and some others, with
// the lane of each.
func (n *node) eachAwaited(do func(e *entry, l *lane)) {
	for _, l := range n.allLanes() {
		l.each(func(e *entry) { do(e, l) })
	}
	for _, s := range n.streams {
		s.awaiting.each(func(e *entry) { do(e, s.lane) })
	}
}

func (n *node) allLanes() []*lane {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Values(n.lanes))
}

// lane returns the lane for a stream.
func (n *node) lane(key string) *lane {
	if !n.bus.cluster {
		key = ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.lanes[key]
	if l == nil {
		l = newLane(n, cmp.Or(key, n.keys.stream(0)))
		n.lanes[key] = l
	}
	return l
}

// Close leaves the farm. It must not be called by the receiver. If Redis does
// not answer, it takes until the client's ReadTimeout, or until ctx is done.
func (n *node) Close(ctx context.Context) error {
	n.once.Do(func() {
		close(n.closing)
		defer context.AfterFunc(ctx, n.cancel)()
		<-n.beater // a late heartbeat would make the node appear to live
		n.leave()
		n.closed = n.stop(ctx)
		n.bus.mu.Lock()
		defer n.bus.mu.Unlock()
		delete(n.bus.nodes, n)
	})
	return n.closed
}

// leave notifies the others, and removes the node's stream. The marks that it adds
// before end the reads that are under way.
func (n *node) leave() {
	_, err := call(n.ctx, n, goodbyeTimeout, func(ctx context.Context) (any, error) {
		key := n.keys.node(n.id)
		pipe := n.bus.client.Pipeline()
		pipe.HSet(ctx, n.keys.nodes(), formatID(n.id), hasLeft)
		for _, f := range n.followers {
			last := f.streams[len(f.streams)-1].key
			pipe.XAdd(ctx, &goredis.XAddArgs{Stream: last, Values: []any{fieldMark, ""}})
			pipe.Expire(ctx, last, keyExpiry)
		}
		pipe.Del(ctx, key)
		if n.bus.cluster {
			pipe.Del(ctx, epochOf(key))
		}
		_, err := pipe.Exec(ctx)
		return nil, err
	})
	if err != nil {
		n.log().Warn("redis: the other nodes do not know that this one has left, and will find it silent", "error", err)
	}
}

// stop ends all goroutines and waits for them, but for calls that Redis has not answered
// when ctx is done, whose results reach nobody.
func (n *node) stop(ctx context.Context) error {
	n.cancel()
	n.mu.Lock()
	n.ended = true
	n.mu.Unlock()
	n.wg.Wait()
	returned := make(chan struct{})
	go func() {
		n.callers.Wait()
		close(returned)
	}()
	select {
	case <-returned:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

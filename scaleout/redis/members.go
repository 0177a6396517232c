package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// hasLeft is in the place of the heartbeat of a node that was closed;
// streamsField is the field, beside the nodes, with the number of streams.
const (
	hasLeft      = "left"
	streamsField = "streams"
)

// members knows which nodes live: those whose heartbeat, a number in a hash,
// goes up, or whose envelopes come. No clocks are compared.
type members struct {
	node *node
	// Used by run alone.
	beat      uint64
	failing   time.Time // since when the heartbeats have failed; zero: they do not
	different bool      // the other nodes have another number of streams

	mu    sync.Mutex
	peers map[scaleout.NodeID]*peer
	// clock is the time in which heartbeats could be seen: it stands still while
	// Redis, or this process, is away.
	clock time.Duration
	round time.Time // when the last round was
}

// peer is another node.
type peer struct {
	heartbeat string
	changed   time.Duration // on the clock
	silent    bool
	left      bool // for ever
}

func newMembers(n *node) *members {
	return &members{node: n, beat: 1, peers: make(map[scaleout.NodeID]*peer), round: time.Now()}
}

// living returns the nodes alive, this one first.
func (m *members) living() []scaleout.NodeID {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := []scaleout.NodeID{m.node.id}
	for id, p := range m.peers {
		if !p.silent && !p.left {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids[1:])
	return ids
}

// state says what is known of a node.
func (m *members) state(id scaleout.NodeID) (known, left bool) {
	if id == m.node.id {
		return true, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[id]
	return p != nil, p != nil && p.left
}

// ask asks Redis whether a node is there.
func (m *members) ask(id scaleout.NodeID) (there, gone bool, err error) {
	heartbeat, err := call(m.node.ctx, m.node, askTimeout, func(ctx context.Context) (string, error) {
		return m.node.bus.client.HGet(ctx, m.node.keys.nodes(), formatID(id)).Result()
	})
	if errors.Is(err, goredis.Nil) {
		return false, false, nil
	}
	return err == nil && heartbeat != hasLeft, heartbeat == hasLeft, err
}

// run sends heartbeats until the node is closed.
func (m *members) run() {
	ticker := time.NewTicker(m.node.bus.options.heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-m.node.closing:
			return
		}
		if err := m.exchange(); err != nil && m.node.ctx.Err() == nil {
			m.failed(err)
		}
	}
}

// failed notes that a heartbeat has failed. When that has been so for the node timeout,
// the node is silent to the others.
func (m *members) failed(err error) {
	if m.failing.IsZero() {
		m.failing = time.Now()
		m.node.log().Warn("redis: the heartbeat failed", "error", err)
	}
	if time.Since(m.failing) >= m.node.bus.options.nodeTimeout {
		m.node.health.set(m, scaleout.Down, err)
	}
}

// succeeded notes that a heartbeat has succeeded, and how many streams the hash of
// nodes says there are: after a loss of data, nodes that differ can meet again.
func (m *members) succeeded(streams string) {
	n := m.node
	m.failing = time.Time{}
	if err := m.sameStreams(streams); err != nil {
		if !m.different {
			n.log().Error("redis: nodes with different numbers of streams do not hear each other", "error", err)
		}
		m.different = true
		n.health.set(m, scaleout.Down, err)
		return
	}
	m.different = false
	n.health.set(m, scaleout.Connected, nil)
}

// vitals is what a round of heartbeats finds.
type vitals struct {
	nodes   map[string]string
	renewed bool // the hash of nodes was lost: this round has made it anew
	epochs  []string
	streams []bool // of all that the node follows: whether it is there
	trimmed []int64
}

// exchange shows that this node lives and learns the same of the others.
func (m *members) exchange() error {
	n := m.node
	m.beat++
	beat := n.heartbeat(m.beat)
	trims := n.idleTrims(time.Now())
	found, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (vitals, error) {
		pipe := n.bus.client.Pipeline()
		pipe.HSet(ctx, n.keys.nodes(), formatID(n.id), beat)
		renewed := pipe.HSetNX(ctx, n.keys.nodes(), streamsField, n.bus.options.streams)
		pipe.Expire(ctx, n.keys.nodes(), keyExpiry)
		streams := make([]*goredis.BoolCmd, len(n.streams))
		for i, s := range n.streams {
			expiry := keyExpiry
			if s.index < 0 {
				expiry = n.ownExpiry()
			}
			streams[i] = pipe.Expire(ctx, s.key, expiry)
		}
		trimmed := make([]*goredis.IntCmd, len(trims))
		for i, t := range trims {
			trimmed[i] = t.add(ctx, pipe)
		}
		nodes := pipe.HGetAll(ctx, n.keys.nodes())
		epochs := make([]*goredis.StringCmd, len(n.followers))
		for i, f := range n.followers {
			epochs[i] = pipe.GetEx(ctx, f.epochKey, keyExpiry)
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
			return vitals{}, err
		}
		v := vitals{nodes: nodes.Val(), renewed: renewed.Val()}
		for _, e := range epochs {
			v.epochs = append(v.epochs, e.Val())
		}
		for _, s := range streams {
			v.streams = append(v.streams, s.Val())
		}
		for _, t := range trimmed {
			v.trimmed = append(v.trimmed, t.Val())
		}
		return v, nil
	})
	if err != nil {
		return err
	}
	for i, t := range trims {
		t.done(found.trimmed[i])
	}
	m.succeeded(found.nodes[streamsField])
	promised := n.parseHeartbeats(found.nodes)
	for i, f := range n.followers {
		f.compareEpoch(found.epochs[i])
		f.promised.Store(&promised)
	}
	for i, there := range found.streams {
		if !there {
			n.followers[min(i, len(n.followers)-1)].suspect.Store(true)
		}
	}
	for _, l := range n.allLanes() {
		l.probe()
	}
	m.judge(found)
	return nil
}

// judge updates the peers, reports which have left or are silent, and clears up after
// them.
func (m *members) judge(found vitals) {
	left, silent, remove := m.update(found.nodes, found.renewed, time.Now())
	for _, id := range left {
		m.node.log().Info("redis: a node has left", "other", uint32(id))
		m.node.receiver.NodeLeft(id)
	}
	for _, id := range silent {
		m.node.log().Warn("redis: a node is silent", "other", uint32(id))
		m.node.receiver.NodeSilent(id)
	}
	if len(remove) == 0 {
		return
	}
	_, err := call(m.node.ctx, m.node, askTimeout, func(ctx context.Context) (any, error) {
		pipe := m.node.bus.client.Pipeline()
		for _, id := range remove {
			pipe.HDel(ctx, m.node.keys.nodes(), formatID(id))
			pipe.Del(ctx, m.node.keys.node(id), epochOf(m.node.keys.node(id)))
		}
		_, err := pipe.Exec(ctx)
		return nil, err
	})
	if err != nil {
		m.node.log().Warn("redis: clearing up after nodes failed", "error", err)
	}
}

// update takes what was found in the hash of nodes. In one that was made anew the
// others may not have shown themselves yet. It returns the nodes that have newly left or
// are newly silent, and those whose traces should be removed.
func (m *members) update(heartbeats map[string]string, renewed bool, now time.Time) (left, silent, remove []scaleout.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	options := m.node.bus.options
	if !renewed {
		m.clock += min(now.Sub(m.round), 2*options.heartbeat)
	}
	m.round = now
	for field, heartbeat := range heartbeats {
		id, ok := parseID(field)
		if !ok || id == m.node.id {
			continue
		}
		p := m.peers[id]
		if p == nil {
			// One that has left before it was known is not news.
			m.peers[id] = &peer{heartbeat: heartbeat, changed: m.clock, left: heartbeat == hasLeft}
			continue
		}
		if p.heartbeat == heartbeat || p.left {
			continue
		}
		p.heartbeat, p.changed, p.silent = heartbeat, m.clock, false
		if heartbeat == hasLeft {
			p.left = true
			left = append(left, id)
		}
	}
	for id, p := range m.peers {
		quiet := m.clock - p.changed
		_, listed := heartbeats[formatID(id)]
		switch {
		case p.left || p.silent:
			switch {
			case listed && quiet >= m.node.traces():
				remove = append(remove, id)
			case !listed && (p.left || quiet >= m.node.traces()):
				delete(m.peers, id)
			}
		case quiet >= options.nodeTimeout:
			p.silent = true
			silent = append(silent, id)
		}
	}
	slices.Sort(left)
	slices.Sort(silent)
	return left, silent, remove
}

// heard notes that there is a node, whose envelopes come. Its heartbeat may not have
// been seen here yet, or be lost.
func (m *members) heard(id scaleout.NodeID) {
	if id == m.node.id {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.peers[id]; p == nil {
		m.peers[id] = &peer{changed: m.clock}
	} else if !p.silent && !p.left {
		p.changed = m.clock
	}
}

// agree makes sure that the farm has the same number of streams.
func (m *members) agree() error {
	n := m.node
	streams, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (string, error) {
		pipe := n.bus.client.Pipeline()
		pipe.HSetNX(ctx, n.keys.nodes(), streamsField, n.bus.options.streams)
		streams := pipe.HGet(ctx, n.keys.nodes(), streamsField)
		_, err := pipe.Exec(ctx)
		return streams.Val(), err
	})
	if err != nil {
		return err
	}
	return m.sameStreams(streams)
}

// sameStreams returns a *streamsError if this node has another number of streams.
func (m *members) sameStreams(streams string) error {
	if own := m.node.bus.options.streams; streams != strconv.Itoa(own) {
		return &streamsError{streams, own}
	}
	return nil
}

// streamsError is that nodes have different numbers of streams.
type streamsError struct {
	theirs string
	own    int
}

func (e *streamsError) Error() string {
	return fmt.Sprintf("redis: the farm has %s streams, this node %d", e.theirs, e.own)
}

// announce makes the node known, to those who are there at once, and takes in who they
// are.
func (m *members) announce() error {
	n := m.node
	heartbeats, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (map[string]string, error) {
		pipe := n.bus.client.Pipeline()
		pipe.HSet(ctx, n.keys.nodes(), formatID(n.id), n.heartbeat(m.beat))
		pipe.Expire(ctx, n.keys.nodes(), keyExpiry)
		nodes := pipe.HGetAll(ctx, n.keys.nodes())
		_, err := pipe.Exec(ctx)
		return nodes.Val(), err
	})
	if err != nil {
		return err
	}
	m.update(heartbeats, false, time.Now())
	others := m.living()[1:]
	if len(others) == 0 {
		return nil
	}
	_, err = call(n.ctx, n, askTimeout, func(ctx context.Context) (any, error) {
		pipe := n.bus.client.Pipeline()
		for _, id := range others {
			pipe.XAdd(ctx, &goredis.XAddArgs{Stream: n.keys.node(id), NoMkStream: true, Values: []any{fieldMark, formatID(n.id)}})
		}
		_, err := pipe.Exec(ctx)
		if errors.Is(err, goredis.Nil) { // one has left meanwhile
			err = nil
		}
		return nil, err
	})
	return err
}

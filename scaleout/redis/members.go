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
// goes up. No clocks are compared.
type members struct {
	node *node
	beat uint64 // used by run alone

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
	down      bool
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
		if !p.down {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids[1:])
	return ids
}

// state says what is known of a node.
func (m *members) state(id scaleout.NodeID) (known, down bool) {
	if id == m.node.id {
		return true, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.peers[id]
	return p != nil, p != nil && p.down
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
			m.node.log().Warn("redis: the heartbeat failed", "error", err)
		}
	}
}

// vitals is what a round of heartbeats tells.
type vitals struct {
	nodes     map[string]string
	epochs    []string
	ownStream bool
}

// exchange shows that this node lives and learns the same of the others.
func (m *members) exchange() error {
	n := m.node
	m.beat++
	beat := m.beat
	found, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (vitals, error) {
		pipe := n.bus.client.Pipeline()
		pipe.HSet(ctx, n.keys.nodes(), formatID(n.id), beat)
		pipe.HSetNX(ctx, n.keys.nodes(), streamsField, n.bus.options.streams)
		pipe.Expire(ctx, n.keys.nodes(), keyExpiry)
		own := pipe.Expire(ctx, n.keys.node(n.id), n.ownExpiry())
		nodes := pipe.HGetAll(ctx, n.keys.nodes())
		epochs := make([]*goredis.StringCmd, len(n.followers))
		for i, f := range n.followers {
			epochs[i] = pipe.GetEx(ctx, f.epochKey, keyExpiry)
		}
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
			return vitals{}, err
		}
		v := vitals{nodes: nodes.Val(), ownStream: own.Val()}
		for _, e := range epochs {
			v.epochs = append(v.epochs, e.Val())
		}
		return v, nil
	})
	if err != nil {
		return err
	}
	for i, f := range n.followers {
		f.compareEpoch(found.epochs[i])
	}
	if !found.ownStream {
		n.followers[len(n.followers)-1].suspect.Store(true)
	}
	m.judge(found.nodes)
	return nil
}

// judge updates the peers, tells which are down, and clears up after them.
func (m *members) judge(heartbeats map[string]string) {
	down, remove := m.update(heartbeats, time.Now())
	for _, id := range down {
		m.node.log().Info("redis: a node is down", "down", uint32(id))
		m.node.receiver.NodeDown(id)
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

// update takes what was found in the hash of nodes. It returns the nodes that
// are newly down, and those whose traces should be removed.
func (m *members) update(heartbeats map[string]string, now time.Time) (down, remove []scaleout.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	options := m.node.bus.options
	m.clock += min(now.Sub(m.round), 2*options.heartbeat)
	m.round = now
	for field, heartbeat := range heartbeats {
		id, ok := parseID(field)
		if !ok || id == m.node.id {
			continue
		}
		p := m.peers[id]
		if p == nil {
			// One that has left before it was known is not news.
			left := heartbeat == hasLeft
			m.peers[id] = &peer{heartbeat: heartbeat, changed: m.clock, down: left, left: left}
			continue
		}
		if p.heartbeat == heartbeat || p.left {
			continue
		}
		p.heartbeat, p.changed = heartbeat, m.clock
		if heartbeat != hasLeft {
			p.down = false // it was away for too long, and is back
			continue
		}
		p.left = true
		if !p.down {
			p.down = true
			down = append(down, id)
		}
	}
	for id, p := range m.peers {
		silent := m.clock - p.changed
		_, listed := heartbeats[formatID(id)]
		switch {
		case !p.down && silent >= options.nodeTimeout:
			p.down = true
			down = append(down, id)
		case p.down && listed && silent >= 4*options.nodeTimeout:
			remove = append(remove, id)
		case p.down && !listed:
			delete(m.peers, id)
		}
	}
	slices.Sort(down)
	return down, remove
}

// heard notes that there is a node, whose heartbeat may not have been seen here
// yet.
func (m *members) heard(id scaleout.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.peers[id] == nil && id != m.node.id {
		m.peers[id] = &peer{changed: m.clock}
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
	if streams != strconv.Itoa(n.bus.options.streams) {
		return fmt.Errorf("redis: the farm has %s streams, this node %d", streams, n.bus.options.streams)
	}
	return nil
}

// announce makes the node known and takes in who is there.
func (m *members) announce() error {
	n := m.node
	heartbeats, err := call(n.ctx, n, askTimeout, func(ctx context.Context) (map[string]string, error) {
		pipe := n.bus.client.Pipeline()
		pipe.HSet(ctx, n.keys.nodes(), formatID(n.id), m.beat)
		pipe.Expire(ctx, n.keys.nodes(), keyExpiry)
		nodes := pipe.HGetAll(ctx, n.keys.nodes())
		_, err := pipe.Exec(ctx)
		return nodes.Val(), err
	})
	if err != nil {
		return err
	}
	m.update(heartbeats, time.Now())
	return nil
}

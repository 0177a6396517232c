// Package redis is a message bus on Redis Streams, which joins the processes
// that serve a hub to one farm:
//
//	client := goredis.NewClient(&goredis.Options{Addr: "localhost:6379"})
//	bus, err := redis.New(client)
//	...
//	chat, err := hubs.New(&Chat{}, hubs.WithBus(bus))
//
// The client may be of a single server, of a Sentinel group or of a Cluster
// (any go-redis UniversalClient), with TLS, an ACL user and a database of the
// user's choice. Redis must be 6.2 or later; the tests run on Redis 7.0 and, where it is
// installed, on Valkey. The client remains the user's, who
// closes it after the hubs.
//
// # What is kept and what is lost
//
// What is published is appended to streams in Redis that keep it for a while
// ([WithRetention], [WithMaxLength]), and every node reads them from its last
// position. A node or a network that is away for less than the retention loses
// nothing, and nothing is delivered twice, also if an append had to be repeated.
// While Redis is away or refuses, publishing waits ([WithPublishTimeout],
// [WithPublishBuffer]) and then fails with an error that has the cause.
//
// A node from which nothing has come for a while ([WithNodeTimeout]) is silent: it is
// not asked any more, and what waits for its replies fails. What was sent to it alone is
// kept as long as what was published. If it comes back later than that, it learns that it
// has missed something, and the hub has its clients connect anew.
//
// On a single server or a Sentinel group, what a node publishes and sends, one after the
// other, is delivered in that order by each node, whatever streams it goes by. In a Cluster
// that holds for each stream alone.
//
// Redis needs memory for all that is published within the retention: 10,000 messages of
// 1 KB a second for a minute are 600 MB. The other bound is a number of envelopes, whatever
// their size. If the memory is not enough (maxmemory), publishing fails until something is
// old enough to go, and the health is [scaleout.Down] meanwhile.
//
// Lost is what Redis itself loses after it has confirmed it: what it had not
// yet written when it crashed (with appendfsync everysec a second), or not yet
// replicated when another took over. Every envelope carries its publisher's
// number, and heartbeats say how far these go, so that the nodes notice, count and
// report it ([scaleout.Receiver]), also how many; they do not get it back.
//
// Redis is trusted: who can write to it can send anything, as any node, to any
// client, and end connections. Protect it as you protect the program itself: with a
// private network or TLS, and with a user of its own (see below). What is malformed is
// dropped, counted ([Stats.Malformed]) and logged now and then.
//
// # Memory of Redis
//
// A stream keeps what is published within the retention, once: at 2,000 messages of 500
// bytes a second and the default of a minute, in both hub protocols, that is 120 MB.
// [WithMaxBytes] and [WithMaxLength] bound it, at the price of a shorter retention.
// maxmemory should be twice that, and maxmemory-policy noeviction: a Redis that is full
// refuses, which publishers and the health of the nodes tell, while one that evicts loses
// messages.
//
// # In Redis
//
// With the prefix p (percent-encoded) and the hub h (likewise) the keys are
//
//	p:{h/0}, p:{h/1} …   the streams, whose number all nodes must agree on; an
//	                     entry has what a node has published at the same time
//	p:{h/node/<id>}      a node's own stream, with an expiry
//	p:{h}:nodes          a hash with the heartbeats of the nodes
//	p:{h}:epoch          a random text, by which lost data is noticed; in a
//	                     Cluster there is one for each stream
//
// so that a user of Redis with few rights needs these:
//
//	~p:* +@stream +@hash +@string +@transaction +@connection +expire +del
//
// and in a Cluster +cluster. With +info a node also warns when it joins if Redis may
// evict keys: maxmemory-policy must be noeviction, as what is evicted is lost. All keys expire a day
// after the farm has ended. Each node needs two to three connections, in a
// Cluster one more for each stream; the client's PoolSize must allow for them.
package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// Bus is a message bus on Redis. It is safe for concurrent use. It has nothing
// to close: its nodes are closed one by one.
type Bus struct {
	client  goredis.UniversalClient
	reads   goredis.UniversalClient // of the followers
	cluster bool                    // streams are then in different places
	block   time.Duration
	options options
	stats   counters
	// channels are reused by those who wait for what they publish.
	channels sync.Pool

	mu    sync.Mutex
	nodes map[*node]struct{}
}

var _ scaleout.Bus = (*Bus)(nil)

// New returns a bus on the client's Redis. It does not connect yet; [Bus.Join]
// does. Every option with a wrong value is reported in the error.
func New(client goredis.UniversalClient, opts ...Option) (*Bus, error) {
	_, cluster := client.(*goredis.ClusterClient)
	options := defaultOptions(cluster)
	err := options.apply(opts)
	if client == nil {
		err = errors.Join(errors.New("redis: the client must not be nil"), err)
	}
	if err != nil {
		return nil, err
	}
	return &Bus{
		client:   client,
		reads:    cmp.Or(options.readClient, client),
		cluster:  cluster,
		block:    longestBlock,
		options:  options,
		nodes:    make(map[*node]struct{}),
		channels: sync.Pool{New: func() any { return make(chan error, 1) }},
	}, nil
}

// Join makes a node of the farm of a hub. It fails if Redis cannot be reached, refuses
// or is not ready, for as long as [WithJoinTimeout] says, and the error has the cause; or
// at once, if the farm has another number of streams.
func (b *Bus) Join(hub string, receiver scaleout.Receiver) (scaleout.Node, error) {
	if err := b.checkReadTimeout(); err != nil {
		return nil, err
	}
	n := newNode(b, hub, receiver)
	if err := n.join(); err != nil {
		_ = n.stop(context.Background())
		return nil, fmt.Errorf("redis: cannot join the farm of hub %q: %w", hub, err)
	}
	n.warnOfEviction()
	return n, nil
}

// checkReadTimeout makes sure that a read that waits for messages ends before
// the client's own limit for replies, and that there is such a limit, as a call
// that never returns could never be waited for.
func (b *Bus) checkReadTimeout() error {
	block := longestBlock
	for _, client := range []goredis.UniversalClient{b.client, b.reads} {
		var limit time.Duration
		switch client := client.(type) {
		case *goredis.Client:
			limit = client.Options().ReadTimeout
		case *goredis.ClusterClient:
			limit = client.Options().ReadTimeout
		default:
			continue
		}
		if limit <= 0 {
			return errors.New("redis: the client must have a ReadTimeout")
		}
		block = min(block, limit/3) // Redis may take a tenth of a second more
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.block = block
	return nil
}

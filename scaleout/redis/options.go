package redis

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/scaleout"
)

// The defaults of the options.
const (
	DefaultPrefix         = "signalr"
	DefaultStreams        = 1
	DefaultClusterStreams = 4
	DefaultRetention      = time.Minute
	DefaultMaxLength      = 1_000_000
	DefaultMaxBytes       = 1 << 30
	DefaultJoinTimeout    = 5 * time.Second
	DefaultPublishTimeout = 5 * time.Second
	DefaultPublishBuffer  = 16 << 20
	DefaultNodeTimeout    = 5 * time.Second
	DefaultHeartbeat      = time.Second
)

// What is not worth an option.
const (
	// longestBlock is how long a read waits in Redis for something to come.
	longestBlock = time.Second
	// grace is how long beyond that an answer may take before Redis is asked
	// again on another connection.
	grace = 1500 * time.Millisecond
	// staleAfter and downAfter are how many answers in a row must be missing.
	staleAfter = 2
	downAfter  = 4
	// appendTimeout is how long the first attempt to append a batch may take;
	// each further one may take twice as long, as a slow network needs it.
	appendTimeout = 2 * time.Second
	// expireEvery is how often the waits for publishing are looked at, so that they
	// may be that much longer than their limit or their context.
	expireEvery = 50 * time.Millisecond
	// askTimeout is for questions with a small answer.
	askTimeout = 2 * time.Second
	// goodbyeTimeout bounds what Close does to tell the others.
	goodbyeTimeout = time.Second
	// firstBackoff doubles with each failure up to lastBackoff.
	firstBackoff = 20 * time.Millisecond
	lastBackoff  = 500 * time.Millisecond
	// batchEntries and batchBytes bound what is appended at once.
	batchEntries = 512
	batchBytes   = 1 << 20
	// markBytes bounds the entries that find out whether Redis has memory again.
	markBytes = 64 << 10
	// readEntries and readBytes bound what one read gets of a stream. The
	// bytes are an aim: entries are asked for by count, which follows.
	readEntries = 1024
	readBytes   = 4 << 20
	// retryLength is after how many reads that were as long as one may be since a
	// longer one has failed, the longer one is tried again.
	retryLength = 64
	// fewestEntries is how many entries a reader asks for at least, as it gets one of
	// them again with the next.
	fewestEntries = 4
	// firstBytes is that aim for the first read of a reader, which does not know yet
	// how much is in an entry.
	firstBytes = 256 << 10
	// trimEvery is after how many envelopes, at the latest, a stream is trimmed;
	// Redis removes at most about 10,000 entries at a time.
	trimEvery = 1024
	// readers is how many calls of a node read from the logs in Redis at the same
	// time; others wait, as nothing that is live may wait for them.
	readers = 4
	// lookBack is how many entries before a position are looked at for the
	// numbers of their publishers, by which repeated entries after it are known.
	// lookBackBytes is an aim for their length.
	lookBack      = 2 * batchEntries
	lookBackBytes = 1 << 20
	// checkEvery is how often a node that lags looks how far behind it is.
	checkEvery = 250 * time.Millisecond
	// callsLimit bounds the calls that are under way or were given up, beside one for
	// each stream.
	callsLimit = 64
	// idleCalls is how many goroutines wait for calls to do: a lane's and a
	// follower's mostly.
	idleCalls = 2
	// keyExpiry is when keys go that nobody uses any more.
	keyExpiry = 24 * time.Hour
)

type options struct {
	prefix         string
	streams        int
	retention      time.Duration
	maxLength      int64
	maxBytes       int64
	readClient     goredis.UniversalClient // nil: the client of the bus
	joinTimeout    time.Duration
	publishTimeout time.Duration
	publishBuffer  int64
	nodeTimeout    time.Duration
	heartbeat      time.Duration
	log            scaleout.LogLimits
	health         func(scaleout.NodeID, scaleout.Health, error)
	logger         *slog.Logger
}

func defaultOptions(cluster bool) options {
	streams := DefaultStreams
	if cluster {
		streams = DefaultClusterStreams
	}
	return options{
		prefix:         DefaultPrefix,
		streams:        streams,
		retention:      DefaultRetention,
		maxLength:      DefaultMaxLength,
		maxBytes:       DefaultMaxBytes,
		joinTimeout:    DefaultJoinTimeout,
		publishTimeout: DefaultPublishTimeout,
		publishBuffer:  DefaultPublishBuffer,
		nodeTimeout:    DefaultNodeTimeout,
		heartbeat:      DefaultHeartbeat,
		health:         func(scaleout.NodeID, scaleout.Health, error) {},
		logger:         slog.New(slog.DiscardHandler),
	}
}

// apply sets what the options say and reports all that is wrong with them.
func (o *options) apply(opts []Option) error {
	var errs []error
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, errors.New("redis: an option must not be nil"))
			continue
		}
		errs = append(errs, opt(o))
	}
	if o.nodeTimeout < 2*o.heartbeat {
		errs = append(errs, fmt.Errorf("redis: the node timeout of %v must be at least two heartbeats of %v", o.nodeTimeout, o.heartbeat))
	}
	return errors.Join(errs...)
}

func positive[T int | int64 | time.Duration](name string, value T, field *T) error {
	if value <= 0 {
		return fmt.Errorf("redis: %s must be positive, not %v", name, value)
	}
	*field = value
	return nil
}

// Option is a setting of [New].
type Option func(*options) error

// WithPrefix sets what the names of all keys begin with; [DefaultPrefix] if it
// is not given. Applications with different prefixes on one Redis never meet.
func WithPrefix(prefix string) Option {
	return func(o *options) error {
		o.prefix = prefix
		return nil
	}
}

// WithStreams sets how many streams the topics of a hub are spread over;
// [DefaultStreams], or in a Cluster [DefaultClusterStreams], if it is not
// given. All nodes of a farm must have the same number: [Bus.Join] fails otherwise, and
// does so until a day after the last of another number has gone.
// In a Cluster more streams use more of its servers; with a single server they only
// cost more.
func WithStreams(n int) Option {
	return func(o *options) error { return positive("the number of streams", n, &o.streams) }
}

// WithReadClient sets a client by which nodes read the streams, such as one of replicas: it
// takes the traffic to many nodes off the server that is written to. What a node publishes
// returns to it by that way too, so that publishing waits for the replica. Everything else
// goes by the client of [New], which, like this one, must have a ReadTimeout. In a Cluster,
// give New a client that reads from replicas instead.
func WithReadClient(client goredis.UniversalClient) Option {
	return func(o *options) error {
		if client == nil {
			return errors.New("redis: the client for reading must not be nil")
		}
		o.readClient = client
		return nil
	}
}

// WithRetention sets how long what was published is kept; [DefaultRetention] if
// it is not given. A node that was away for longer learns that it has a gap.
func WithRetention(age time.Duration) Option {
	return func(o *options) error { return positive("the retention", age, &o.retention) }
}

// WithMaxLength sets how many envelopes each stream keeps at most, however young
// they are, which bounds the memory of Redis; [DefaultMaxLength] if it is not
// given. It should be more than is published within the retention. It is kept to
// roughly, as an entry of a stream holds what was published at the same time.
func WithMaxLength(envelopes int64) Option {
	return func(o *options) error { return positive("the maximum length", envelopes, &o.maxLength) }
}

// WithJoinTimeout sets how long [Bus.Join] tries while Redis cannot be reached, refuses or
// is not ready, as after a restart; [DefaultJoinTimeout] if it is not given. The last
// attempt may take some seconds more.
func WithJoinTimeout(timeout time.Duration) Option {
	return func(o *options) error { return positive("the join timeout", timeout, &o.joinTimeout) }
}

// WithMaxBytes sets how many bytes of envelopes each stream keeps at most, however young
// they are, as [WithMaxLength] does by their number; [DefaultMaxBytes] if it is not given.
// Redis needs hardly more memory than that.
func WithMaxBytes(bytes int64) Option {
	return func(o *options) error { return positive("the maximum of bytes", bytes, &o.maxBytes) }
}

// WithPublishTimeout sets how long publishing waits while Redis is away before
// it fails with [scaleout.ErrDown]; [DefaultPublishTimeout] if it is not given.
// What Redis has confirmed by then is waited for as long again until this node
// has read it too.
func WithPublishTimeout(timeout time.Duration) Option {
	return func(o *options) error { return positive("the publish timeout", timeout, &o.publishTimeout) }
}

// WithPublishBuffer sets how many bytes a node may have waiting to be appended
// before publishing fails at once with [scaleout.ErrFull];
// [DefaultPublishBuffer] if it is not given. It is also the limit for a single
// envelope.
func WithPublishBuffer(bytes int64) Option {
	return func(o *options) error { return positive("the publish buffer", bytes, &o.publishBuffer) }
}

// WithNodeTimeout sets after how long without a heartbeat or anything else from it a
// node is silent; [DefaultNodeTimeout] if it is not given. The time that Redis was away
// does not count. It must be at least two heartbeats ([WithHeartbeat]), and should
// be a few.
func WithNodeTimeout(timeout time.Duration) Option {
	return func(o *options) error { return positive("the node timeout", timeout, &o.nodeTimeout) }
}

// WithHeartbeat sets how often a node shows that it lives, and looks for the
// others; [DefaultHeartbeat] if it is not given.
func WithHeartbeat(interval time.Duration) Option {
	return func(o *options) error { return positive("the heartbeat", interval, &o.heartbeat) }
}

// WithLogLimits sets what a node keeps in memory of each stream for readers, after
// [scaleout.Node.Keep]; the defaults of [scaleout.LogLimits] if it is not given.
// What is older is read from Redis, as far as [WithRetention] goes.
func WithLogLimits(limits scaleout.LogLimits) Option {
	return func(o *options) error {
		if err := limits.Validate(); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		o.log = limits
		return nil
	}
}

// WithHealth sets a function that is called when the health of a node of this
// bus has changed, with the cause unless it is [scaleout.Connected]. It is called in
// the order of the changes, by one goroutine at a time, and must not block.
func WithHealth(changed func(scaleout.NodeID, scaleout.Health, error)) Option {
	return func(o *options) error {
		if changed == nil {
			return errors.New("redis: the function of WithHealth must not be nil")
		}
		o.health = changed
		return nil
	}
}

// WithLogger sets where the bus logs to; it is silent if it is not given.
// Neither topics nor payloads are logged.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) error {
		if logger == nil {
			return errors.New("redis: the logger must not be nil")
		}
		o.logger = logger
		return nil
	}
}

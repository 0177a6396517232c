package classic

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// Defaults of the options, those of the original server where it has them.
const (
	DefaultDisconnectTimeout = 30 * time.Second
	DefaultConnectionTimeout = 110 * time.Second
	// DefaultSilentTimeout is the connection timeout without keep-alives. Proxies end
	// a response that is silent for too long, nginx by default after 60 s.
	DefaultSilentTimeout           = 50 * time.Second
	DefaultTransportConnectTimeout = 5 * time.Second
	DefaultSendTimeout             = 10 * time.Second
	DefaultMaximumMessageSize      = 64 << 10
	DefaultMaximumParallelCalls    = 100
)

const (
	minDisconnectTimeout = 6 * time.Second
	minKeepAlive         = 2 * time.Second
	maxDefaultKeepAlive  = 20 * time.Second
	maxSilentBeat        = 5 * time.Second // so that timeouts are met by that
	minKeySize           = 32
	// cursorAge is how old the cursor of a client that receives nothing gets while
	// there is something for others: a quarter of what a bus keeps by default. Logs that
	// do not reach back to it any more prove nothing.
	cursorAge = scaleout.DefaultLogAge / 4
	// threshold is what a lost stream gets on top of the disconnect timeout
	// (classic reference 10).
	threshold = 5 * time.Second
	// closeTimeout limits the wait for the client's half of the WebSocket
	// closing handshake.
	closeTimeout = 5 * time.Second
)

// Limits of what a client sends, in bytes. What is longer is refused.
const (
	maxConnectionData  = 16 << 10
	maxConnectionToken = 4 << 10
	minCursorLimit     = 16 << 10 // see Endpoint.cursorLimit
	maxGroupsToken     = 256 << 10
	maxState           = 4 << 10
)

// Option configures an [Endpoint]. One that has no effect there is an error.
type Option func(*options) error

type options struct {
	more              []*hubs.Hub
	policy            []transports.Option
	path              string // as clients see it; "": as their requests have it
	key               []byte
	tokenLifetime     time.Duration // 0: for ever
	detailedErrors    bool
	jsonp             bool
	keepAlive         time.Duration // 0: off
	keepAliveSet      bool
	disconnectTimeout time.Duration
	connectionTimeout time.Duration // 0: by the keep-alive
	connectTimeout    time.Duration
	longPollDelay     time.Duration
	sendTimeout       time.Duration
	maxMessageSize    int
	parallelCalls     int
	maxConnections    int // 0: unlimited
	logger            *slog.Logger
	logAllowance      int
	logRecovery       time.Duration
	cursorAge         time.Duration
	threshold         time.Duration
	closeTimeout      time.Duration
	beat              time.Duration // 0: as the keep-alive demands
	unbounded         bool          // the bounds of the timings are not checked
}

func newOptions(opts []Option) (*options, error) {
	o := &options{
		disconnectTimeout: DefaultDisconnectTimeout,
		connectTimeout:    DefaultTransportConnectTimeout,
		sendTimeout:       DefaultSendTimeout,
		maxMessageSize:    DefaultMaximumMessageSize,
		parallelCalls:     DefaultMaximumParallelCalls,
		logAllowance:      logAllowance,
		logRecovery:       logRecovery,
		cursorAge:         cursorAge,
		threshold:         threshold,
		closeTimeout:      closeTimeout,
	}
	var errs []error
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, errors.New("classic: an option must not be nil"))
			continue
		}
		errs = append(errs, opt(o))
	}
	if !o.keepAliveSet {
		o.keepAlive = min(o.disconnectTimeout/3, maxDefaultKeepAlive)
	}
	if o.connectionTimeout == 0 {
		o.connectionTimeout = DefaultConnectionTimeout
		if o.keepAlive == 0 {
			o.connectionTimeout = DefaultSilentTimeout
		}
	}
	if !o.unbounded {
		errs = append(errs, o.checkTimings())
	}
	if o.beat == 0 && o.keepAlive > 0 {
		o.beat = o.keepAlive / 2
	} else if o.beat == 0 {
		o.beat = min(o.disconnectTimeout/6, maxSilentBeat)
	}
	return o, errors.Join(errs...)
}

func (o *options) checkTimings() error {
	most := o.disconnectTimeout / 3
	if o.keepAliveSet && o.keepAlive != 0 && (o.keepAlive < minKeepAlive || o.keepAlive > most) {
		return fmt.Errorf("classic: the keep-alive must be 0 or from %v to a third of the disconnect timeout, %v, not %v", minKeepAlive, most, o.keepAlive)
	}
	return nil
}

func positive[T int | time.Duration](name string, value T, field *T) error {
	if value <= 0 {
		return fmt.Errorf("classic: %s must be positive, not %v", name, value)
	}
	*field = value
	return nil
}

func atLeast(name string, least, value time.Duration, field *time.Duration) error {
	if value < least {
		return fmt.Errorf("classic: %s must be at least %v, not %v", name, least, value)
	}
	*field = value
	return nil
}

// WithHubs serves more hubs by the endpoint: a client may use several by one
// connection. Two of the same name, whatever the case of its letters, are an
// error.
func WithHubs(more ...*hubs.Hub) Option {
	return func(o *options) error {
		if slices.Contains(more, nil) {
			return errNoHub
		}
		o.more = append(o.more, more...)
		return nil
	}
}

// WithPath sets the path at which clients reach the endpoint, such as "/app/signalr",
// where a proxy in front of the server changes the paths of requests. Clients connect
// to it after the negotiation, and the generated script has it. The path is absolute,
// escaped as in a URL, and does not end in a slash. The default is the path of the
// request, without the operation at its end.
func WithPath(path string) Option {
	return func(o *options) error {
		u, err := url.ParseRequestURI(path)
		if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.HasSuffix(path, "/") ||
			u.EscapedPath() != path {
			return fmt.Errorf("classic: the path must be one such as /app/signalr, not %q", path)
		}
		o.path = path
		return nil
	}
}

// WithKey sets the secret, of 32 bytes or more, from which the keys of the tokens
// are made. Processes of a farm have the same, so that a client can come to any
// of them; it also lets clients stay over a restart, if the bus has a log that outlasts
// it. The default is a random one for each endpoint: clients of others are then refused.
//
// Give endpoints that are not of one farm keys of their own. With the same one, and hubs
// of the same names on other buses, one believes the tokens of the other: clients are in
// the groups there that they were in here, and OnConnected does not run.
func WithKey(key []byte) Option {
	return func(o *options) error {
		if len(key) < minKeySize {
			return fmt.Errorf("classic: the key must have at least %d bytes, not %d", minKeySize, len(key))
		}
		o.key = slices.Clone(key)
		return nil
	}
}

// WithTokenLifetime refuses connection tokens that were given out longer ago:
// clients must then start anew. A stream that is open stays open. The default is
// that tokens do not expire.
func WithTokenLifetime(d time.Duration) Option {
	return func(o *options) error { return positive("the lifetime of tokens", d, &o.tokenLifetime) }
}

// WithDetailedErrors sends the text of every error of a hub to clients, not only those of
// a [hubs.Error]. It is meant for development: the texts may hold what clients
// must not know.
func WithDetailedErrors() Option {
	return func(o *options) error {
		o.detailedErrors = true
		return nil
	}
}

// WithJSONP allows JSONP, by which pages of any origin can use the endpoint with
// their visitor's cookies, past what origins are allowed. By default it is
// refused with 403.
func WithJSONP() Option {
	return func(o *options) error {
		o.jsonp = true
		return nil
	}
}

// WithKeepAlive sets how often something is sent to every client: 0 for never, or
// from 2 s to a third of the disconnect timeout. The default is that third, at most
// 20 s. Proxies end responses that are silent for longer than they allow, nginx by
// default for 60 s.
func WithKeepAlive(d time.Duration) Option {
	return func(o *options) error {
		o.keepAlive, o.keepAliveSet = d, true
		return nil
	}
}

// WithDisconnectTimeout sets how long a client that was lost may take to come
// back before it counts as gone. It is at least 6 s. The default is
// [DefaultDisconnectTimeout].
func WithDisconnectTimeout(d time.Duration) Option {
	return func(o *options) error {
		return atLeast("the disconnect timeout", minDisconnectTimeout, d, &o.disconnectTimeout)
	}
}

// WithConnectionTimeout sets how long a long poll waits for something to answer
// with, and, without keep-alives, how long a stream lives. The default is
// [DefaultConnectionTimeout], and without keep-alives, where nothing shows a proxy that
// a waiting response lives, [DefaultSilentTimeout].
func WithConnectionTimeout(d time.Duration) Option {
	return func(o *options) error { return positive("the connection timeout", d, &o.connectionTimeout) }
}

// WithTransportConnectTimeout sets how long clients wait for a transport to work
// before they try the next. The default is [DefaultTransportConnectTimeout].
func WithTransportConnectTimeout(d time.Duration) Option {
	return func(o *options) error { return positive("the transport connect timeout", d, &o.connectTimeout) }
}

// WithLongPollDelay makes clients wait between two long polls, by at least 1 ms. The
// default is that they do not.
func WithLongPollDelay(d time.Duration) Option {
	return func(o *options) error {
		return atLeast("the delay of long polls", time.Millisecond, d, &o.longPollDelay)
	}
}

// WithSendTimeout limits one write to a client, and one read of what a client
// POSTs; the stream, or the POST, is ended when it takes longer. The default is
// [DefaultSendTimeout].
func WithSendTimeout(d time.Duration) Option {
	return func(o *options) error { return positive("the send timeout", d, &o.sendTimeout) }
}

// WithMaximumMessageSize limits one message of a client, in bytes. A longer one
// ends the client's socket, or is refused. The default is
// [DefaultMaximumMessageSize].
func WithMaximumMessageSize(n int) Option {
	return func(o *options) error { return positive("the maximum message size", n, &o.maxMessageSize) }
}

// WithMaximumParallelCalls limits how many calls of one client are under way at
// once. From a socket nothing more is read meanwhile; further requests are
// answered with 429. The default is [DefaultMaximumParallelCalls].
func WithMaximumParallelCalls(n int) Option {
	return func(o *options) error { return positive("the limit on parallel calls", n, &o.parallelCalls) }
}

// WithMaximumConnections limits how many connections this endpoint has at once,
// those that were lost and may come back included; more are refused with 503.
// The default is no limit.
func WithMaximumConnections(n int) Option {
	return func(o *options) error { return positive("the limit on connections", n, &o.maxConnections) }
}

// WithLogger sets where the endpoint logs. The default is the logger of the first
// hub, or [slog.Default] for raw connections. The level Debug tells why requests
// and calls are refused. Payloads and tokens are never logged.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) error {
		if logger == nil {
			return errors.New("classic: the logger must not be nil")
		}
		o.logger = logger
		return nil
	}
}

// WithPolicy sets what [NewConnections] demands of requests, by
// [transports.WithAuthorization], [transports.WithIdentity],
// [transports.WithExpiration] and [transports.WithAllowedOrigins]; other options
// of package transports have no effect. Endpoints of hubs demand what their hubs
// do instead.
func WithPolicy(opts ...transports.Option) Option {
	return func(o *options) error {
		if slices.ContainsFunc(opts, func(opt transports.Option) bool { return opt == nil }) {
			return errors.New("classic: an option of WithPolicy must not be nil")
		}
		o.policy = append(o.policy, opts...)
		return nil
	}
}

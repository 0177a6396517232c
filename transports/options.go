package transports

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-signalr/signalr/negotiate"
)

// Defaults of the options, those of the reference server where it has them.
const (
	DefaultSendTimeout       = 10 * time.Second
	DefaultCloseTimeout      = 5 * time.Second
	DefaultDisconnectTimeout = 15 * time.Second
	DefaultPollTimeout       = 55 * time.Second // less than the 60 s that many proxies wait
	DefaultBufferSize        = 64 << 10
	DefaultOutboxLimit       = 1 << 20
)

// sweepInterval is the granularity of every timeout.
const sweepInterval = time.Second

// Option configures an [Endpoint]. One that has no effect, since the transport that it is
// for is not enabled, is an error.
type Option func(*options) error

type options struct {
	enabled           [kinds]bool
	special           [kinds][]string          // options that have an effect on one transport alone
	allowOrigin       func(origin string) bool // nil: only the endpoint's own
	allowHost         func(host string) bool   // nil: every host
	authorize         func(*http.Request) error
	identity          func(*http.Request) string
	expires           func(*http.Request) time.Time
	sendTimeout       time.Duration
	closeTimeout      time.Duration
	disconnectTimeout time.Duration
	pollTimeout       time.Duration
	bufferSize        int
	outboxLimit       int // 0: as large as it has to be
	maxConnections    int
	node              uint32
	resume            bool
	subProtocol       func([]string) string
	minVersion        int
	redirect          func(*http.Request) (*negotiate.Redirect, error)
	logger            *slog.Logger
	sweepInterval     time.Duration
}

func newOptions(opts []Option) (*options, error) {
	o := &options{
		enabled:           [kinds]bool{WebSockets: true, ServerSentEvents: true, LongPolling: true},
		authorize:         func(*http.Request) error { return nil },
		identity:          func(*http.Request) string { return "" },
		expires:           func(*http.Request) time.Time { return time.Time{} },
		sendTimeout:       DefaultSendTimeout,
		closeTimeout:      DefaultCloseTimeout,
		disconnectTimeout: DefaultDisconnectTimeout,
		pollTimeout:       DefaultPollTimeout,
		bufferSize:        DefaultBufferSize,
		subProtocol:       func([]string) string { return "" },
		minVersion:        negotiate.MaxVersion,
		logger:            slog.Default(),
		sweepInterval:     sweepInterval,
	}
	var errs []error
	for _, opt := range opts {
		if opt == nil {
			errs = append(errs, errors.New("transports: an option must not be nil"))
			continue
		}
		errs = append(errs, opt(o))
	}
	for k, names := range o.special {
		for _, name := range names {
			if !o.enabled[k] {
				errs = append(errs, fmt.Errorf("transports: %s has no effect without the transport %v", name, Kind(k)))
			}
		}
	}
	switch {
	case o.outboxLimit == 0:
		o.outboxLimit = max(DefaultOutboxLimit, o.bufferSize)
	case o.outboxLimit < o.bufferSize:
		errs = append(errs, fmt.Errorf("transports: the outbox limit must be at least the buffer size, %d, not %d", o.bufferSize, o.outboxLimit))
	}
	return o, errors.Join(errs...)
}

// isFor notes that an option has an effect on one transport alone: without that, it is an
// error.
func (o *options) isFor(kind Kind, option string) {
	o.special[kind] = append(o.special[kind], option)
}

func positive[T int | time.Duration](name string, value T, field *T) error {
	if value <= 0 {
		return fmt.Errorf("transports: %s must be positive, not %v", name, value)
	}
	*field = value
	return nil
}

func function[A, R any](name string, f func(A) R, field *func(A) R) error {
	if f == nil {
		return fmt.Errorf("transports: %s must not be nil", name)
	}
	*field = f
	return nil
}

// WithTransports enables only the transports named, of which there must be one at
// least. The default is all.
func WithTransports(enabled ...Kind) Option {
	return func(o *options) error {
		if len(enabled) == 0 {
			return errors.New("transports: at least one transport must be enabled")
		}
		o.enabled = [kinds]bool{}
		var errs []error
		for _, k := range enabled {
			if k == 0 || k >= kinds {
				errs = append(errs, fmt.Errorf("transports: unknown transport %d", k))
				continue
			}
			o.enabled[k] = true
		}
		return errors.Join(errs...)
	}
}

// WithSendTimeout limits one write to a client; the connection is ended when it takes
// longer. It also limits how long the body of a request may take, which is then refused
// with status 408. What a client POSTs to send may take a second more for each 4 KiB, and
// the application as long as it likes. The default is [DefaultSendTimeout].
func WithSendTimeout(d time.Duration) Option {
	return func(o *options) error { return positive("the send timeout", d, &o.sendTimeout) }
}

// WithCloseTimeout limits the wait for the client's half of the WebSocket
// closing handshake. The default is [DefaultCloseTimeout].
func WithCloseTimeout(d time.Duration) Option {
	return func(o *options) error {
		o.isFor(WebSockets, "WithCloseTimeout")
		return positive("the close timeout", d, &o.closeTimeout)
	}
}

// WithDisconnectTimeout limits how long a connection may have no transport:
// after negotiate, and between two polls. The default is
// [DefaultDisconnectTimeout].
func WithDisconnectTimeout(d time.Duration) Option {
	return func(o *options) error { return positive("the disconnect timeout", d, &o.disconnectTimeout) }
}

// WithPollTimeout sets how long a long poll waits for something to answer with.
// Clients give up after 100 s, and many proxies, such as nginx as it comes, after
// 60 s. The default is [DefaultPollTimeout].
func WithPollTimeout(d time.Duration) Option {
	return func(o *options) error {
		o.isFor(LongPolling, "WithPollTimeout")
		return positive("the poll timeout", d, &o.pollTimeout)
	}
}

// WithBufferSize sets how many bytes may wait in a connection's outbox before
// senders that can wait do so. The default is [DefaultBufferSize].
func WithBufferSize(n int) Option {
	return func(o *options) error { return positive("the buffer size", n, &o.bufferSize) }
}

// WithOutboxLimit sets how many bytes may wait in a connection's outbox before
// the client counts as too slow and is disconnected ([ErrSlowClient]). It must be at
// least the buffer size. The default is [DefaultOutboxLimit], or the buffer size if
// that is more.
func WithOutboxLimit(n int) Option {
	return func(o *options) error { return positive("the outbox limit", n, &o.outboxLimit) }
}

// WithMaxConnections limits how many connections exist at once, negotiated ones
// that are not yet in use included; more are refused with status 503. It protects
// the server's memory, and is no defense against one attacker, who can take all the
// places by some negotiations every few seconds: limit the requests of each address in
// front of the endpoint. The default is no limit.
func WithMaxConnections(n int) Option {
	return func(o *options) error { return positive("the limit on connections", n, &o.maxConnections) }
}

// WithNode makes connection ids that tell the node of a farm
// ([negotiate.NodeOf]). The default is ids that tell nothing.
func WithNode(node uint32) Option {
	return func(o *options) error {
		o.node = node
		return nil
	}
}

// WithSubProtocol lets the application choose among the WebSocket sub-protocols
// that a client requests, in the client's order; "" chooses none. The default is
// none.
func WithSubProtocol(choose func(requested []string) string) Option {
	return func(o *options) error {
		o.isFor(WebSockets, "WithSubProtocol")
		return function("the choice of sub-protocols", choose, &o.subProtocol)
	}
}

// WithMinimumProtocolVersion refuses clients that negotiate a version below n; they
// are told why. The default is 1, which clients have asked for since ASP.NET Core 3.1.
// With 0, older clients can connect: whoever learns their connection id, which other
// clients may be told, can then send and receive in their place, so that
// they get no stateful reconnect, and need [WithIdentity].
func WithMinimumProtocolVersion(n int) Option {
	return func(o *options) error {
		if n < 0 || n > negotiate.MaxVersion {
			return fmt.Errorf("transports: negotiate versions are 0 to %d, not %d", negotiate.MaxVersion, n)
		}
		o.minVersion = n
		return nil
	}
}

// WithRedirect lets the application send negotiating clients to other servers:
// it is called for each negotiate request, and nil means that the client stays
// here.
func WithRedirect(redirect func(*http.Request) (*negotiate.Redirect, error)) Option {
	return func(o *options) error {
		if redirect == nil {
			return errors.New("transports: the redirect must not be nil")
		}
		o.redirect = redirect
		return nil
	}
}

// WithLogger sets where the endpoint logs. The default is [slog.Default]. The
// level Debug tells why requests were refused.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) error {
		if logger == nil {
			return errors.New("transports: the logger must not be nil")
		}
		o.logger = logger
		return nil
	}
}

package classic

import (
	"errors"
	"maps"
	"sync"

	"github.com/go-signalr/signalr/hubs"
)

// Stats is a snapshot of an endpoint's counters, for the metrics system of the
// application.
type Stats struct {
	// Connections counts the connections that are known here, those that were
	// lost and may come back included.
	Connections int
	// Streams counts what they receive by at the moment, by the classic name
	// of the transport, such as "webSockets".
	Streams map[string]int
	// Opened counts the requests to receive by that there ever were: each poll
	// is one.
	Opened map[string]uint64
	// Ended counts the connections that ended here, by reason: "stopped" by the
	// client, "aborted" by the application, "timeout", "expired", "refused" by
	// OnConnected or never started, "moved" to another node, "app_shutdown".
	Ended map[string]uint64
}

// counters is safe for concurrent use.
type counters struct {
	mu    sync.Mutex
	stats Stats
}

func (c *counters) init() {
	c.stats = Stats{Streams: map[string]int{}, Opened: map[string]uint64{}, Ended: map[string]uint64{}}
}

func (c *counters) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Connections++
}

func (c *counters) ended(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Connections--
	c.stats.Ended[reason(cause)]++
}

func (c *counters) opened(t transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Streams[t.String()]++
	c.stats.Opened[t.String()]++
}

func (c *counters) closed(t transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Streams[t.String()]--
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{c.stats.Connections, maps.Clone(c.stats.Streams), maps.Clone(c.stats.Opened), maps.Clone(c.stats.Ended)}
}

func reason(cause error) string {
	switch {
	case errors.As(cause, new(*elsewhere)):
		return "moved"
	case errors.Is(cause, errAborted):
		return "aborted"
	case errors.Is(cause, errStopped):
		return "stopped"
	case errors.Is(cause, hubs.ErrClientTimeout), errors.Is(cause, errUnproven):
		return "timeout"
	case errors.Is(cause, hubs.ErrExpired):
		return "expired"
	case errors.Is(cause, errLeft):
		return "moved"
	case errors.Is(cause, errShutdown):
		return "app_shutdown"
	default:
		return "refused"
	}
}

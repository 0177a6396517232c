package transports

import (
	"maps"
	"sync"
)

// Stats is a snapshot of an endpoint's counters, for the metrics system of the
// application.
type Stats struct {
	// Active counts the connections in use, by transport. Connections that
	// were only negotiated do not count.
	Active map[Kind]int
	// Started counts the connections that ever came into use, by transport.
	Started map[Kind]uint64
	// Resumed counts the WebSockets that took the place of lost ones.
	Resumed uint64
	// Lost counts the connections that ended, for whatever reason, while they
	// waited for a WebSocket in the place of a lost one.
	Lost uint64
	// Ended counts the connections that ended, by reason: "normal_closure" by
	// the client's wish, "connection_lost", "timeout", "app_shutdown",
	// "expired", "slow_client", "write_timeout", "aborted" by the application,
	// or "failed", if the client broke the protocol, say.
	Ended map[string]uint64
}

// counters is safe for concurrent use.
type counters struct {
	mu    sync.Mutex
	stats Stats
}

func (c *counters) init() {
	c.stats = Stats{Active: map[Kind]int{}, Started: map[Kind]uint64{}, Ended: map[string]uint64{}}
}

func (c *counters) started(kind Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Active[kind]++
	c.stats.Started[kind]++
}

func (c *counters) resumed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Resumed++
}

func (c *counters) ended(kind Kind, reason string, lost bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Active[kind]--
	c.stats.Ended[reason]++
	if lost {
		c.stats.Lost++
	}
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Active:  maps.Clone(c.stats.Active),
		Started: maps.Clone(c.stats.Started),
		Resumed: c.stats.Resumed,
		Lost:    c.stats.Lost,
		Ended:   maps.Clone(c.stats.Ended),
	}
}

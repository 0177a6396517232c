package classic

import (
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// beat runs the timeouts of all connections (classic reference 10): every second
// time it also keeps streams alive.
func (e *Endpoint) beat(end <-chan struct{}) {
	defer e.leaveLive()
	ticker := time.NewTicker(e.opts.beat)
	defer ticker.Stop()
	var all []*connection
	for keepAlive := false; ; keepAlive = !keepAlive {
		select {
		case <-end:
			return
		case now := <-ticker.C:
			all = e.snapshot(all[:0])
			for _, c := range all {
				c.beat(now, keepAlive && e.opts.keepAlive > 0)
			}
			clear(all)
			e.dropUnread(now)
		}
	}
}

// beat runs the timeouts of one connection. It does not wait for the client. It
// ends an expired connection before it releases the lock: a poll that arrives in
// between must either prolong the connection or find that it has ended.
func (c *connection) beat(now time.Time, keepAlive bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cause := c.check(now, keepAlive); cause != nil {
		c.endLocked(cause)
	}
}

// check returns why the connection has to end, nil if it has not. c.mu is locked.
func (c *connection) check(now time.Time, keepAlive bool) error {
	o := c.endpoint.opts
	s := c.stream
	if s == nil {
		allowed := o.disconnectTimeout + o.threshold
		if c.transport == longPolling {
			allowed = o.disconnectTimeout + o.longPollDelay
		}
		switch {
		case now.Sub(c.lastSeen) < allowed:
			return nil
		case !c.begun:
			return errNotBegun
		case c.expired || !c.expires.IsZero() && now.After(c.expires): // also between two polls
			return hubs.ErrExpired
		default:
			return hubs.ErrClientTimeout
		}
	}
	c.lastSeen = now
	if now.Sub(c.refreshed) >= o.cursorAge {
		c.stale = true
		c.turn.wake()
	}
	tooLong := now.Sub(s.since) >= o.connectionTimeout
	switch {
	case !c.begun && now.Sub(c.created) >= o.disconnectTimeout+o.threshold:
		return errNotBegun
	case !c.expires.IsZero() && now.After(c.expires):
		c.expired = true
		s.end(endExpired)
	case tooLong && s.transport == longPolling:
		s.greet.Store(true)
		c.turn.wake()
	case tooLong && o.keepAlive == 0:
		s.end(endTimeout)
	case keepAlive:
		c.due = true
		c.turn.wake()
	case c.retry.Swap(false):
		c.turn.wake()
	}
	return nil
}

package transports

import "time"

// WithSweepInterval makes timeouts finer than a second, so that tests need not
// wait.
func WithSweepInterval(d time.Duration) Option {
	return func(o *options) error { return positive("the sweep interval", d, &o.sweepInterval) }
}

// AppendEvent is what writes Server-Sent Events.
func AppendEvent(dst []byte, messages [][]byte) []byte { return appendEvent(dst, messages) }

// Later applies the timeouts as if d had passed, so that what a test does before that
// takes no part in it.
func (e *Endpoint) Later(d time.Duration) {
	limit, cause := e.disconnectTimeout()
	for _, c := range e.snapshot(nil) {
		c.sweep(time.Now().Add(d), limit, cause)
	}
}

// Records returns how many connections the endpoint knows.
func (e *Endpoint) Records() int {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return len(e.connections)
}

// Empty returns a channel that is closed when the last of the connections that
// the endpoint knows now is gone.
func (e *Endpoint) Empty() <-chan struct{} {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.sweepEnd != nil {
		return e.sweepEnd
	}
	empty := make(chan struct{})
	close(empty)
	return empty
}

// End breaks all connections, as Shutdown does when its time is up.
func (e *Endpoint) End(cause error) {
	for _, c := range e.snapshot(nil) {
		c.end(cause)
	}
}

package classic

import (
	"time"
)

// WithShortTimes makes an endpoint whose timings are those of a test.
func WithShortTimes(beat, keepAlive, disconnect, connection time.Duration) Option {
	return func(o *options) error {
		o.unbounded = true
		o.beat, o.keepAlive, o.keepAliveSet = beat, keepAlive, true
		o.disconnectTimeout, o.connectionTimeout, o.threshold, o.closeTimeout = disconnect, connection, 0, time.Second
		return nil
	}
}

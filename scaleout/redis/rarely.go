package redis

import "time"

// rareInterval is how often what happens again and again is logged.
const rareInterval = 10 * time.Second

// rarely counts something that may happen more often than is worth a line of the log.
// It is not safe for concurrent use.
type rarely struct {
	logged time.Time
	count  uint64
}

// due adds to the count. It returns that since the last line if it is time for one,
// which the first time it is, and 0 else.
func (r *rarely) due(n uint64) uint64 {
	r.count += n
	now := time.Now()
	if !r.logged.IsZero() && now.Sub(r.logged) < rareInterval {
		return 0
	}
	count := r.count
	r.logged, r.count = now, 0
	return count
}

package redis

import (
	"context"
	"errors"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// errOverdue is the failure of a call that has not returned in time.
var errOverdue = errors.New("redis: no answer in time")

// call runs one exchange with Redis and waits for it for a limited time, which
// the client would not keep to: it has limits of its own, and repeats. A call
// that is overdue is abandoned; it goes on until the client's ReadTimeout, but
// its result reaches nobody, and what it writes late does no harm, as appended
// envelopes are numbered. So is one whose ctx has ended, which is the node's own or
// that of who waits. Calls under way are bounded, and Close waits for them.
func call[T any](ctx context.Context, n *node, limit time.Duration, exchange func(ctx context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case n.calls <- struct{}{}:
	case <-timer.C:
		return none, errOverdue
	case <-ctx.Done():
		return none, ctx.Err()
	case <-n.ctx.Done():
		return none, n.ctx.Err()
	}
	done := make(chan result, 1)
	if !n.handOver(func() {
		defer func() { <-n.calls }()
		ctx, cancel := context.WithTimeout(n.ctx, limit)
		defer cancel()
		value, err := exchange(ctx)
		done <- result{value, err}
	}) {
		<-n.calls
		return none, context.Canceled
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		return none, errOverdue
	case <-ctx.Done():
		return none, ctx.Err()
	case <-n.ctx.Done():
		return none, n.ctx.Err()
	}
}

// handOver has work done by a goroutine that has done such work before, whose stack
// has grown for it, or by a new one. It reports false if it is too late for that.
func (n *node) handOver(work func()) bool {
	select {
	case n.work <- work:
		return true
	default:
	}
	return n.spawnIn(&n.callers, func() {
		for {
			work()
			work = nil // what it has appended is not kept until the next
			select {
			case n.idle <- struct{}{}:
			default:
				return // enough others wait
			}
			select {
			case work = <-n.work:
				<-n.idle
			case <-n.ctx.Done():
				return
			}
		}
	})
}

// Commands are not repeated by the client, so that what a failure means is
// known: whether an append may have been carried out, and when it was tried.
type (
	once struct{ *goredis.StringCmd }
	read struct{ *goredis.XStreamSliceCmd }
)

func (once) NoRetry() bool { return true }
func (read) NoRetry() bool { return true }

// notCarriedOut says that a failed command certainly has had no effect: there
// was no connection, or Redis refused.
func notCarriedOut(err error) bool {
	var refused goredis.Error
	var network *net.OpError
	return errors.As(err, &refused) || errors.Is(err, goredis.ErrPoolTimeout) ||
		errors.As(err, &network) && network.Op == "dial"
}

// backoff is the time between attempts.
type backoff struct{ next time.Duration }

func (b *backoff) reset() { b.next = 0 }

// wait waits, longer each time; it reports false if ctx has ended.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(max(b.next*2, firstBackoff), lastBackoff)
	timer := time.NewTimer(b.next)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

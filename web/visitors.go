package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// What one visitor may call. Pages of people who chat stay far below that.
const (
	callsPerSecond = 20
	callsAtOnce    = 200
)

var errTooFast = hubs.NewError("That is too fast. Please try again in a moment.")

// visitors bounds how much each visitor calls: what one says costs as much as there are
// people to tell it. A visitor is everybody with one address.
type visitors struct {
	behindProxy bool
	now         func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket has the calls that a visitor may make at once.
type bucket struct {
	calls float64
	at    time.Time
}

func newVisitors(behindProxy bool) *visitors {
	return &visitors{behindProxy: behindProxy, now: time.Now, buckets: make(map[string]*bucket)}
}

// filter refuses calls of visitors who make too many.
func (v *visitors) filter() hubs.Filter {
	return hubs.Filter{Call: func(c *hubs.Context, next func() (any, error)) (any, error) {
		if !v.allow(v.of(c.Request())) {
			return nil, errTooFast
		}
		return next()
	}}
}

// of returns whose request it is: its address, or if a proxy is before this server the
// one that the proxy has seen. People have many addresses of IPv6, in one network.
func (v *visitors) of(r *http.Request) string {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	if forwarded := r.Header.Values("X-Forwarded-For"); v.behindProxy && len(forwarded) > 0 {
		last := forwarded[len(forwarded)-1]
		address = strings.TrimSpace(last[strings.LastIndex(last, ",")+1:])
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is6() {
		const network = 64
		return netip.PrefixFrom(ip.WithZone(""), network).Masked().String()
	}
	return ip.String()
}

// allow reports whether a visitor may make another call now.
func (v *visitors) allow(visitor string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.now()
	b := v.buckets[visitor]
	if b == nil {
		v.forget(now)
		b = &bucket{calls: callsAtOnce, at: now}
		v.buckets[visitor] = b
	}
	b.fill(now)
	if b.calls < 1 {
		return false
	}
	b.calls--
	return true
}

func (b *bucket) fill(now time.Time) {
	b.calls = min(b.calls+now.Sub(b.at).Seconds()*callsPerSecond, callsAtOnce)
	b.at = now
}

// forget forgets who has called nothing for a while.
func (v *visitors) forget(now time.Time) {
	for visitor, b := range v.buckets {
		if b.fill(now); b.calls == callsAtOnce {
			delete(v.buckets, visitor)
		}
	}
}

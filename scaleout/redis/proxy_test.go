package redis_test

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// proxy is a TCP proxy that can disturb the connections it carries.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	conns map[*carried]struct{}
	// For the connections to come.
	muteReplies, muteRequests bool
	cutAfter                  int // bytes of replies, -1: never
	wg                        sync.WaitGroup
	closed                    bool
}

// carried is one connection through the proxy; the proxy's lock guards it.
type carried struct {
	near, far                 net.Conn
	muteReplies, muteRequests bool
}

func startProxy(t *testing.T, target string) *proxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, target: target, conns: make(map[*carried]struct{}), cutAfter: -1}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.cut()
		await.Group(t, &p.wg, "the connections of the proxy to end")
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		p.mu.Lock()
		c := &carried{near: near, far: far, muteReplies: p.muteReplies, muteRequests: p.muteRequests}
		p.conns[c] = struct{}{}
		if p.closed {
			c.close()
		}
		p.wg.Go(func() { p.carry(c, near, far, &c.muteRequests, false) })
		p.wg.Go(func() { p.carry(c, far, near, &c.muteReplies, true) })
		p.mu.Unlock()
	}
}

func (c *carried) close() {
	_ = c.near.Close()
	_ = c.far.Close()
}

// carry moves bytes one way until the connection ends. What is muted is read and
// forgotten, as by a network that has gone away without a word.
func (p *proxy) carry(c *carried, from, to net.Conn, mute *bool, replies bool) {
	defer func() {
		c.close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		muted, end := *mute, false
		if replies && p.cutAfter >= 0 {
			if n > p.cutAfter {
				n, end = p.cutAfter, true
				p.cutAfter = -1
			} else {
				p.cutAfter -= n
			}
		}
		p.mu.Unlock()
		if !muted {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if end {
			return
		}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.close()
	}
}

// cutIn cuts the connection that carries it after so many more bytes of replies.
func (p *proxy) cutIn(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAfter = bytes
}

// idle reports whether the cut that was ordered has been made.
func (p *proxy) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cutAfter < 0
}

// mute makes the connections that there are, or from now on all, silent in one
// or both directions.
func (p *proxy) mute(requests, replies, andNew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.muteRequests, c.muteReplies = requests, replies
	}
	p.muteRequests, p.muteReplies = requests && andNew, replies && andNew
}

// heal lets new connections through; what was muted stays silent.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muteRequests, p.muteReplies = false, false
}

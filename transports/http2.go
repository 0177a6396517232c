package transports

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// isWebSocketConnect reports whether a request opens a WebSocket over a stream of
// HTTP/2 (RFC 8441). Clients only do so where the server offers it: net/http with
// GODEBUG=http2xconnect=1.
func isWebSocketConnect(r *http.Request) bool {
	return r.ProtoMajor == 2 && r.Method == http.MethodConnect && r.Header.Get(":protocol") == "websocket" &&
		strings.TrimSpace(r.Header.Get("Sec-WebSocket-Version")) == "13"
}

// asUpgrade returns the request of HTTP/1.1 that the WebSocket library takes instead.
func asUpgrade(r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	r.Method = http.MethodGet
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==") // its answer is not sent
	return r
}

// tunnel is the net.Conn of a WebSocket over a stream of HTTP/2: the bodies of the
// request and its response. They must not be used after the request's goroutine has
// returned, so that waits for all that use them. One goroutine writes at a time.
type tunnel struct {
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	done    chan struct{} // closed with the tunnel
	uses    sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	writes  bool // a write is under way
	greeted bool // the response has begun
}

func newTunnel(w http.ResponseWriter, r *http.Request) *tunnel {
	return &tunnel{w: w, r: r, control: http.NewResponseController(w), done: make(chan struct{})}
}

// wait returns when the tunnel is closed and not in use any more.
func (t *tunnel) wait() {
	<-t.done
	t.uses.Wait()
}

// use begins to use the bodies, which done ends, unless the tunnel is closed.
func (t *tunnel) use() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.uses.Add(1)
	return true
}

// hijack takes the place of the Hijacker.
func (t *tunnel) hijack(s *socket) (net.Conn, *bufio.ReadWriter, error) {
	s.Conn = t
	s.library = bufio.NewReaderSize(s, libraryBuffer)
	return s, bufio.NewReadWriter(s.library, bufio.NewWriter(s)), nil
}

// Read reads what the client sends.
func (t *tunnel) Read(p []byte) (int, error) {
	if !t.use() {
		return 0, net.ErrClosed
	}
	defer t.uses.Done()
	return t.r.Body.Read(p)
}

// Write sends to the client at once. The first write, of the library's response for
// HTTP/1.1, sends that of HTTP/2 instead.
func (t *tunnel) Write(p []byte) (int, error) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return 0, net.ErrClosed
	}
	t.uses.Add(1)
	t.writes = true
	greeted := t.greeted
	t.greeted = true
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		t.writes = false
		t.mu.Unlock()
		t.uses.Done()
	}()
	if !greeted {
		t.w.WriteHeader(http.StatusOK)
	} else if n, err := t.w.Write(p); err != nil {
		return n, err
	}
	return len(p), t.control.Flush()
}

// Close breaks reads and writes under way.
func (t *tunnel) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	if t.writes {
		_ = t.control.SetWriteDeadline(time.Unix(1, 0))
	}
	_ = t.r.Body.Close()
	close(t.done)
	return nil
}

// SetDeadline sets both deadlines.
func (t *tunnel) SetDeadline(deadline time.Time) error {
	if err := t.SetReadDeadline(deadline); err != nil {
		return err
	}
	return t.SetWriteDeadline(deadline)
}

// SetReadDeadline bounds reads.
func (t *tunnel) SetReadDeadline(deadline time.Time) error {
	if !t.use() {
		return net.ErrClosed
	}
	defer t.uses.Done()
	return t.control.SetReadDeadline(deadline)
}

// SetWriteDeadline bounds writes.
func (t *tunnel) SetWriteDeadline(deadline time.Time) error {
	if !t.use() {
		return net.ErrClosed
	}
	defer t.uses.Done()
	return t.control.SetWriteDeadline(deadline)
}

// LocalAddr returns the server's address.
func (t *tunnel) LocalAddr() net.Addr {
	local, _ := t.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return local
}

// RemoteAddr returns the client's address.
func (t *tunnel) RemoteAddr() net.Addr { return remoteAddr(t.r.RemoteAddr) }

type remoteAddr string

func (remoteAddr) Network() string  { return "tcp" }
func (a remoteAddr) String() string { return string(a) }

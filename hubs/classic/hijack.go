package classic

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
)

// hijacker lets the WebSocket library have the connection of a client that sends
// frames right behind its request, before the response: the library takes only what
// it reads itself.
type hijacker struct {
	http.ResponseWriter
	err error // why the library does not have it; the library keeps the text alone
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		h.err = err
		return nil, nil, err
	}
	if n := rw.Reader.Buffered(); n > 0 {
		ahead, _ := rw.Reader.Peek(n)
		conn = &aheadConn{conn, bytes.Clone(ahead)}
		rw.Reader.Reset(conn)
	}
	return conn, rw, nil
}

// aheadConn is a connection of which some has been read already.
type aheadConn struct {
	net.Conn
	ahead []byte
}

func (c *aheadConn) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil // gives the memory back
	}
	return n, nil
}

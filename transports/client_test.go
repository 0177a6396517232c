package transports_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// site is where a client finds an endpoint, and how it gets there.
type site struct {
	t      testing.TB
	url    string
	client *http.Client
	dialer *websocket.Dialer
}

// newSite returns the site at an address. The client keeps its own connections
// apart from those of other tests.
func newSite(t testing.TB, address string, transport *http.Transport) *site {
	transport = transport.Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &site{
		t:      t,
		url:    address,
		client: &http.Client{Transport: transport, Timeout: await.Timeout},
		dialer: &websocket.Dialer{
			NetDialContext: transport.DialContext, TLSClientConfig: http1(transport.TLSClientConfig), HandshakeTimeout: await.Timeout,
		},
	}
}

// http1 keeps WebSockets off HTTP/2.
func http1(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	return config
}

// at returns the same site at another path.
func (s *site) at(path string) *site {
	u, err := url.Parse(s.url)
	require.NoError(s.t, err)
	u.Path = path
	other := *s
	other.url = u.String()
	return &other
}

// answer is a response, or why there was none.
type answer struct {
	status int
	proto  int // major version of HTTP
	header http.Header
	body   string
	err    error
}

func (s *site) request(method, id, body string) *http.Request {
	s.t.Helper()
	r, err := s.tryRequest(method, id, body)
	require.NoError(s.t, err)
	return r
}

func (s *site) tryRequest(method, id, body string) (*http.Request, error) {
	address := s.url
	if id != "" {
		address += "?id=" + id
	}
	return http.NewRequest(method, address, strings.NewReader(body))
}

func (s *site) exchange(r *http.Request) answer {
	resp, err := s.client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.ProtoMajor, resp.Header, string(body), err}
}

// do sends a request and returns the answer.
func (s *site) do(method, id, body string) answer {
	s.t.Helper()
	a := s.exchange(s.request(method, id, body))
	require.NoError(s.t, a.err)
	return a
}

// tryPost sends bytes by a POST, which must be accepted.
func (s *site) tryPost(id, body string) error {
	r, err := s.tryRequest(http.MethodPost, id, body)
	if err != nil {
		return err
	}
	a := s.exchange(r)
	if a.err == nil && (a.status != http.StatusOK || a.body != "") {
		return fmt.Errorf("POST: status %d, body %q", a.status, a.body)
	}
	return a.err
}

// expect sends a request and compares status and body of the answer.
func (s *site) expect(method, id, body string, status int, want string) answer {
	s.t.Helper()
	a := s.do(method, id, body)
	require.Equal(s.t, status, a.status, "status of %s", method)
	require.Equal(s.t, want, a.body, "body of %s", method)
	return a
}

// grant is the answer to a negotiate request.
type grant struct {
	NegotiateVersion    int
	ConnectionID        string
	ConnectionToken     string
	AvailableTransports []struct {
		Transport       string
		TransferFormats []string
	}
}

// negotiate returns the id of a new connection.
func (s *site) negotiate() string {
	s.t.Helper()
	return s.negotiateAs("?negotiateVersion=1").ConnectionToken
}

func (s *site) negotiateAs(query string) grant {
	s.t.Helper()
	a := s.askNegotiate(query)
	require.Equal(s.t, http.StatusOK, a.status, a.body)
	require.Equal(s.t, "application/json", a.header.Get("Content-Type"))
	var g grant
	require.NoError(s.t, json.Unmarshal([]byte(a.body), &g))
	return g
}

// askNegotiate sends the request as browsers do.
func (s *site) askNegotiate(query string) answer {
	s.t.Helper()
	a := s.tryNegotiate(query)
	require.NoError(s.t, a.err)
	return a
}

func (s *site) tryNegotiate(query string) answer {
	r, err := http.NewRequest(http.MethodPost, s.url+"/negotiate"+query, nil)
	if err != nil {
		return answer{err: err}
	}
	r.Header.Set("X-Requested-With", "XMLHttpRequest")
	return s.exchange(r)
}

// firstPoll opens a connection over long polling.
func (s *site) firstPoll() (id string) {
	s.t.Helper()
	id = s.negotiate()
	s.expect(http.MethodGet, id, "", http.StatusOK, "")
	return id
}

// socket is the client's end of a WebSocket.
type socket struct {
	*websocket.Conn
	t testing.TB
}

// dialStuck opens a WebSocket that the client does not read, with as little room
// for unread bytes as the system allows.
func (s *site) dialStuck(id string) *socket {
	s.t.Helper()
	stuck := *s
	dialer := *s.dialer
	dialer.NetDialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return conn, err
	}
	stuck.dialer = &dialer
	return stuck.dial(id)
}

// dial opens a WebSocket, for the connection with an id or for a new one.
func (s *site) dial(id string) *socket {
	s.t.Helper()
	c, resp, err := s.tryDial(id, nil)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusSwitchingProtocols, resp.StatusCode)
	return c
}

func (s *site) tryDial(id string, header http.Header) (*socket, *http.Response, error) {
	address := "ws" + strings.TrimPrefix(s.url, "http")
	if id != "" {
		address += "?id=" + id
	}
	conn, resp, err := s.dialer.Dial(address, header)
	if err != nil {
		return nil, resp, err
	}
	c := &socket{conn, s.t}
	s.t.Cleanup(c.drop)
	return c, resp, nil
}

func (c *socket) send(text string) {
	c.t.Helper()
	require.NoError(c.t, c.trySend(text))
}

func (c *socket) trySend(text string) error {
	if err := c.SetWriteDeadline(time.Now().Add(await.Timeout)); err != nil {
		return err
	}
	return c.WriteMessage(websocket.TextMessage, []byte(text))
}

// next returns the next message.
func (c *socket) next() (kind int, message string, err error) {
	if err := c.SetReadDeadline(time.Now().Add(await.Timeout)); err != nil {
		return 0, "", err
	}
	kind, data, err := c.ReadMessage()
	return kind, string(data), err
}

func (c *socket) expect(want string) {
	c.t.Helper()
	kind, got, err := c.next()
	require.NoError(c.t, err)
	require.Equal(c.t, websocket.TextMessage, kind)
	require.Equal(c.t, want, got)
}

// expectClosed reads the closing frame, and answers it.
func (c *socket) expectClosed(code int) {
	c.t.Helper()
	_, message, err := c.next()
	require.Error(c.t, err, "got %q", message)
	var closed *websocket.CloseError
	require.ErrorAs(c.t, err, &closed)
	require.Equal(c.t, code, closed.Code)
	require.Empty(c.t, closed.Text)
}

// sayGoodbye sends a closing frame.
func (c *socket) sayGoodbye(payload []byte) {
	c.t.Helper()
	require.NoError(c.t, c.WriteControl(websocket.CloseMessage, payload, time.Now().Add(await.Timeout)))
}

// drop breaks the connection.
func (c *socket) drop() { _ = c.NetConn().Close() }

// firstEvent is what every stream begins with: a comment of 4 KiB.
var firstEvent = ":" + strings.Repeat(" ", 4<<10) + "\r\n"

// stream is the client's end of Server-Sent Events.
type stream struct {
	*http.Response
	t      testing.TB
	reader *bufio.Reader
	drop   context.CancelFunc
}

// events opens an event stream and reads its head.
func (s *site) events(id string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	r := s.request(http.MethodGet, id, "").WithContext(ctx)
	r.Header.Set("Accept", "text/event-stream")
	resp, err := s.client.Do(r)
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		cancel()
		_ = resp.Body.Close()
	})
	require.Equal(s.t, http.StatusOK, resp.StatusCode)
	st := &stream{resp, s.t, bufio.NewReader(resp.Body), cancel}
	st.expect(firstEvent)
	return st
}

// expect reads exactly these bytes.
func (st *stream) expect(want string) {
	st.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(st.reader, got)
	require.Equal(st.t, want, string(got[:n]))
	require.NoError(st.t, err)
}

// expectEnd reads the end of the stream.
func (st *stream) expectEnd() {
	st.t.Helper()
	rest, err := io.ReadAll(st.reader)
	require.NoError(st.t, err)
	require.Empty(st.t, string(rest))
}

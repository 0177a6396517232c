package hubtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/go-signalr/signalr/protocol"
)

// Option configures a [Client].
type Option func(*dialing)

// dialing is a connection in the making.
type dialing struct {
	server   *Server
	target   string
	header   http.Header
	protocol protocol.Protocol
	silent   bool
}

// WithURL sets the path, and perhaps a query, at which the hub is reached:
// "/chat?access_token=t". The default is "/", which is right where the handler
// is the hub itself.
func WithURL(target string) Option {
	return func(d *dialing) { d.target = target }
}

// WithHeader adds a header to the client's HTTP requests.
func WithHeader(key, value string) Option {
	return func(d *dialing) { d.header.Add(key, value) }
}

// WithProtocol sets the hub protocol, which the hub must support too. The
// default is JSON.
func WithProtocol(p protocol.Protocol) Option {
	return func(d *dialing) { d.protocol = p }
}

// WithoutPings makes a client that only pings when the test says so ([Client.Ping]).
// A hub takes it for lost when it sends nothing for the client timeout.
func WithoutPings() Option {
	return func(d *dialing) { d.silent = true }
}

// Connect returns a new client. It is known to the hub, and OnConnected has
// returned. That the server refuses it fails the test at once.
func (s *Server) Connect(opts ...Option) *Client {
	s.t.Helper()
	c, err := s.Dial(opts...)
	if err != nil {
		s.t.Fatalf("hubtest: connect: %v", err)
	}
	return c
}

// Dial is Connect for clients that the server may refuse. The error is then a
// *[StatusError] from HTTP, a *[protocol.HandshakeError] from the hub's
// handshake, or a *[ClosedError] from its OnConnected.
func (s *Server) Dial(opts ...Option) (*Client, error) {
	d := &dialing{server: s, target: "/", header: make(http.Header), protocol: protocol.NewJSON()}
	for _, opt := range opts {
		opt(d)
	}
	target, err := url.Parse(d.target)
	if err != nil {
		return nil, err
	}
	target.Scheme, target.Host = "http", "example.com"
	ctx, cancel := context.WithTimeoutCause(context.Background(), s.Patience, errPatience)
	defer cancel()
	answer, err := d.negotiate(ctx, target)
	if err != nil {
		return nil, err
	}
	c := newClient(s, answer.ConnectionID, d.protocol)
	c.silent = d.silent
	if err := d.open(ctx, c, target, answer.ConnectionToken); err != nil {
		return nil, err
	}
	partial, err := c.handshake()
	if err != nil {
		_ = c.socket.Close()
		return nil, err
	}
	s.running.Go(func() { c.read(partial) })
	s.mu.Lock()
	s.clients = append(s.clients, c)
	s.mu.Unlock()
	if err := c.barrier(); err != nil {
		return nil, err
	}
	return c, nil
}

// negotiated is the part of a negotiate answer that matters here.
type negotiated struct {
	Error           string
	URL             string
	ConnectionID    string
	ConnectionToken string
	Transports      []struct{ Transport string } `json:"availableTransports"`
}

// negotiate asks the server for a connection.
func (d *dialing) negotiate(ctx context.Context, target *url.URL) (*negotiated, error) {
	u := target.JoinPath("negotiate")
	u.RawQuery = addQuery(u.RawQuery, "negotiateVersion", "1")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = d.header
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				near, _, err := d.server.listener.dial(ctx)
				return near, err
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &StatusError{Code: response.StatusCode, Body: string(body)}
	}
	answer := new(negotiated)
	if err := json.Unmarshal(body, answer); err != nil {
		return nil, fmt.Errorf("hubtest: no hub answers at %s: %w", target.Path, err)
	}
	switch {
	case answer.Error != "":
		return nil, &Error{Text: answer.Error}
	case answer.URL != "":
		return nil, fmt.Errorf("hubtest: the server redirects to %s", answer.URL)
	}
	for _, offer := range answer.Transports {
		if offer.Transport == "WebSockets" {
			return answer, nil
		}
	}
	return nil, errors.New("hubtest: the server offers no WebSockets")
}

// open opens the WebSocket of a client.
func (d *dialing) open(ctx context.Context, c *Client, target *url.URL, token string) error {
	u := *target
	u.Scheme = "ws"
	u.RawQuery = addQuery(u.RawQuery, "id", token)
	dialer := &websocket.Dialer{
		NetDialContext: func(ctx context.Context, _, _ string) (near net.Conn, err error) {
			near, c.conn, err = d.server.listener.dial(ctx)
			return near, err
		},
	}
	socket, response, err := dialer.DialContext(ctx, u.String(), d.header)
	if errors.Is(err, websocket.ErrBadHandshake) {
		body, _ := io.ReadAll(response.Body) // the dialer has read it into memory
		return &StatusError{Code: response.StatusCode, Body: string(body)}
	}
	c.socket = socket
	return err
}

func addQuery(query, key, value string) string {
	return strings.TrimPrefix(query+"&"+key+"="+url.QueryEscape(value), "&")
}

// handshake chooses the protocol. It returns what the server has
// sent after its answer.
func (c *Client) handshake() ([]byte, error) {
	deadline := time.Now().Add(c.server.Patience)
	request := fmt.Sprintf(`{"protocol":%q,"version":1}%c`, c.protocol.Name(), protocol.RecordSeparator)
	_ = c.socket.SetWriteDeadline(deadline) // pipes have deadlines
	if err := c.socket.WriteMessage(websocket.TextMessage, []byte(request)); err != nil {
		return nil, err
	}
	_ = c.socket.SetReadDeadline(deadline)
	var received []byte
	for {
		_, message, err := c.socket.ReadMessage()
		if err != nil {
			return nil, fmt.Errorf("hubtest: the server did not answer the handshake: %w", err)
		}
		received = append(received, message...)
		record, rest, err := protocol.SplitRecord(received, 0)
		if err != nil {
			return nil, err
		}
		if record == nil {
			continue
		}
		var answer struct{ Error string }
		if err := json.Unmarshal(record, &answer); err != nil {
			return nil, fmt.Errorf("hubtest: the server's answer to the handshake is %q: %w", record, err)
		}
		if answer.Error != "" {
			return nil, &protocol.HandshakeError{Text: answer.Error}
		}
		return rest, c.socket.SetReadDeadline(time.Time{})
	}
}

package classic

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// negotiation is the answer to a negotiate request (classic reference 2). Times
// are in seconds.
type negotiation struct {
	URL                     string `json:"Url"`
	ConnectionToken         string
	ConnectionID            string   `json:"ConnectionId"`
	KeepAliveTimeout        *float64 // null: the client does not watch
	DisconnectTimeout       float64
	ConnectionTimeout       float64
	TryWebSockets           bool
	ProtocolVersion         string
	TransportConnectTimeout float64
	LongPollDelay           float64
}

// negotiate gives a client an id and a token. Nothing of it is kept.
func (e *Endpoint) negotiate(q *request) error {
	id := bridge.NewConnectionID()
	token, err := e.tokens.sealConnection(id, e.policy.Identity(q.r))
	if err != nil {
		return &refusal{status: http.StatusBadRequest, text: textLongUser}
	}
	n := negotiation{
		URL:                     e.base(q),
		ConnectionToken:         token,
		ConnectionID:            id,
		DisconnectTimeout:       e.opts.disconnectTimeout.Seconds(),
		ConnectionTimeout:       e.opts.connectionTimeout.Seconds(),
		TryWebSockets:           true,
		ProtocolVersion:         parseVersion(q.query["clientprotocol"]).String(),
		TransportConnectTimeout: e.opts.connectTimeout.Seconds(),
		LongPollDelay:           e.opts.longPollDelay.Seconds(),
	}
	if e.opts.keepAlive > 0 {
		timeout := (2 * e.opts.keepAlive).Seconds()
		n.KeepAliveTimeout = &timeout
	}
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	q.answer(body)
	return nil
}

const (
	// flushTimeout limits how long a start waits until a client has what was
	// sent to it.
	flushTimeout = time.Second
	// startGrace is how much later than messages the answer to a start leaves.
	// They travel by different connections, and pages count on finding what
	// OnConnected has sent when they are told that they are connected.
	startGrace = 20 * time.Millisecond
)

// serveStart runs OnConnected, and answers when what it has sent is written.
func (e *Endpoint) serveStart(q *request) error {
	c := e.lookup(q.id)
	if c == nil {
		return e.startElsewhere(q)
	}
	if !c.lists(q.hubs) {
		return &refusal{status: http.StatusBadRequest, text: "The hubs of a connection cannot change."}
	}
	before := c.sent.Load()
	switch err := c.start(q.r, q.transport); err {
	case nil:
	case errDraining, errConnectionEnded:
		return err
	default:
		return &refusal{status: http.StatusInternalServerError, cause: err}
	}
	if e.farm && e.raw == nil && q.transport == longPolling && len(q.hubs) > 0 {
		// Its next poll may come to another node.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), moveTimeout)
		defer cancel()
		if err := q.hubs[0].hub.Push(ctx, q.id, []byte(commandStarted)); err != nil {
			e.warn("other nodes cannot be told that a client has started", "connection", q.id, "error", err)
		}
	}
	c.wait(q.r.Context(), c.barrier(), flushTimeout)
	if c.sent.Load() != before {
		c.wait(q.r.Context(), nil, startGrace)
	}
	q.answerStarted()
	return nil
}

// wait waits for something, for a limited time and while there is a point in it.
func (c *connection) wait(ctx context.Context, what <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-what:
	case <-timer.C:
	case <-ctx.Done():
	case <-c.ctx.Done():
	}
}

func (q *request) answerStarted() { q.answer([]byte(`{ "Response": "started" }`)) }

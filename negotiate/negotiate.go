// Package negotiate owns the first request of a SignalR client: which protocol
// version, connection id, connection token and transports it may use, or which
// other server it should go to.
package negotiate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// MaxVersion is the newest negotiate version this package answers. Higher
// versions asked for are clamped to it.
const MaxVersion = 1

// Transport is one entry of the transports a server offers.
type Transport struct {
	// Name is "WebSockets", "ServerSentEvents" or "LongPolling".
	Name string `json:"transport"`
	// TransferFormats lists "Text", "Binary" or both.
	TransferFormats []string `json:"transferFormats"`
}

// Redirect sends a client to another server, where it negotiates again.
type Redirect struct {
	// URL is the address of the hub to go to.
	URL string
	// AccessToken, if not empty, replaces the client's own token there.
	AccessToken string
}

// Grant is what a successful negotiation promises to the client.
type Grant struct {
	// Version is the negotiate version in force, 0 or 1.
	Version int
	// ConnectionID is the public id of the connection.
	ConnectionID string
	// ConnectionToken is the secret that later requests carry as their id.
	// Under version 0 it equals ConnectionID and is not sent.
	ConnectionToken string
	// StatefulReconnect says that the client asked for stateful reconnect
	// and may use it.
	StatefulReconnect bool
}

// Handler answers negotiate requests. Its fields must not change after the
// first request; ServeHTTP is safe for concurrent use.
type Handler struct {
	// Node is the node of a farm that connection ids tell; 0: none.
	Node uint32
	// MinimumVersion is the lowest version accepted; 0 accepts all.
	MinimumVersion int
	// Transports are offered in this order.
	Transports []Transport
	// StatefulReconnect permits clients of version 1 to ask for stateful reconnect.
	StatefulReconnect bool
	// Redirect, if not nil, is asked first. A nil answer means that this
	// server serves the client itself; an error is answered with status 500.
	Redirect func(*http.Request) (*Redirect, error)
	// Register records the connection granted, before the client hears of
	// it. An error is answered with status 503: the client may try again.
	Register func(*http.Request, Grant) error
	// Refused, if not nil, is called before a request is refused, with the status
	// of the answer and why, for the server's log. A version that cannot be
	// served has status 200: the client reads the reason in the body.
	Refused func(r *http.Request, status int, reason error)

	encode     sync.Once
	transports []byte // Transports in JSON
}

var errMethod = errors.New("negotiate: the method is not POST")

// refusal is the body of an answer that grants nothing. Fields keep the order of
// the reference server; the order has no meaning to clients.
type refusal struct {
	Error       string `json:"error,omitempty"`
	URL         string `json:"url,omitempty"`
	AccessToken string `json:"accessToken,omitempty"`
}

// ServeHTTP answers one negotiate request. Any method but POST gets 405; a version that
// cannot be served gets 200 with an error text and no connection. No answer may be
// cached.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store") // ids and tokens are for this client alone
	if r.Method != http.MethodPost {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Allow", http.MethodPost)
		h.fail(w, r, http.StatusMethodNotAllowed, errMethod)
		return
	}
	if h.Redirect != nil {
		to, err := h.Redirect(r)
		if err != nil {
			h.fail(w, r, http.StatusInternalServerError, err)
			return
		}
		if to != nil {
			reply(w, encode(refusal{URL: to.URL, AccessToken: to.AccessToken}))
			return
		}
	}
	version, errText := h.version(r)
	if errText != "" {
		h.tell(r, http.StatusOK, errors.New("negotiate: "+errText))
		reply(w, encode(refusal{Error: errText}))
		return
	}
	grant := NewGrant(version, h.Node)
	// Where the public id is the token, it would hand over a connection in use.
	grant.StatefulReconnect = h.StatefulReconnect && version > 0 && wantsStatefulReconnect(r)
	if err := h.Register(r, grant); err != nil {
		h.fail(w, r, http.StatusServiceUnavailable, err)
		return
	}
	reply(w, h.appendGrant(make([]byte, 0, 512), grant))
}

// appendGrant appends the body of an answer. It is written by hand, since
// encoding/json would make the stack of each request grow; ids need no escapes.
func (h *Handler) appendGrant(dst []byte, g Grant) []byte {
	dst = append(dst, '{')
	if g.StatefulReconnect {
		dst = append(dst, `"useStatefulReconnect":true,`...)
	}
	dst = append(dst, `"negotiateVersion":`...)
	dst = strconv.AppendInt(dst, int64(g.Version), 10)
	dst = append(append(dst, `,"connectionId":"`...), g.ConnectionID...)
	if g.Version > 0 {
		dst = append(append(dst, `","connectionToken":"`...), g.ConnectionToken...)
	}
	dst = append(dst, '"')
	if len(h.Transports) > 0 {
		h.encode.Do(func() { h.transports, _ = json.Marshal(h.Transports) }) // strings never fail
		dst = append(append(dst, `,"availableTransports":`...), h.transports...)
	}
	return append(dst, '}')
}

// version chooses the version to answer with, or the text of the refusal.
func (h *Handler) version(r *http.Request) (version int, errText string) {
	if asked, ok := QueryValue(r, "negotiateVersion"); ok {
		n, err := strconv.Atoi(asked)
		if err != nil {
			return 0, "The client requested a non-integer protocol version."
		}
		version = n
	}
	if version < h.MinimumVersion || version < 0 {
		return 0, fmt.Sprintf("The client requested version '%d', but the server does not support this version.", version)
	}
	return min(version, MaxVersion), ""
}

func wantsStatefulReconnect(r *http.Request) bool {
	asked, _ := QueryValue(r, "useStatefulReconnect")
	return strings.EqualFold(asked, "true")
}

// fail refuses a request by the status alone.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, status int, reason error) {
	h.tell(r, status, reason)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Connection", "close") // the next attempt is to reach another process
	}
	w.WriteHeader(status)
}

func (h *Handler) tell(r *http.Request, status int, reason error) {
	if h.Refused != nil {
		h.Refused(r, status, reason)
	}
}

func encode(answer refusal) []byte {
	body, _ := json.Marshal(answer) // strings never fail
	return body
}

func reply(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // a client that went away needs no answer
}

package transports

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/go-signalr/signalr/negotiate"
)

// Bodies of refusals (reference 2.3).
const (
	textNoID        = "Connection ID required"
	textUnknownID   = "No Connection with that ID"
	textOther       = "Cannot change transports mid-connection"
	textNotHere     = " transport not supported by this end point type"
	textNoPost      = "POST requests are not allowed for WebSocket connections."
	textNoTerminate = "Cannot terminate this connection using the DELETE endpoint."
)

// refuse answers a request that does not become a transport.
func refuse(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that went away needs no answer
}

// logRefusal tells who runs the server why a client was refused, which the client
// is not told. The query is left out: it may hold a token.
func (e *Endpoint) logRefusal(r *http.Request, status int, err error) {
	e.opts.logger.Debug("request refused", "method", r.Method, "path", r.URL.Path, "status", status, "error", err)
}

// logUnfit tells who runs the server that a transport cannot work beneath the
// program's middleware. Clients see no more than a connection that fails.
func (c *Connection) logUnfit(kind Kind, err error) {
	if errors.Is(err, http.ErrNotSupported) {
		c.logger.Warn("a transport needs more of the http.ResponseWriter: does all middleware implement Unwrap?",
			"connection", c.ID(), "transport", kind.String(), "error", err)
	}
}

// noCache marks the answer of a poll (reference 2.3).
func noCache(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")
}

// lookup finds the connection that a request names, or answers it.
func (e *Endpoint) lookup(w http.ResponseWriter, r *http.Request) *Connection {
	token, _ := negotiate.QueryValue(r, "id")
	if token == "" {
		refuse(w, http.StatusBadRequest, textNoID)
		return nil
	}
	c := e.find(token)
	if c == nil {
		e.logRefusal(r, http.StatusNotFound, errUnknownID)
		refuse(w, http.StatusNotFound, textUnknownID)
		return nil
	}
	if !e.identify(w, r, c) {
		return nil
	}
	return c
}

// refuseBound answers a transport request whose connection is not to be had.
func (c *Connection) refuseBound(w http.ResponseWriter, kind Kind, b bound) {
	c.logger.Debug("transport refused", "connection", c.ID(), "transport", kind.String(), "reason", b.String())
	switch b {
	case boundOther:
		refuse(w, http.StatusBadRequest, textOther)
	case boundAlready:
		refuse(w, http.StatusConflict, "")
	default:
		refuse(w, http.StatusNotFound, "")
	}
}

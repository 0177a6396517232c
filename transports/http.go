package transports

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-signalr/signalr/negotiate"
)

// Bodies of refusals.
const (
	textNoID        = "Connection ID required"
	textUnknownID   = "No Connection with that ID"
	textOther       = "Cannot change transports mid-connection"
	textNotHere     = " transport not supported by this end point type"
	textNoPost      = "POST requests are not allowed for WebSocket connections."
	textNoTerminate = "Cannot terminate this connection using the DELETE endpoint."
)

// answer answers a request that does not become a transport.
func answer(w http.ResponseWriter, status int, body string) {
	h := w.Header()
	if _, chosen := h["Content-Type"]; !chosen {
		h.Set("Content-Type", "text/plain")
	}
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store") // a refusal that a proxy kept would outlast its reason
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Connection", "close") // the next attempt is to reach another process
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a client that went away needs no answer
}

// refuse answers a request that is not served, and logs why, with more attributes if
// there are.
func (e *Endpoint) refuse(w http.ResponseWriter, r *http.Request, status int, body string, reason error, more ...any) {
	e.logRefusal(r, status, reason, more...)
	answer(w, status, body)
}

// refuseUntyped is refuse for answers that have no Content-Type.
func (e *Endpoint) refuseUntyped(w http.ResponseWriter, r *http.Request, status int, body string, reason error) {
	w.Header()["Content-Type"] = nil
	e.refuse(w, r, status, body, reason)
}

func (e *Endpoint) logRefusal(r *http.Request, status int, reason error, more ...any) {
	e.Policy().logRefusal(slog.LevelDebug, r, status, reason, more...)
}

// refuseNotEnabled answers a request for a transport that is switched off.
func (e *Endpoint) refuseNotEnabled(w http.ResponseWriter, r *http.Request, kind Kind) {
	e.refuse(w, r, http.StatusNotFound, kind.String()+textNotHere, fmt.Errorf("transports: %v is not enabled", kind))
}

// refuseUnfit answers a request whose http.ResponseWriter cannot carry a transport, so
// that its client takes another one.
func (e *Endpoint) refuseUnfit(w http.ResponseWriter, r *http.Request, kind Kind, reason error) {
	e.Policy().LogUnfit(r, http.StatusNotImplemented, kind.String(), reason)
	answer(w, http.StatusNotImplemented, "")
}

// boundBody limits how long net/http waits, before the response leaves, for the body of a
// request that nobody has read.
func (e *Endpoint) boundBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(e.opts.sendTimeout))
	}
}

// dropBody waits for the body of a request that is to last, and has no use for it: net/http
// would wait for it then. False means that the request is refused.
func (e *Endpoint) dropBody(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength == 0 {
		return true
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r.Body, readSize+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.refuse(w, r, http.StatusRequestTimeout, "", errSlowBody)
	case err != nil:
		e.refuse(w, r, http.StatusBadRequest, "", err)
	case n > readSize:
		e.refuse(w, r, http.StatusBadRequest, "", errLongBody)
	default:
		return true
	}
	return false
}

// noCache marks the answer of a poll.
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
		e.refuse(w, r, http.StatusBadRequest, textNoID, upgradeFault(r, errNoID)) // a WebSocket would need none
		return nil
	}
	c := e.find(token)
	if c == nil {
		e.refuse(w, r, http.StatusNotFound, textUnknownID, errUnknownID)
		return nil
	}
	if !e.identify(w, r, c) {
		return nil
	}
	return c
}

// refuseBound answers a transport request whose connection is not to be had.
func (e *Endpoint) refuseBound(w http.ResponseWriter, r *http.Request, c *Connection, kind Kind, b bound) {
	status, body := http.StatusNotFound, ""
	switch b {
	case boundOther:
		status, body = http.StatusBadRequest, textOther
	case boundAlready, boundSuperseded:
		status = http.StatusConflict
	}
	e.refuse(w, r, status, body, b.err(), "connection", c.ID(), "transport", kind.String())
}

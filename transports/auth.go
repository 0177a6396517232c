package transports

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"

	"github.com/go-signalr/signalr/negotiate"
)

// ErrUnauthenticated, returned by a check given to [WithAuthorization], answers
// the request with 401: the client may come again with other credentials. Every
// other error answers it with 403.
var ErrUnauthenticated = errors.New("transports: the request is not authenticated")

// ErrExpired ends a connection whose authentication has expired.
var ErrExpired = errors.New("transports: the authentication of the connection has expired")

const textUserChanged = "The user associated with this connection changed."

// WithAuthorization checks every request of the endpoint's clients, also those
// of connections that exist. A refusal has an empty body, since
// clients would show it instead of the status. The default lets all pass, which
// leaves the check to the application's own middleware.
//
// A refused request does not end the connection that it is for: a client whose
// token has expired keeps receiving. With tokens that expire soon, use
// [WithExpiration] too. A client whose DELETE is not authenticated any more, since
// its user has logged out, ends its long-polling connection all the same.
func WithAuthorization(check func(*http.Request) error) Option {
	return func(o *options) error { return function("the authorization", check, &o.authorize) }
}

// WithIdentity says who makes a request; empty means that it is not known. Who
// negotiates a connection owns it: later requests of another identity are refused with
// 403, so that a stolen connection token alone is of no use; all it can do is end a
// long-polling connection by a DELETE without an identity, as clients whose users
// have logged out do. The default knows nobody.
//
// A connection that was negotiated without an identity gets that of the transport's
// first request. Applications whose users are only known then, since they have their
// tokens for the transport alone, work that way; where users are known, negotiations
// without one are for [WithAuthorization] to refuse.
func WithIdentity(identity func(*http.Request) string) Option {
	return func(o *options) error { return function("the identity", identity, &o.identity) }
}

// WithExpiration ends connections when the authentication of their latest
// transport request expires, with [ErrExpired]; the zero time never does. The
// default ignores expiry once a connection is made.
func WithExpiration(expires func(*http.Request) time.Time) Option {
	return func(o *options) error { return function("the expiration", expires, &o.expires) }
}

// refuseUnauthorized answers a request that may not pass.
func (e *Endpoint) refuseUnauthorized(w http.ResponseWriter, r *http.Request, reason error) {
	status := http.StatusForbidden
	if errors.Is(reason, ErrUnauthenticated) {
		status = http.StatusUnauthorized
	}
	e.refuseUntyped(w, r, status, "", reason)
}

// loggedOut returns the connection that a request ends although it may not pass: that
// of a client which has logged out since, and has nothing left but the connection token.
func (e *Endpoint) loggedOut(r *http.Request, reason error) *Connection {
	if r.Method != http.MethodDelete || !errors.Is(reason, ErrUnauthenticated) {
		return nil
	}
	token, _ := negotiate.QueryValue(r, "id")
	c := e.find(token)
	if c == nil || !c.hasSecret() || c.Transport() != LongPolling {
		return nil
	}
	return c
}

// hasSecret reports whether only the client knows its connection token. Before version 1
// of negotiate that is the public id.
func (c *Connection) hasSecret() bool { return c.grant.Version > 0 }

// identify answers a request for a connection of somebody else.
func (e *Endpoint) identify(w http.ResponseWriter, r *http.Request, c *Connection) bool {
	c.mu.Lock()
	isOwned, identity := c.kind != 0 || c.identity != "", c.identity
	c.mu.Unlock()
	if !isOwned {
		return true
	}
	by := e.opts.identity(r)
	if by == identity || by == "" && r.Method == http.MethodDelete && c.hasSecret() {
		return true
	}
	e.refuse(w, r, http.StatusForbidden, textUserChanged, errUserChanged, "connection", c.ID())
	return false
}

// expiry returns a time as Connection.expires holds it.
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// BearerToken returns the bearer token of a request: from its Authorization
// header or, where browsers cannot set one, on WebSockets and Server-Sent
// Events, from the query value access_token. A header of another scheme, such as
// the Basic credentials of a proxy, counts as none; one of the scheme Bearer hides
// the query value, even if its token is empty. Keep request URLs with such a value
// out of logs.
func BearerToken(r *http.Request) string {
	for _, header := range r.Header.Values("Authorization") {
		if scheme, token, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	return r.URL.Query().Get("access_token")
}

// newCORS lets the pages of other origins use the endpoint, with the credentials
// that SignalR clients send by default.
func newCORS(allowed func(origin string) bool) *cors.Cors {
	return cors.New(cors.Options{
		AllowOriginFunc:  allowed,
		AllowedMethods:   []string{http.MethodGet, http.MethodPost, http.MethodDelete},
		AllowedHeaders:   []string{"*"},
		AllowCredentials: true,
		MaxAge:           int((10 * time.Minute).Seconds()),
	})
}

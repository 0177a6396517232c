package transports

import (
	"log/slog"
	"net/http"
	"time"
)

// Policy is what an endpoint demands of the requests of its clients, for others
// that serve the same clients by other protocols. It is safe for concurrent use.
type Policy struct{ endpoint *Endpoint }

// Policy returns the endpoint's policy.
func (e *Endpoint) Policy() Policy { return Policy{e} }

// Authorize does what was set by [WithAuthorization].
func (p Policy) Authorize(r *http.Request) error { return p.endpoint.opts.authorize(r) }

// Identity does what was set by [WithIdentity].
func (p Policy) Identity(r *http.Request) string { return p.endpoint.opts.identity(r) }

// Expires does what was set by [WithExpiration].
func (p Policy) Expires(r *http.Request) time.Time { return p.endpoint.opts.expires(r) }

// CheckSite returns an error, which the request is to be refused with, if a page of
// another site has made it: neither is its page from the host that the request is
// addressed to, nor of an origin given to [WithAllowedOrigins]. The refusal is logged.
func (p Policy) CheckSite(r *http.Request) error {
	switch {
	case p.endpoint.opts.checkSite(r):
		return nil
	case r.Header.Get("Origin") != "":
		p.endpoint.logOrigin(r, http.StatusForbidden)
		return errOrigin
	default:
		p.endpoint.logRefusal(slog.LevelDebug, r, http.StatusForbidden, errSite)
		return errSite
	}
}

// AllowsOrigin reports whether browsers let a page have the response to its request:
// the page is from the host that the request is addressed to, or of an origin given to
// [WithAllowedOrigins].
func (p Policy) AllowsOrigin(r *http.Request) bool { return p.endpoint.opts.checkOrigin(r) }

// Serve runs next, with the headers that let pages of the origins allowed use the answer,
// or answers their preflight requests, and requests to hosts that [WithAllowedHosts] does
// not list. The body of the request has the time of [WithSendTimeout] to come: net/http
// would wait for it without end before a response leaves.
func (p Policy) Serve(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	p.endpoint.boundBody(w, r)
	if !p.endpoint.checkHost(w, r) {
		return
	}
	if p.endpoint.cors == nil {
		next(w, r)
		return
	}
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && !p.AllowsOrigin(r) {
		p.endpoint.logOrigin(r, http.StatusNoContent) // which is what CORS answers, without the headers
	}
	p.endpoint.cors.ServeHTTP(w, r, next)
}

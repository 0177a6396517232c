package transports

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Policy is what an endpoint demands of the requests of its clients, for others
// that serve the same clients by other protocols. It is safe for concurrent use.
type Policy struct {
	endpoint *Endpoint
	logger   *slog.Logger
}

// Policy returns the endpoint's policy.
func (e *Endpoint) Policy() Policy { return Policy{e, e.opts.logger} }

// LoggingTo returns the policy as it logs to another logger than the endpoint's.
func (p Policy) LoggingTo(logger *slog.Logger) Policy {
	p.logger = logger
	return p
}

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
		p.logOrigin(r, http.StatusForbidden)
		return errOrigin
	default:
		p.logRefusal(slog.LevelDebug, r, http.StatusForbidden, errSite)
		return errSite
	}
}

// AllowsOrigin reports whether browsers let a page have the response to its request:
// the page is from the host that the request is addressed to, or of an origin given to
// [WithAllowedOrigins].
func (p Policy) AllowsOrigin(r *http.Request) bool { return p.endpoint.opts.checkOrigin(r) }

// CanStream returns an error, with which the request is to be refused by status 501, if
// what is written to w cannot be sent at once: its client gets nothing from a transport
// that streams, and has to take another one. The transport is what the log calls it,
// which warns of the refusal once an hour.
func (p Policy) CanStream(w http.ResponseWriter, r *http.Request, transport string) error {
	if canFlush(w) {
		return nil
	}
	p.LogUnfit(r, http.StatusNotImplemented, transport, http.ErrNotSupported)
	return http.ErrNotSupported
}

// LogUnfit logs that a transport fails because the http.ResponseWriter cannot carry it:
// as a warning, once an hour for each transport, if the reason is
// [http.ErrNotSupported].
func (p Policy) LogUnfit(r *http.Request, status int, transport string, reason error) {
	level := slog.LevelDebug
	if errors.Is(reason, http.ErrNotSupported) {
		level = p.endpoint.warnings.level("unfit "+transport, time.Now())
	}
	p.logRefusal(level, r, status, reason, "transport", transport,
		"remedy", "the http.ResponseWriter must support flushing and hijacking: all middleware must implement Unwrap")
}

// logOrigin logs that a page of another origin was refused: the log is the only place
// to notice what the page is refused for.
func (p Policy) logOrigin(r *http.Request, status int) {
	header := r.Header.Get("Origin")
	p.logRefusal(p.endpoint.warnings.level("origin "+originKey(header), time.Now()), r, status, errOrigin,
		"origin", shortened(header), "host", shortened(r.Host),
		"remedy", "allow it by WithAllowedOrigins or, if it is this server's own, let the proxy pass on the Host header, in nginx: proxy_set_header Host $http_host;")
}

// originKey returns the one key of a warning for all spellings of an origin.
func originKey(header string) string {
	if o, err := parseOrigin(header); err == nil {
		return shortened(o.scheme + "://" + o.host)
	}
	return shortened(header)
}

// logRefusal logs why a client was refused, which the client itself does not learn.
// The query is left out: it may hold a token.
func (p Policy) logRefusal(level slog.Level, r *http.Request, status int, reason error, more ...any) {
	p.logger.Log(context.Background(), level, "request refused", append([]any{
		"method", shortened(r.Method), "path", shortened(r.URL.Path), "status", status, "error", reason}, more...)...)
}

// Serve runs next, with the headers that let pages of the origins allowed use the answer,
// or answers their preflight requests, and requests to hosts that [WithAllowedHosts] does
// not list. The body of the request has the time of [WithSendTimeout] to come: net/http
// would wait for it without end before a response leaves.
func (p Policy) Serve(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	p.endpoint.noticeServer(r)
	p.endpoint.boundBody(w, r)
	if !p.checkHost(w, r) {
		return
	}
	if p.endpoint.cors == nil {
		next(w, r)
		return
	}
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" && !p.AllowsOrigin(r) {
		p.logOrigin(r, http.StatusNoContent) // which is what CORS answers, without the headers
	}
	p.endpoint.cors.ServeHTTP(w, r, next)
}

package hubs

import (
	"net/http"
	"time"

	"github.com/go-signalr/signalr/transports"
)

// BearerToken returns the bearer token of a request; see [transports.BearerToken].
func BearerToken(r *http.Request) string { return transports.BearerToken(r) }

// WithUserID sets how a connection's user is found: from the negotiation and from the
// transport's requests, which must agree: those of another user are refused with status
// 403. An empty id means that it belongs to no user, which is the default for all. A
// connection that was negotiated without a user gets that of the transport's first
// request, for applications that know their users only then.
func WithUserID(userID func(*http.Request) string) Option {
	return WithEndpoint(transports.WithIdentity(userID))
}

// WithAuthorization checks every HTTP request of the hub's clients: an error
// refuses it with status 403, or 401 if it is [transports.ErrUnauthenticated]:
// clients then ask for a fresh token and try once more. The default leaves the
// check to the application's own middleware, which can also put values into the
// request's context for [Context.Value].
//
// A refused request does not end the connection that it is for: a client whose
// token has expired keeps receiving. With tokens that expire soon, use
// [WithExpiration] too.
func WithAuthorization(check func(*http.Request) error) Option {
	return WithEndpoint(transports.WithAuthorization(check))
}

// WithExpiration ends connections when the authentication of their latest
// transport request expires; the zero time never does. Clients that reconnect
// automatically then come back with fresh credentials. The default ignores expiry
// once a connection is made.
func WithExpiration(expires func(*http.Request) time.Time) Option {
	return WithEndpoint(transports.WithExpiration(expires))
}

// WithAllowedOrigins lists the other origins, such as "https://app.example",
// whose pages may use the hub; see [transports.WithAllowedOrigins].
func WithAllowedOrigins(origins ...string) Option {
	return WithEndpoint(transports.WithAllowedOrigins(origins...))
}

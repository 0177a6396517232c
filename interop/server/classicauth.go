package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/transports"
)

// NoAuthHub is the first of the classic contract's hubs about authorization: everybody may use it. The others differ in
// who may.
type NoAuthHub struct{}

// authInfo is who a client is.
type authInfo struct {
	IsAuthenticated, IsAdmin bool
	UserName                 string
}

func (*NoAuthHub) tell(c *hubs.Context, what string, more ...any) error {
	args := append([]any{c.ConnectionID(), time.Now().Format(time.DateTime)}, more...)
	return c.Hub().Clients().All().Send(c, what, args...)
}

// OnConnected tells everyone who has come.
func (h *NoAuthHub) OnConnected(c *hubs.Context) error {
	who := claimsOf(c.Request())
	return h.tell(c, "joined", authInfo{who.NameIdentifier != "", who.Scope == adminScope, who.NameIdentifier})
}

// OnReconnected tells everyone who is back.
func (h *NoAuthHub) OnReconnected(c *hubs.Context) error { return h.tell(c, "rejoined") }

// OnDisconnected tells everyone who has gone.
func (h *NoAuthHub) OnDisconnected(c *hubs.Context, _ error) { _ = h.tell(c, "left") }

// InvokedFromClient tells everyone who has called.
func (h *NoAuthHub) InvokedFromClient(c *hubs.Context) error { return h.tell(c, "invoked") }

// InvokeAuthHub has a method that not everybody may call.
type InvokeAuthHub struct{}

// InvokedFromClient tells everyone who has called.
func (*InvokeAuthHub) InvokedFromClient(c *hubs.Context) error {
	return c.Clients().All().Send(c, "invoked", c.ConnectionID(), time.Now().Format(time.DateTime))
}

// AuthenticatedEchoHub is an EchoHub for those who say who they are.
type AuthenticatedEchoHub struct{ EchoHub }

// OnConnected tells everyone who has come.
func (*AuthenticatedEchoHub) OnConnected(c *hubs.Context) error {
	return c.Clients().All().Send(c, "SendUserOnConnected", c.UserID())
}

// OnDisconnected tells everyone who has gone. The user is known then, too.
func (*AuthenticatedEchoHub) OnDisconnected(c *hubs.Context, _ error) {
	_ = c.Hub().Clients().All().Send(c, "SendUserOnDisconnected", c.UserID())
}

// The scopes of a token that stand for the contract's roles.
const (
	adminScope   = "Admin"
	invokerScope = "Invoker"
)

var errForbidden = errors.New("the user may not use the hub")

// signedIn lets in who says who they are.
func signedIn(r *http.Request) error {
	if claimsOf(r).NameIdentifier == "" {
		return transports.ErrUnauthenticated
	}
	return nil
}

// admin lets in administrators.
func admin(r *http.Request) error {
	if err := signedIn(r); err != nil {
		return err
	}
	if claimsOf(r).Scope != adminScope {
		return errForbidden
	}
	return nil
}

// userAndAdmin lets in the administrator named User.
func userAndAdmin(r *http.Request) error {
	if err := admin(r); err != nil {
		return err
	}
	if claimsOf(r).NameIdentifier != "User" {
		return errForbidden
	}
	return nil
}

// mayInvoke lets administrators and invokers call.
func mayInvoke(c *hubs.Context) error {
	if scope := claimsOf(c.Request()).Scope; scope != adminScope && scope != invokerScope {
		return errForbidden
	}
	return nil
}

// loginCookie carries a token of the test server's own.
const loginCookie = "login"

// cookieAuth is a site where people sign in: POST .../Account/Login with UserName and Role in a form sets a cookie, and
// requests that have it are theirs.
func (t *tokens) cookieAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Account/Login") {
			t.login(w, r)
			return
		}
		if cookie, err := r.Cookie(loginCookie); err == nil {
			if who, err := t.check(cookie.Value, time.Now()); err == nil {
				r = r.WithContext(context.WithValue(r.Context(), claimsKey{}, who))
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (t *tokens) login(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	token, err := t.issue(claims{
		NameIdentifier: r.PostFormValue("UserName"),
		Scope:          r.PostFormValue("Role"),
		Expires:        time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: loginCookie, Value: token, Path: "/", HttpOnly: true})
}

// basicAuth is a site for those who give a name and any password with every request.
func basicAuth(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, ok := r.BasicAuth()
		if !ok {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims{NameIdentifier: name})))
	})
}

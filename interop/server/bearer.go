package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

const (
	tokenLifetime = 5 * time.Second
	// clockSkew is how long a token is accepted after its end: the usual allowance, which the tests rely on.
	clockSkew = 5 * time.Minute
)

// claims are the members of a bearer token (contract 6).
type claims struct {
	NameIdentifier string `json:"nameid"`
	Issuer         string `json:"iss"`
	Audience       string `json:"aud"`
	Expires        int64  `json:"exp"`
	Scope          string `json:"scope,omitempty"`
}

// claimsKey is the context key under which require leaves a request's claims.
type claimsKey struct{}

// claimsOf returns the claims of a request that passed require, else none.
func claimsOf(r *http.Request) claims {
	c, _ := r.Context().Value(claimsKey{}).(claims)
	return c
}

// userName is the authorised hub's user id.
func userName(r *http.Request) string { return claimsOf(r).NameIdentifier }

// tokens issues and checks HS256 bearer tokens. Its key is random and lives as long as the process. It is safe for
// concurrent use.
type tokens struct{ key []byte }

func newTokens() *tokens {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	return &tokens{key: key}
}

// ServeHTTP issues a token as plain text. Beside the contract's query values it takes lifetime, such as 3s.
func (t *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	user := query.Get("user")
	if user == "" {
		user = "testuser"
	}
	lifetime := tokenLifetime
	if text := query.Get("lifetime"); text != "" {
		var err error
		if lifetime, err = time.ParseDuration(text); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	token, err := t.issue(claims{
		NameIdentifier: user,
		Issuer:         "SignalRTestServer",
		Audience:       "SignalRTests",
		Expires:        time.Now().Add(lifetime).Unix(),
		Scope:          query.Get("scope"),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, token)
}

// require lets only requests with a valid token through. The answer to others has no body, since the client would show
// that instead of the status text.
func (t *tokens) require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		identity, err := t.check(bearerToken(r), time.Now())
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, identity)))
	})
}

// bearerToken finds a request's token. Beyond what the library's own function finds, the contract has a header without
// the prefix.
func bearerToken(r *http.Request) string {
	if token := hubs.BearerToken(r); token != "" {
		return token
	}
	return r.Header.Get("Authorization")
}

// issue makes the signed token of c.
func (t *tokens) issue(c claims) (string, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := encodeSegment([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encodeSegment(body)
	return signed + "." + encodeSegment(t.sign(signed)), nil
}

// check verifies signature, lifetime and user name. Issuer and audience are not checked (contract 6).
func (t *tokens) check(token string, now time.Time) (claims, error) {
	end := strings.LastIndexByte(token, '.')
	if end < 0 {
		return claims{}, errors.New("not a token")
	}
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil || !hmac.Equal(signature, t.sign(token[:end])) {
		return claims{}, errors.New("wrong signature")
	}
	// From here on the text is our own: only issue can have signed it.
	_, body, _ := strings.Cut(token[:end], ".")
	decoded, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return claims{}, err
	}
	var c claims
	if err := json.Unmarshal(decoded, &c); err != nil {
		return claims{}, err
	}
	if now.After(time.Unix(c.Expires, 0).Add(clockSkew)) {
		return claims{}, errors.New("token expired")
	}
	if c.NameIdentifier == "" {
		return claims{}, errors.New("no name identifier")
	}
	return c, nil
}

func (t *tokens) sign(text string) []byte {
	mac := hmac.New(sha256.New, t.key)
	_, _ = io.WriteString(mac, text)
	return mac.Sum(nil)
}

func encodeSegment(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

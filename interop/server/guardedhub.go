package main

import (
	"errors"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// GuardedHub has methods that not every user may call, and filters around all of them.
type GuardedHub struct{}

// Echo returns its argument, which the filter then makes loud.
func (*GuardedHub) Echo(_ *hubs.Context, text string) string { return text }

// Words streams the words of a text, which the filter then makes loud.
func (*GuardedHub) Words(_ *hubs.Context, text string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for word := range strings.FieldsSeq(text) {
			if !yield(word, nil) {
				return
			}
		}
	}
}

// Secret is for users with the scope "secret".
func (*GuardedHub) Secret(*hubs.Context) string { return "the secret" }

// SecretStream is for users with the scope "secret".
func (*GuardedHub) SecretStream(*hubs.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("the secret", nil) }
}

// guards are the options of GuardedHub: who may connect, who may call what, and a filter that changes results.
func guards() []hubs.Option {
	return []hubs.Option{
		hubs.WithUserID(userName),
		hubs.WithFilters(hubs.Filter{Connected: refuseBanned, Call: makeLoud}),
		hubs.WithMethodAuthorization(hasSecretScope, "Secret", "SecretStream"),
	}
}

// refuseBanned is a filter that lets everybody connect but the user "banned".
func refuseBanned(c *hubs.Context, next func() error) error {
	if c.UserID() == "banned" {
		return hubs.NewError("you are banned")
	}
	return next()
}

// makeLoud is a filter that upper-cases texts that are results or items.
func makeLoud(_ *hubs.Context, next func() (any, error)) (any, error) {
	result, err := next()
	switch result := result.(type) {
	case string:
		return strings.ToUpper(result), err
	case iter.Seq2[any, error]:
		return iter.Seq2[any, error](func(yield func(any, error) bool) {
			for item, err := range result {
				if text, ok := item.(string); ok {
					item = strings.ToUpper(text)
				}
				if !yield(item, err) {
					return
				}
			}
		}), err
	}
	return result, err
}

func hasSecretScope(c *hubs.Context) error {
	if claimsOf(c.Request()).Scope != "secret" {
		return errors.New("the token lacks the scope")
	}
	return nil
}

// tokenEnd is when a connection with the request's token has to end.
func tokenEnd(r *http.Request) time.Time { return time.Unix(claimsOf(r).Expires, 0) }

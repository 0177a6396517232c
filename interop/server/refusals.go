package main

import (
	"net/http"
	"strings"
)

// refuse answers the requests that any of the functions matches as a proxy does that does not know what they are for.
// Negotiate still offers the transports that are refused: clients have to find out.
func refuse(matches ...func(*http.Request) bool) middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for _, match := range matches {
				if match(r) {
					http.Error(w, "refused on the way", http.StatusForbidden)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

func opensWebSocket(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

func opensEventStream(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// hideAbilities is middleware that knows nothing of flushing and hijacking, and does not implement Unwrap.
func hideAbilities(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
	})
}

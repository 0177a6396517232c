package main

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// middleware is one rule of contract 2: it answers the request itself or hands it on to next.
type middleware func(next http.Handler) http.Handler

// pipeline puts the rules of contract 2 in front of the routes, in the contract's order. Its rule 8 needs no code: the
// second CORS policy admits origins that rule 2 has already admitted.
func pipeline(routes http.Handler, static string) http.Handler {
	rules := []middleware{
		staticFiles(static),
		allowOrigin,
		answerOptions,
		ignoreCase,
		redirectEcho,
		redirectNegotiate(),
		setCookies,
		refuseBadNegotiate,
	}
	handler := routes
	for i := len(rules) - 1; i >= 0; i-- {
		handler = rules[i](handler)
	}
	return handler
}

// allowOrigin admits every origin, with credentials (rule 2).
func allowOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			answer := w.Header()
			answer.Set("Access-Control-Allow-Origin", origin)
			answer.Set("Access-Control-Allow-Credentials", "true")
			answer.Add("Vary", "Origin")
			if method := r.Header.Get("Access-Control-Request-Method"); method != "" {
				answer.Set("Access-Control-Allow-Methods", method)
			}
			if headers := r.Header.Get("Access-Control-Request-Headers"); headers != "" {
				answer.Set("Access-Control-Allow-Headers", headers)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// answerOptions answers every OPTIONS request (rule 3).
func answerOptions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ignoreCase lower-cases the first segment of the path, which is the route (contract 1). What follows may be a
// connection id, whose case matters; the endpoints themselves match "negotiate" in any case.
func ignoreCase(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route, rest := splitRoute(r.URL.Path); route != strings.ToLower(route) {
			r = r.Clone(r.Context())
			r.URL.Path, r.URL.RawPath = "/"+strings.ToLower(route)+rest, ""
		}
		next.ServeHTTP(w, r)
	})
}

// splitRoute cuts "/testhub/negotiate" into "testhub" and "/negotiate".
func splitRoute(path string) (route, rest string) {
	path = strings.TrimPrefix(path, "/")
	if end := strings.IndexByte(path, '/'); end >= 0 {
		return path[:end], path[end:]
	}
	return path, ""
}

// setCookies adds the cookies of contract 3 to every answer to a negotiate request (rule 6).
func setCookies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(strings.ToLower(r.URL.Path), "/negotiate") {
			for _, cookie := range []http.Cookie{
				{Name: "testCookie", Value: "testValue"},
				{Name: "testCookie2", Value: "testValue2"},
				{Name: "expiredCookie", Value: "doesntmatter", Expires: time.Now().Add(-time.Hour)},
			} {
				cookie.Path = "/"
				if r.TLS != nil {
					cookie.Secure, cookie.SameSite, cookie.Partitioned = true, http.SameSiteNoneMode, true
				}
				http.SetCookie(w, &cookie)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// refuseBadNegotiate answers everything below /bad-negotiate with an error that the client shows (rule 7).
func refuseBadNegotiate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route, _ := splitRoute(r.URL.Path); route == "bad-negotiate" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "Some response from server")
			return
		}
		next.ServeHTTP(w, r)
	})
}

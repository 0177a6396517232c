package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
)

// redirectEcho sends every request for /echoredirect to /echo (rule 4 of contract 2). 307 and nothing else: a client
// must repeat a POST as a POST.
func redirectEcho(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, rest := splitRoute(r.URL.Path)
		if route != "echoredirect" {
			next.ServeHTTP(w, r)
			return
		}
		location := "/echo" + rest
		if r.URL.RawQuery != "" {
			location += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
}

// redirectNegotiate answers every request for /redirect with a negotiate redirect to the test hub that carries the
// number of redirects given out so far (rule 5 of contract 2).
func redirectNegotiate() middleware {
	var count atomic.Int64
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if route, _ := splitRoute(r.URL.Path); route != "redirect" {
				next.ServeHTTP(w, r)
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]string{
				"url": fmt.Sprintf("%s/testHub?numRedirects=%d", r.URL.Query().Get("baseUrl"), count.Add(1)),
			})
		})
	}
}

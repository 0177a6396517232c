package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// redirectToken is the access token that goes with every negotiate redirect of classic contract 5.
const redirectToken = "TestToken"

// negotiateRedirects are the redirectors of classic contract 5, by path.
func negotiateRedirects() map[string]http.Handler {
	redirects := map[string]http.Handler{
		"/redirect-query-string2": http.HandlerFunc(redirectQueryString2),
		"/redirect-query-string-clear2": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("clearedName") != "clearedValue" {
				http.Error(w, "the query is not that of the redirect", http.StatusInternalServerError)
				return
			}
			redirectTo(w, r, "/signalr", "2.0")
		}),
	}
	for _, redirect := range []struct{ source, target, version string }{
		{"/redirect", "/redirect2", "2.0"},
		{"/redirect2", "/redirect3/", "2.0"}, // with and without a slash at the end: clients must know both
		{"/redirect3", "/redirect4", "2.0"},
		{"/redirect4", "/signalr/", "2.0"},
		{"/redirect-query-string", "/redirect-query-string2?name1=value1&name2=value2", "2.0"},
		{"/redirect-query-string-clear", "/redirect-query-string-clear2?clearedName=clearedValue", "2.0"},
		{"/redirect-query-string-invalid", "/signalr?redirect=invalid&/?=/&", "2.0"},
		{"/redirect-loop", "/redirect-loop2", "2.0"},
		{"/redirect-loop2", "/redirect-loop", "2.0"},
		{"/redirect-old-proto", "/signalr", "1.5"},
		{"/redirect-new-proto", "/signalr", "2.1"},
		{"/redirect-future-proto", "/signalr", "2.2"},
	} {
		redirects[redirect.source] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			redirectTo(w, r, redirect.target, redirect.version)
		})
	}
	return redirects
}

// redirectQueryString2 sends to a query that tells what the request's own was.
func redirectQueryString2(w http.ResponseWriter, r *http.Request) {
	target := "/signalr?name1=newValue&name3=value3"
	if name := r.URL.Query().Get("name1"); name != "" {
		target += "&origName1=" + url.QueryEscape(name)
	}
	redirectTo(w, r, target, "2.0")
}

func redirectTo(w http.ResponseWriter, r *http.Request, target, version string) {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	answerJSON(w, map[string]any{
		"ProtocolVersion": version, "RedirectUrl": scheme + r.Host + target, "AccessToken": redirectToken,
	})
}

// answerJSON answers with a value.
func answerJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

// coreNegotiate answers as a server of ASP.NET Core SignalR does.
func coreNegotiate(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, map[string]any{"connectionId": "fakeConnectionId", "availableTransports": []string{}})
}

// negotiateError answers with an error that the client shows.
func negotiateError(w http.ResponseWriter, _ *http.Request) {
	answerJSON(w, map[string]any{"ProtocolVersion": "2.0", "Error": "Server-provided negotiate error message!"})
}

// divertWhen answers requests whose last segment of the path is the query's redirectWhen with a redirect to a page, and
// those whose last segment is alterWhen with the query's statusCode.
func divertWhen(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		operation := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		switch {
		case operation != "" && operation == query.Get("redirectWhen"):
			http.Redirect(w, r, "/", http.StatusFound)
		case operation != "" && operation == query.Get("alterWhen"):
			status, err := strconv.Atoi(query.Get("statusCode"))
			if err != nil || status < 200 || status > 599 {
				status = http.StatusOK
			}
			http.Error(w, "Hello world", status)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

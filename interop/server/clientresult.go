package main

import (
	"io"
	"net/http"
	"strconv"

	"github.com/go-signalr/signalr/hubs"
)

// clientResult asks the connection that the path names for its client result "Result" and answers with the result or
// with the error's text and nothing else (contract 4). The request's own end is its only timeout.
func clientResult(hub *hubs.Hub) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := hubs.Invoke[int](r.Context(), hub.Clients().Client(r.PathValue("id")), "Result")
		answer := strconv.Itoa(result)
		if err != nil {
			answer = err.Error()
		}
		_, _ = io.WriteString(w, answer)
	})
}

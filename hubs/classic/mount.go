package classic

import (
	"net/http"
	"strings"
)

// Mount returns a handler that hands requests for path and what is below it to
// endpoint, and all others to next. It goes in front of a router such as
// [http.ServeMux]: those send clients whose URL ends in a slash, which then ask
// for "/signalr//connect", elsewhere, and that breaks their POSTs and WebSockets.
//
//	server.Handler = classic.Mount("/signalr", endpoint, mux)
//
// Several endpoints are mounted one in front of the other. Where all clients are
// known to have no slash at the end, a router does as well: mux.Handle("/signalr/",
// endpoint).
func Mount(path string, endpoint, next http.Handler) http.Handler {
	path = strings.TrimRight(path, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, path); ok && (rest == "" || rest[0] == '/') {
			endpoint.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

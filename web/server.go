package main

import (
	"embed"
	"io/fs"
	"net/http"
)

// clientScript is the client's file that the page loads.
const clientScript = "signalr.min.js"

// contentPolicy lets the page load what this server has, and nothing else.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed static/*.css static/*.html static/*.js static/*.svg
var static embed.FS

// newHandler serves the hub at /chat, the page at /, its parts below /static/,
// and the SignalR client below /lib/signalr/.
func newHandler(hub http.Handler, client fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/chat", hub)
	mux.Handle("/chat/", hub)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", contentPolicy)
		w.Header().Set("Referrer-Policy", "no-referrer")
		serveFile(w, r, static, "static/index.html")
	})
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		serveFile(w, r, static, "static/"+r.PathValue("file"))
	})
	mux.HandleFunc("GET /lib/signalr/{file}", func(w http.ResponseWriter, r *http.Request) {
		serveFile(w, r, client, r.PathValue("file"))
	})
	return mux
}

func serveFile(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	// Embedded files have no date to ask about: a browser must not guess one.
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, files, name)
}

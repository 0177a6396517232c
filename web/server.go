package main

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/go-signalr/signalr/hubs/classic"
)

// clientScripts are the files of npm packages that the pages load: their path
// here, and that in node_modules.
var clientScripts = map[string]string{
	"/lib/signalr/signalr.min.js":       "@microsoft/signalr/dist/browser/signalr.min.js",
	"/lib/jquery/jquery.min.js":         "jquery/dist/jquery.min.js",
	"/lib/jquery/jquery.signalR.min.js": "signalr/jquery.signalR.min.js",
}

// contentPolicy lets a page load what this server has, and nothing else. Frames are
// for the forever frame transport.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed static/*.css static/*.html static/*.js static/*.svg
var static embed.FS

// newHandler serves the hub at /chat, and for classic clients at /signalr, the
// pages at / and /classic.html, their parts below /static/, and the SignalR
// clients of node_modules below /lib/.
func newHandler(hub, old http.Handler, modules fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/chat", hub)
	mux.Handle("/chat/", hub)
	for path, page := range map[string]string{"GET /{$}": "index.html", "GET /classic.html": "classic.html"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Security-Policy", contentPolicy)
			w.Header().Set("Referrer-Policy", "no-referrer")
			serveFile(w, r, static, "static/"+page)
		})
	}
	mux.HandleFunc("GET /static/{file}", func(w http.ResponseWriter, r *http.Request) {
		serveFile(w, r, static, "static/"+r.PathValue("file"))
	})
	for path, file := range clientScripts {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			serveFile(w, r, modules, file)
		})
	}
	return classic.Mount("/signalr", old, mux)
}

func serveFile(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	// Embedded files have no date to ask about: a browser must not guess one.
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, files, name)
}

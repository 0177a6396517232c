package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestHandler(t *testing.T) {
	t.Parallel()
	modules := fstest.MapFS{"signalr/package.json": {Data: []byte("x")}}
	for _, file := range clientScripts {
		modules[file] = &fstest.MapFile{Data: []byte(file)}
	}
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, name+" "+r.URL.Path) })
	}
	handler := newHandler(named("hub"), named("classic"), modules)

	for name, test := range map[string]struct {
		method, path string
		status       int
		contentType  string
		body         string
	}{
		"page":           {"GET", "/", 200, "text/html", `<script src="/static/chat.js" type="module">`},
		"page's head":    {"HEAD", "/", 200, "text/html", ""},
		"style":          {"GET", "/static/chat.css", 200, "text/css", "--accent"},
		"script":         {"GET", "/static/chat.js", 200, "text/javascript", "new Link"},
		"icon":           {"GET", "/static/icon.svg", 200, "image/svg+xml", "<svg"},
		"classic page":   {"GET", "/classic.html", 200, "text/html", `<script src="/signalr/hubs" defer>`},
		"client":         {"GET", "/lib/signalr/signalr.min.js", 200, "text/javascript", "@microsoft/signalr/"},
		"jQuery":         {"GET", "/lib/jquery/jquery.min.js", 200, "text/javascript", "jquery/dist/"},
		"classic client": {"GET", "/lib/jquery/jquery.signalR.min.js", 200, "text/javascript", "signalr/jquery"},
		"hub":            {"GET", "/chat", 200, "", "hub /chat"},
		"negotiate":      {"POST", "/chat/negotiate", 200, "", "hub /chat/negotiate"},
		"classic hubs":   {"GET", "/signalr/hubs", 200, "", "classic /signalr/hubs"},
		"double slash":   {"POST", "/signalr//poll", 200, "", "classic /signalr//poll"},
		"unknown page":   {"GET", "/nowhere", 404, "", ""},
		"unknown part":   {"GET", "/static/nothing.js", 404, "", ""},
		"types":          {"GET", "/static/hub.d.ts", 404, "", ""},
		"list of parts":  {"GET", "/static/", 404, "", ""},
		"list of client": {"GET", "/lib/signalr/", 404, "", ""},
		"other file":     {"GET", "/lib/signalr/package.json", 404, "", ""},
		"out of the lib": {"GET", "/lib/signalr/..%2f..%2fpackage.json", 404, "", ""},
		"wrong method":   {"POST", "/", 405, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
			require.Equal(t, test.status, w.Code)
			require.Contains(t, w.Header().Get("Content-Type"), test.contentType)
			require.Contains(t, w.Body.String(), test.body)
		})
	}

	for _, page := range []string{"/", "/classic.html"} {
		t.Run("headers of "+page, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest("GET", page, nil))
			policy := w.Header().Get("Content-Security-Policy")
			require.Contains(t, policy, "default-src 'none'")
			require.Contains(t, policy, "script-src 'self';")
			require.NotContains(t, policy, "unsafe")
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Equal(t, "no-cache", w.Header().Get("Cache-Control"))
		})
	}
}

// The pages must not need what their Content-Security-Policy forbids.
func TestPagesHaveNothingInline(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"index.html", "classic.html"} {
		page, err := static.ReadFile("static/" + name)
		require.NoError(t, err)
		for _, tag := range strings.Split(string(page), "<")[1:] {
			require.NotContains(t, tag, " style=")
			require.NotRegexp(t, `^style\b`, tag)
			require.NotRegexp(t, `\son\w+=`, tag)
			if strings.HasPrefix(tag, "script") {
				require.Contains(t, tag, " src=")
			}
		}
	}
}

package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrefixesMatchWholeSegmentsLongestFirst(t *testing.T) {
	t.Parallel()
	named := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	routes := prefixes{"/a": named("a"), "/ab": named("ab"), "/a/b": named("a/b")}.before(named("none"))
	for path, want := range map[string]string{
		"/a":           "a",
		"/a/":          "a",
		"/a//connect":  "a",
		"/a/c/b":       "a",
		"/ab/c":        "ab",
		"/abc":         "none",
		"/a/b":         "a/b",
		"/a/b//c/d":    "a/b",
		"/":            "none",
		"//a":          "none",
		"/A/negotiate": "none",
	} {
		answer := httptest.NewRecorder()
		routes.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://host"+path, nil))
		require.Equal(t, want, answer.Body.String(), path)
	}
}

// classicServer starts a test server with classic routes.
func classicServer(t *testing.T, contested bool) http.Handler {
	t.Helper()
	tests, err := newTestServer(slog.New(slog.DiscardHandler), "", "http://page.example")
	require.NoError(t, err)
	t.Cleanup(func() { shutdown(t, tests) })
	farm, err := tests.addFarm("", "")
	require.NoError(t, err)
	require.NoError(t, tests.addClassic(farm, nil, contested))
	return tests.handler
}

func TestNegotiateRedirects(t *testing.T) {
	t.Parallel()
	server := classicServer(t, true)
	for path, want := range map[string]struct{ url, version string }{
		"/redirect/negotiate":                                    {"http://host/redirect2", "2.0"},
		"/redirect2/negotiate":                                   {"http://host/redirect3/", "2.0"},
		"/redirect3//negotiate":                                  {"http://host/redirect4", "2.0"},
		"/redirect4/negotiate":                                   {"http://host/signalr/", "2.0"},
		"/redirect-query-string/negotiate":                       {"http://host/redirect-query-string2?name1=value1&name2=value2", "2.0"},
		"/redirect-query-string2/negotiate":                      {"http://host/signalr?name1=newValue&name3=value3", "2.0"},
		"/redirect-query-string2/negotiate?name1=a%26b":          {"http://host/signalr?name1=newValue&name3=value3&origName1=a%26b", "2.0"},
		"/redirect-query-string-clear/negotiate":                 {"http://host/redirect-query-string-clear2?clearedName=clearedValue", "2.0"},
		"/redirect-query-string-clear2?clearedName=clearedValue": {"http://host/signalr", "2.0"},
		"/redirect-query-string-invalid/negotiate":               {"http://host/signalr?redirect=invalid&/?=/&", "2.0"},
		"/redirect-loop/negotiate":                               {"http://host/redirect-loop2", "2.0"},
		"/redirect-loop2/negotiate":                              {"http://host/redirect-loop", "2.0"},
		"/redirect-old-proto/negotiate":                          {"http://host/signalr", "1.5"},
		"/redirect-new-proto/negotiate":                          {"http://host/signalr", "2.1"},
		"/redirect-future-proto/negotiate":                       {"http://host/signalr", "2.2"},
	} {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://host"+path, nil))
		var got struct{ RedirectUrl, ProtocolVersion, AccessToken string }
		require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &got), path)
		require.Equal(t, []string{want.url, want.version, "TestToken"},
			[]string{got.RedirectUrl, got.ProtocolVersion, got.AccessToken}, path)
	}
}

// Both contracts claim these paths. Without the flag they are the other one's.
func TestContestedPaths(t *testing.T) {
	t.Parallel()
	for _, contested := range []bool{false, true} {
		server := classicServer(t, contested)
		get := func(method, path string) string {
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, httptest.NewRequest(method, path, nil))
			return answer.Body.String()
		}
		require.Equal(t, contested, json.Valid([]byte(get(http.MethodGet, "/echo/negotiate?clientProtocol=2.1"))))
		redirect := get(http.MethodGet, "/redirect/negotiate?baseUrl=http://base")
		if contested {
			require.Contains(t, redirect, "/redirect2")
		} else {
			require.JSONEq(t, `{"url":"http://base/testHub?numRedirects=1"}`, redirect)
		}
		require.Contains(t, get(http.MethodGet, "/negotiate-error/negotiate"), "Server-provided negotiate error message!")
		require.Contains(t, get(http.MethodGet, "/aspnetcore-signalr/negotiate"), `"availableTransports":[]`)
	}
}

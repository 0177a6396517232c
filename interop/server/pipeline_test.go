package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// routed answers with the path that reached the routes.
func routed(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }

func TestPipelineAnswersInTheContractsOrder(t *testing.T) {
	t.Parallel()
	site := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(site, "Page.html"), []byte("the page"), 0o600))

	for _, test := range []struct {
		name, method, target string
		header               http.Header
		status               int
		body                 string
		want                 map[string]string // "" = absent
	}{
		{name: "file", method: "GET", target: "/Page.html", status: 200, body: "the page"},
		{name: "folder is no file", method: "GET", target: "/", status: 200, body: "/"},
		{name: "outside of the folder", method: "GET", target: "/../pipeline.go", status: 200, body: "/../pipeline.go"},
		{name: "route in any case", method: "GET", target: "/TestHub/Negotiate", status: 200, body: "/testhub/Negotiate"},
		{name: "id keeps its case", method: "GET", target: "/ClientResult/aBc", status: 200, body: "/clientresult/aBc"},
		{
			name: "origin", method: "GET", target: "/testhub", header: http.Header{"Origin": {"http://a.example"}},
			status: 200, body: "/testhub", want: map[string]string{
				"Access-Control-Allow-Origin":      "http://a.example",
				"Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Methods":     "",
				"Access-Control-Allow-Headers":     "",
			},
		},
		{
			name: "preflight", method: "OPTIONS", target: "/testhub/negotiate", header: http.Header{
				"Origin":                         {"http://a.example"},
				"Access-Control-Request-Method":  {"POST"},
				"Access-Control-Request-Headers": {"x-requested-with"},
			},
			status: 204, want: map[string]string{
				"Access-Control-Allow-Methods": "POST",
				"Access-Control-Allow-Headers": "x-requested-with",
				"Set-Cookie":                   "",
			},
		},
		{
			name: "no origin", method: "GET", target: "/testhub", status: 200, body: "/testhub",
			want: map[string]string{"Access-Control-Allow-Origin": ""},
		},
		{
			name: "echo redirect", method: "POST", target: "/EchoRedirect/negotiate?a=b", status: 307,
			want: map[string]string{"Location": "/echo/negotiate?a=b", "Set-Cookie": ""},
		},
		{
			name: "echo redirect without query", method: "DELETE", target: "/echoredirect", status: 307,
			want: map[string]string{"Location": "/echo"},
		},
		{name: "similar route", method: "GET", target: "/echoredirects", status: 200, body: "/echoredirects"},
		{
			name: "negotiate redirect", method: "POST", target: "/redirect/negotiate?numRedirects=0&baseUrl=http://h:1", status: 200,
			body: `{"url":"http://h:1/testHub?numRedirects=1"}` + "\n", want: map[string]string{"Set-Cookie": ""},
		},
		{
			name: "bad negotiate", method: "POST", target: "/bad-negotiate/negotiate", status: 400,
			body: "Some response from server", want: map[string]string{"Set-Cookie": "testCookie=testValue; Path=/"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(test.method, test.target, nil)
			for name, values := range test.header {
				request.Header[name] = values
			}
			answer := httptest.NewRecorder()
			pipeline(http.HandlerFunc(routed), site).ServeHTTP(answer, request)

			require.Equal(t, test.status, answer.Code)
			require.Equal(t, test.body, answer.Body.String())
			for name, value := range test.want {
				require.Equal(t, value, answer.Header().Get(name), name)
			}
		})
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	t.Parallel()
	handler := pipeline(http.HandlerFunc(routed), "")
	for _, want := range []string{"1", "2"} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/redirect/negotiate?baseUrl=x", nil))
		require.Equal(t, `{"url":"x/testHub?numRedirects=`+want+`"}`+"\n", answer.Body.String())
	}
}

func TestCookiesOfNegotiate(t *testing.T) {
	t.Parallel()
	for scheme, extra := range map[string]string{"http": "", "https": "; Secure; SameSite=None; Partitioned"} {
		answer := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodPost, scheme+"://h/echo/negotiate", nil)
		pipeline(http.HandlerFunc(routed), "").ServeHTTP(answer, request)

		cookies := answer.Result().Cookies()
		require.Len(t, cookies, 3)
		require.Equal(t, "testCookie=testValue; Path=/"+extra, cookies[0].Raw)
		require.Equal(t, "testCookie2=testValue2; Path=/"+extra, cookies[1].Raw)
		require.Equal(t, "expiredCookie", cookies[2].Name)
		require.WithinDuration(t, time.Now().Add(-time.Hour), cookies[2].Expires, time.Minute)
	}
}

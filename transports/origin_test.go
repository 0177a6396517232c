package transports_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

// originCase is what one Origin header gets from an endpoint.
type originCase struct {
	listed []string // nil: the default
	host   string
	origin string
	socket bool // a WebSocket is accepted
	cors   bool // the page may use the answers
}

var originCases = map[string]originCase{
	"https default port in the header":   {[]string{"https://b.example"}, "other", "https://b.example:443", true, true},
	"https default port in the list":     {[]string{"https://b.example:443"}, "other", "https://b.example", true, true},
	"http default port in the header":    {[]string{"http://b.example"}, "other", "http://b.example:80", true, true},
	"http default port in the list":      {[]string{"http://b.example:80"}, "other", "http://b.example", true, true},
	"port of the other scheme":           {[]string{"http://b.example:443"}, "other", "http://b.example", false, false},
	"port of the other scheme in both":   {[]string{"http://b.example:443"}, "other", "http://b.example:443", true, true},
	"https port 80":                      {[]string{"https://b.example"}, "other", "https://b.example:80", false, false},
	"empty port":                         {[]string{"https://b.example:"}, "other", "https://b.example", true, true},
	"another port that ends alike":       {[]string{"https://b.example"}, "other", "https://b.example:1443", false, false},
	"in capitals":                        {[]string{"HTTPS://B.Example:443/"}, "other", "https://b.EXAMPLE", true, true},
	"IPv6":                               {[]string{"http://[::1]:80"}, "other", "http://[::1]", true, true},
	"null":                               {[]string{"null"}, "other", "null", true, true},
	"null listed in capitals":            {[]string{"NULL"}, "other", "null", true, true},
	"null, and another page":             {[]string{"null"}, "other", "https://b.example", false, false},
	"null not listed":                    {[]string{"https://b.example"}, "other", "null", false, false},
	"null not listed, no host":           {nil, "", "null", false, false},
	"file":                               {[]string{"file://"}, "other", "file://", true, true},
	"file with a slash":                  {[]string{"file:///"}, "other", "file://", true, true},
	"file not listed":                    {[]string{"https://b.example"}, "other", "file://", false, false},
	"file not listed, no host":           {nil, "", "file://", false, false},
	"file of a host":                     {[]string{"file://"}, "other", "file://b.example", false, false},
	"capacitor":                          {[]string{"capacitor://localhost"}, "other", "capacitor://localhost", true, true},
	"ionic":                              {[]string{"ionic://localhost"}, "other", "ionic://localhost", true, true},
	"other app scheme":                   {[]string{"ionic://localhost"}, "other", "capacitor://localhost", false, false},
	"extension":                          {[]string{"chrome-extension://abcdefgh"}, "other", "chrome-extension://abcdefgh", true, true},
	"app":                                {[]string{"app://-"}, "other", "app://-", true, true},
	"own":                                {nil, "a.example", "https://a.example", true, false},
	"own, https port in Host":            {nil, "a.example:443", "https://a.example", true, false},
	"own, http port in Host":             {nil, "a.example:80", "http://a.example", true, false},
	"own, https port in Origin":          {nil, "a.example", "https://a.example:443", true, false},
	"own, port in both":                  {nil, "a.example:8443", "https://a.example:8443", true, false},
	"own, http port of an https page":    {nil, "a.example:80", "https://a.example", false, false},
	"own, https port of an http page":    {nil, "a.example:443", "http://a.example", false, false},
	"own, other port in Host":            {nil, "a.example:8443", "https://a.example", false, false},
	"own, port missing in Host":          {nil, "a.example", "https://a.example:8443", false, false},
	"own, IPv6":                          {nil, "[::1]:80", "http://[::1]", true, false},
	"own, beside a list":                 {[]string{"https://b.example"}, "A.example:443", "https://a.Example", true, false},
	"own, a dot at the end":              {nil, "a.example.", "https://a.example.", true, false},
	"own, user info":                     {nil, "a.example", "https://u@a.example", false, false},
	"own, path":                          {nil, "a.example", "https://a.example/x", false, false},
	"own, query":                         {nil, "a.example", "https://a.example?x", false, false},
	"own, no scheme":                     {nil, "a.example", "//a.example", false, false},
	"empty host":                         {nil, "", "https://", false, false},
	"empty host and port":                {nil, ":443", "https://:443", false, false},
	"two origins":                        {[]string{"https://b.example"}, "other", "https://b.example https://c.example", false, false},
	"all":                                {[]string{"*"}, "other", "https://b.example", true, true},
	"all, null":                          {[]string{"https://a.example", "*"}, "other", "null", true, true},
	"all, not an origin":                 {[]string{"*", "https://a.example"}, "other", "::garbage::", true, true},
	"a pattern is no part of the others": {[]string{"https://b.example"}, "other", "https://*", false, false},
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	for name, tt := range originCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opts []transports.Option
			if tt.listed != nil {
				opts = append(opts, transports.WithAllowedOrigins(tt.listed...))
			}
			e := endpoint(t, newApp(t), opts...)
			r := httptest.NewRequest(http.MethodGet, "/chat", nil)
			r.Host = tt.host
			r.Header = asWebSocket.Clone()
			r.Header.Set("Origin", tt.origin)
			require.Equal(t, tt.socket, e.Policy().AllowsOrigin(r))
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			// A recorder cannot be hijacked: that is how an accepted WebSocket ends.
			require.Equal(t, map[bool]int{true: http.StatusNotImplemented, false: http.StatusForbidden}[tt.socket], w.Code)

			r = httptest.NewRequest(http.MethodPost, "/chat/negotiate", nil)
			r.Header.Set("Origin", tt.origin)
			w = httptest.NewRecorder()
			e.ServeHTTP(w, r)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, map[bool]string{true: tt.origin}[tt.cors], w.Header().Get("Access-Control-Allow-Origin"))
			verifyGone(t, e, nil)
		})
	}
}

// TestListedOrigins: an entry that no Origin header can match is an error.
func TestListedOrigins(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"":                             "scheme",
		"app.example":                  "scheme",
		"app.example:443":              "scheme",
		"//app.example":                "scheme",
		"https:app.example":            "scheme",
		"https://":                     "host",
		"https://:443":                 "host",
		"capacitor://":                 "host",
		"null://":                      "host",
		"https://*.app.example":        "patterns",
		"https://*":                    "patterns",
		"http://localhost:*":           "patterns",
		"*.app.example":                "patterns",
		"**":                           "patterns",
		" *":                           "patterns",
		"https://app.example/chat":     "path",
		"https://app.example//":        "path",
		"https://app.example/.":        "path",
		"https://app.example/./":       "path",
		"file:///index.html":           "path",
		"https://app.example?":         "query",
		"https://app.example/?a=b":     "query",
		"https://app.example#":         "fragment",
		"https://app.example/#top":     "fragment",
		"https://user@app.example":     "user info",
		"https://user:pw@app.example":  "user info",
		"https://@app.example":         "user info",
		"https://app.example.":         "dot",
		"https://app.example./":        "dot",
		"https://app.example.:8443":    "dot",
		"https://b\u00fccher.example":  "ASCII",
		"https://b%C3%BCcher.example":  "ASCII",
		"https://app.example:port":     "URL",
		"https://app.example:99999":    "port",
		"https://app.example:0":        "port",
		"https://app.example:08443":    "port",
		"https://app.example ":         "URL",
		"https://a.example, https://b": "URL",
	} {
		for name, list := range map[string][]string{
			"alone": {text}, "after another": {"https://a.example", text}, "after *": {"*", text}, "before *": {text, "*"},
		} {
			_, err := transports.NewEndpoint(newApp(t), transports.WithAllowedOrigins(list...))
			require.ErrorContains(t, err, "is not an origin such as https://app.example: ", "%s: %q", name, text)
			require.ErrorContains(t, err, why, "%s: %q", name, text)
		}
	}
	_, err := transports.NewEndpoint(newApp(t), transports.WithAllowedOrigins("one", "https://app.example", "two"))
	require.Equal(t, 2, strings.Count(err.Error(), "is not an origin"), "every entry is reported: %v", err)
	_, err = transports.NewEndpoint(newApp(t), transports.WithAllowedOrigins())
	require.ErrorContains(t, err, "must not be empty")
}

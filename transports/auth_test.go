package transports_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

func TestBearerToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		headers []string
		query   string
		want    string
	}{
		"neither":                         {nil, "", ""},
		"query":                           {nil, "?access_token=query", "query"},
		"empty query":                     {nil, "?access_token=", ""},
		"header":                          {[]string{"Bearer header"}, "", "header"},
		"header before query":             {[]string{"Bearer header"}, "?access_token=query", "header"},
		"scheme in lower case":            {[]string{"bearer header"}, "?access_token=query", "header"},
		"scheme in capitals":              {[]string{"BEARER header"}, "?access_token=query", "header"},
		"several spaces":                  {[]string{"Bearer   header "}, "?access_token=query", "header"},
		"token with a space":              {[]string{"Bearer two words"}, "?access_token=query", "two words"},
		"empty header":                    {[]string{""}, "?access_token=query", "query"},
		"Bearer without a token":          {[]string{"Bearer"}, "?access_token=query", ""},
		"Bearer with an empty token":      {[]string{"Bearer "}, "?access_token=query", ""},
		"lower-case Bearer without token": {[]string{"bearer"}, "?access_token=query", ""},
		"Basic":                           {[]string{"Basic dTpw"}, "?access_token=query", "query"},
		"Basic and no query":              {[]string{"Basic dTpw"}, "", ""},
		"Basic that names Bearer":         {[]string{"Basic Bearer header"}, "?access_token=query", "query"},
		"Digest":                          {[]string{`Digest username="u"`}, "?access_token=query", "query"},
		"Negotiate":                       {[]string{"Negotiate YII="}, "?access_token=query", "query"},
		"scheme that begins with Bearer":  {[]string{"BearerToken header"}, "?access_token=query", "query"},
		"scheme that Bearer begins with":  {[]string{"Bear header"}, "?access_token=query", "query"},
		"token alone":                     {[]string{"header"}, "?access_token=query", "query"},
		"Bearer after Basic":              {[]string{"Basic dTpw", "Bearer header"}, "?access_token=query", "header"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/chat"+tt.query, nil)
			r.Header["Authorization"] = tt.headers
			require.Equal(t, tt.want, transports.BearerToken(r))
		})
	}
}

// TestRequestsAfterLoggingOut: whoever has the secret connection token and no identity
// may end the connection, and nothing else; another user may not even do that.
func TestRequestsAfterLoggingOut(t *testing.T) {
	t.Parallel()
	user := transports.WithIdentity(func(r *http.Request) string { return r.Header.Get("User") })
	strict := transports.WithAuthorization(func(r *http.Request) error {
		switch r.Header.Get("User") {
		case "":
			return transports.ErrUnauthenticated
		case "banned":
			return errors.New("banned")
		default:
			return nil
		}
	})
	const v0, v1 = "", "?negotiateVersion=1"
	for name, tt := range map[string]struct {
		opts    []transports.Option
		version string
		events  bool // the connection is an event stream
		method  string
		unknown bool // the token
		user    string
		status  int
	}{
		"strict, logged out":                  {[]transports.Option{user, strict}, v1, false, "DELETE", false, "", 202},
		"strict, same user":                   {[]transports.Option{user, strict}, v1, false, "DELETE", false, "ann", 202},
		"strict, another user":                {[]transports.Option{user, strict}, v1, false, "DELETE", false, "bob", 403},
		"strict, not allowed":                 {[]transports.Option{user, strict}, v1, false, "DELETE", false, "banned", 403},
		"strict, unknown token":               {[]transports.Option{user, strict}, v1, false, "DELETE", true, "", 401},
		"strict, token is the public id":      {[]transports.Option{user, strict}, v0, false, "DELETE", false, "", 401},
		"strict, event stream":                {[]transports.Option{user, strict}, v1, true, "DELETE", false, "", 401},
		"strict, poll":                        {[]transports.Option{user, strict}, v1, false, "GET", false, "", 401},
		"strict, POST":                        {[]transports.Option{user, strict}, v1, false, "POST", false, "", 401},
		"strict without identity, logged out": {[]transports.Option{strict}, v1, false, "DELETE", false, "", 202},
		"strict without identity, banned":     {[]transports.Option{strict}, v1, false, "DELETE", false, "banned", 403},
		"lenient, logged out":                 {[]transports.Option{user}, v1, false, "DELETE", false, "", 202},
		"lenient, another user":               {[]transports.Option{user}, v1, false, "DELETE", false, "bob", 403},
		"lenient, token is the public id":     {[]transports.Option{user}, v0, false, "DELETE", false, "", 403},
		"lenient, poll":                       {[]transports.Option{user}, v1, false, "GET", false, "", 403},
		"lenient, POST":                       {[]transports.Option{user}, v1, false, "POST", false, "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			s := serve(t, a, append(tt.opts, transports.WithMinimumProtocolVersion(0))...)
			ask := func(method, path, user string) answer {
				r, err := http.NewRequest(method, s.url+path, nil)
				require.NoError(t, err)
				r.Header.Set("User", user)
				return s.exchange(r)
			}
			granted := ask("POST", "/negotiate"+tt.version, "ann")
			require.Equal(t, http.StatusOK, granted.status)
			var g grant
			require.NoError(t, json.Unmarshal([]byte(granted.body), &g))
			id := "?id=" + cmp.Or(g.ConnectionToken, g.ConnectionID)
			if tt.events {
				r := s.request(http.MethodGet, "", "")
				r.URL.RawQuery = id[1:]
				r.Header = http.Header{"Accept": {"text/event-stream"}, "User": {"ann"}}
				resp, err := s.client.Do(r)
				require.NoError(t, err)
				t.Cleanup(func() { _ = resp.Body.Close() })
				require.Equal(t, http.StatusOK, resp.StatusCode)
			} else {
				require.Equal(t, http.StatusOK, ask("GET", id, "ann").status)
			}
			p := a.next()
			if tt.unknown {
				id += "x"
			}
			require.Equal(t, tt.status, ask(tt.method, id, tt.user).status)
			if tt.status == http.StatusAccepted {
				p.expectClosed(nil)
			} else {
				require.NoError(t, p.Send([]byte("lives on")))
				none(t, p.closed, "a refusal ends nothing")
			}
		})
	}
}

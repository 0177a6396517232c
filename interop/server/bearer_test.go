package main

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// issued gets a token as clients do.
func issued(t *testing.T, keys *tokens, query string) string {
	t.Helper()
	answer := httptest.NewRecorder()
	keys.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/generatejwttoken"+query, nil))
	require.Equal(t, http.StatusOK, answer.Code)
	return answer.Body.String()
}

func TestTokenHasTheContractsClaims(t *testing.T) {
	t.Parallel()
	keys := newTokens()
	token := issued(t, keys, "")

	head, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(head)
	require.NoError(t, err)
	require.JSONEq(t, `{"alg":"HS256","typ":"JWT"}`, string(decoded))

	c, err := keys.check(token, time.Now())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(tokenLifetime), time.Unix(c.Expires, 0), 2*time.Second)
	c.Expires = 0
	require.Equal(t, claims{NameIdentifier: "testuser", Issuer: "SignalRTestServer", Audience: "SignalRTests"}, c)

	c, err = keys.check(issued(t, keys, "?user=u&scope=s"), time.Now())
	require.NoError(t, err)
	require.Equal(t, "u", c.NameIdentifier)
	require.Equal(t, "s", c.Scope)
}

func TestTokenEndsAfterItsLifetimeAndTheSkew(t *testing.T) {
	t.Parallel()
	keys := newTokens()
	token := issued(t, keys, "")
	_, err := keys.check(token, time.Now().Add(clockSkew))
	require.NoError(t, err)
	_, err = keys.check(token, time.Now().Add(tokenLifetime+clockSkew+time.Second))
	require.Error(t, err)
}

func TestTokenLivesAsLongAsAskedFor(t *testing.T) {
	t.Parallel()
	keys := newTokens()
	c, err := keys.check(issued(t, keys, "?lifetime=1h"), time.Now())
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), time.Unix(c.Expires, 0), 2*time.Second)

	answer := httptest.NewRecorder()
	keys.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/generatejwttoken?lifetime=soon", nil))
	require.Equal(t, http.StatusBadRequest, answer.Code)
}

func TestRequireLetsOnlyValidTokensThrough(t *testing.T) {
	t.Parallel()
	keys := newTokens()
	token := issued(t, keys, "")
	nameless, err := keys.issue(claims{Expires: time.Now().Unix()})
	require.NoError(t, err)
	handler := keys.require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "testuser", userName(r))
	}))

	for _, test := range []struct {
		name, header, query string
		status              int
	}{
		{name: "header", header: "Bearer " + token, status: 200},
		{name: "prefix in any case", header: "bEARER " + token, status: 200},
		{name: "no prefix", header: token, status: 200},
		{name: "query", query: "?access_token=" + token, status: 200},
		{name: "header before query", header: "Bearer x", query: "?access_token=" + token, status: 401},
		{name: "none", status: 401},
		{name: "prefix alone", header: "Bearer ", status: 401},
		{name: "not a token", header: "Bearer abc", status: 401},
		{name: "other key", header: "Bearer " + issued(t, newTokens(), ""), status: 401},
		{name: "no signature", header: "Bearer " + token[:strings.LastIndexByte(token, '.')+1], status: 401},
		{name: "no name", header: "Bearer " + nameless, status: 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(http.MethodPost, "/authorizedhub/negotiate"+test.query, nil)
			if test.header != "" {
				request.Header.Set("Authorization", test.header)
			}
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			require.Equal(t, test.status, answer.Code)
			require.Empty(t, answer.Body.String())
		})
	}
}

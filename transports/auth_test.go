package transports_test

import (
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

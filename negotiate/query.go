package negotiate

import (
	"net/http"
	"net/url"
	"strings"
)

// QueryValue returns the first value of a query key and whether the request has
// it. Keys are compared without regard to case, as the reference server does.
func QueryValue(r *http.Request, key string) (string, bool) {
	for raw := r.URL.RawQuery; raw != ""; {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || !strings.EqualFold(name, key) {
			continue
		}
		if value, err = url.QueryUnescape(value); err == nil {
			return value, true
		}
	}
	return "", false
}

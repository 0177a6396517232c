package transports

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WithAllowedOrigins lists the other origins, such as "https://app.example",
// whose pages may connect: their browsers get the CORS headers they ask for, and
// their requests are accepted. "*" allows every origin: then any web page can
// connect with its visitor's cookies. The default is none but the origin of the
// endpoint itself.
//
// Pages of other origins get 403, which the log warns of once an hour for each
// origin, with every transport: what a page can have its visitor's browser send
// carries the visitor's cookies. They can negotiate, but CORS keeps the response from
// them. So it is with links, images, frames and forms, which have no Origin header, by
// the header Sec-Fetch-Site, which browsers set on requests to https and to this
// machine. Requests with neither header do not come from pages.
//
// Origins are compared as browsers do: without regard to case, and the default
// ports of http and https may be left out. Apps that are not web sites have
// origins too, such as "capacitor://localhost", "chrome-extension://ID" or
// "file://"; "null" is that of a sandboxed frame, of whatever site. There are no
// patterns.
//
// The endpoint's own origin is taken from the request's Host header, where the
// browser does not say itself that a request is of the same origin. Let a proxy
// pass it on (nginx: proxy_set_header Host $http_host;), or list the origin that
// browsers see.
func WithAllowedOrigins(origins ...string) Option {
	return func(o *options) error {
		if len(origins) == 0 {
			return errors.New("transports: the list of allowed origins must not be empty; by default only the endpoint's own is allowed")
		}
		var errs []error
		all := false
		allowed := make(map[origin]bool, len(origins))
		for _, text := range origins {
			if text == "*" {
				all = true
				continue
			}
			listed, err := parseListed(text)
			if err != nil {
				errs = append(errs, fmt.Errorf("transports: %q is not an origin such as https://app.example: %w", text, err))
			}
			allowed[listed] = true
		}
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
		o.allowOrigin = func(header string) bool {
			from, err := parseOrigin(header)
			return all || err == nil && allowed[from]
		}
		return nil
	}
}

// checkSite refuses requests that a page of another site has a browser make: official
// clients on pages of other origins send their Origin.
func (o *options) checkSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case site == "same-origin": // the browser knows, whatever a proxy has made of the Host
		return true
	case r.Header.Get("Origin") != "":
		return o.checkOrigin(r)
	default:
		return site != "cross-site" && site != "same-site"
	}
}

// checkOrigin allows requests of pages from the host that the request is
// addressed to or from an allowed origin, and those that no page has opened.
func (o *options) checkOrigin(r *http.Request) bool {
	header := r.Header.Get("Origin")
	if header == "" || o.allowOrigin != nil && o.allowOrigin(header) {
		return true
	}
	from, err := parseOrigin(header)
	if err != nil || from.host == "" || from.scheme != "https" && (from.scheme != "http" || r.TLS != nil) {
		return false
	}
	return from.host == withoutDefaultPort(from.scheme, strings.ToLower(r.Host))
}

// origin is the one form that origins are compared in: in lower case, and without the
// default port of the scheme.
type origin struct {
	scheme string // "null" for the origin of that name
	host   string // with the port; empty for "null" and "file://"
}

// parseOrigin reads an origin, as an Origin header has it or an application lists it.
func parseOrigin(text string) (origin, error) {
	if strings.EqualFold(text, "null") {
		return origin{scheme: "null"}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return origin{}, errors.New("it is not a URL")
	}
	o := origin{scheme: strings.ToLower(u.Scheme)}
	o.host = withoutDefaultPort(o.scheme, strings.ToLower(u.Host))
	switch {
	case o.scheme == "" || u.Opaque != "" || o.host == "" && o.scheme != "file":
		err = errors.New("it needs a scheme and a host")
	case u.User != nil:
		err = errors.New("an origin has no user info")
	case u.Path != "" && u.Path != "/":
		err = errors.New("an origin has no path")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		err = errors.New("an origin has no query or fragment")
	}
	return o, err
}

// parseListed is parseOrigin for the origins that an application lists, and refuses
// those that no browser ever sends.
func parseListed(text string) (origin, error) {
	if strings.Contains(text, "*") {
		return origin{}, errors.New("there are no patterns; * stands alone and allows every origin")
	}
	o, err := parseOrigin(text)
	if err != nil {
		return origin{}, err
	}
	u := url.URL{Host: o.host}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return origin{}, errors.New("there is no such port")
		}
	}
	switch name := u.Hostname(); {
	case strings.HasSuffix(name, "."):
		return origin{}, errors.New("the host ends in a dot")
	case strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }):
		return origin{}, errors.New("browsers send the host in ASCII, as xn--")
	}
	return o, nil
}

// withoutDefaultPort removes the port that a scheme has anyway, which browsers leave
// out of origins and proxies put into Host headers. An empty port is none.
func withoutDefaultPort(scheme, host string) string {
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return strings.TrimSuffix(host, ":")
}

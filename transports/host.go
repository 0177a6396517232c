package transports

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// WithAllowedHosts lists the hosts, such as "chat.example", "localhost:8080" or "[::1]",
// that requests may be addressed to by their Host header; others get 421, which the log
// warns of once an hour for each host. A host without a port stands for all ports.
//
// It keeps out DNS rebinding: a web page whose own name leads to this server counts as
// one of the server's, also where only the visitor's machine or network can reach it. So
// it is for servers without logins, on developers' machines or in private networks. The
// default is every host.
func WithAllowedHosts(hosts ...string) Option {
	return func(o *options) error {
		if len(hosts) == 0 {
			return errors.New("transports: the list of allowed hosts must not be empty; by default every host is allowed")
		}
		var errs []error
		allowed := make(map[string]bool, len(hosts))
		for _, host := range hosts {
			u, err := url.Parse("//" + host)
			if err != nil || u.Host != host || u.Hostname() == "" || strings.Contains(host, "*") || strings.HasSuffix(host, ":") ||
				host[0] != '[' && strings.Contains(u.Hostname(), ":") {
				errs = append(errs, fmt.Errorf("transports: %q is not a host such as chat.example or localhost:8080", host))
			}
			allowed[strings.ToLower(host)] = true
		}
		o.allowHost = func(host string) bool {
			host = strings.ToLower(host)
			port := (&url.URL{Host: host}).Port()
			switch {
			case allowed[host]:
				return true
			case port != "":
				return allowed[strings.TrimSuffix(host, ":"+port)]
			default: // it is that of the scheme, which may be a proxy's
				return allowed[host+":443"] || allowed[host+":80"]
			}
		}
		return errors.Join(errs...)
	}
}

// checkHost answers requests that are addressed to other hosts.
func (p Policy) checkHost(w http.ResponseWriter, r *http.Request) bool {
	if allow := p.endpoint.opts.allowHost; allow == nil || allow(r.Host) {
		return true
	}
	host := shortened(r.Host)
	p.logRefusal(p.endpoint.warnings.level("host "+host, time.Now()), r, http.StatusMisdirectedRequest, errHost,
		"host", host, "remedy", "allow it by WithAllowedHosts if it is this server's")
	answer(w, http.StatusMisdirectedRequest, "")
	return false
}

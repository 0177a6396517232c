package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// prefixes routes by the longest path of its own that a request's path begins with, on whole segments. It is what the
// classic endpoints need: http.ServeMux answers a double slash, which their clients send, with a redirect.
type prefixes map[string]http.Handler

// find returns the handler of a path, or nil.
func (p prefixes) find(path string) http.Handler {
	for strings.HasPrefix(path, "/") {
		if handler := p[path]; handler != nil {
			return handler
		}
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return nil
}

// before hands the requests that belong to none on to next. The others may come from every origin.
func (p prefixes) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler := p.find(r.URL.Path); handler != nil {
			allowOrigin(answerOptions(handler)).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// addClassic puts the routes of the classic contract's sections 3 and 5 in front of the others, and classic clients of
// the farm's hub. The paths that the other contract claims too it takes only if contested is set.
func (s *testServer) addClassic(farm *hubs.Hub, key []byte, contested bool) error {
	routes := prefixes(negotiateRedirects())
	routes["/aspnetcore-signalr"] = http.HandlerFunc(coreNegotiate)
	routes["/negotiate-error"] = http.HandlerFunc(negotiateError)
	err := errors.Join(
		s.addClassicHubs(routes, newTokens()),
		s.addClassicRaw(routes),
		s.addClassicFarm(routes, farm, key))
	if err != nil {
		return err
	}
	if !contested {
		delete(routes, "/echo")
		delete(routes, "/redirect")
	}
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!doctype html><title>The root</title>")
	})
	s.handler = routes.before(s.handler)
	return nil
}

// addClassicHubs serves the hubs of classic contract 4 at the paths of section 3, and the two sites on which people say
// who they are.
func (s *testServer) addClassicHubs(routes prefixes, tokens *tokens) error {
	all, err := s.classicHubs()
	if err != nil {
		return err
	}
	for _, route := range []struct {
		path    string
		opts    []classic.Option
		inFront middleware
	}{
		{path: "/signalr", opts: []classic.Option{classic.WithDetailedErrors()}},
		{path: "/signalr2/test"},
		{path: "/jsonp/signalr", opts: []classic.Option{classic.WithJSONP()}},
		{path: "/statusCodeConnection", inFront: divertWhen},
		{path: "/basicauth/signalr", inFront: basicAuth},
		{path: "/cookieauth", inFront: tokens.cookieAuth},
		{path: "/prefixed/signalr", opts: []classic.Option{classic.WithPath("/prefixed/signalr")}, inFront: stripPrefix}, // not of the contract
		{path: "/expiring/signalr", opts: []classic.Option{classic.WithTokenLifetime(8 * time.Second)}},                  // not of the contract
		{path: "/unfit/signalr", inFront: hideAbilities},                                                                 // not of the contract
	} {
		endpoint, err := classic.New(all[0], append(route.opts, classic.WithHubs(all[1:]...), classic.WithLogger(s.log))...)
		if err != nil {
			return err
		}
		s.addRoute(routes, route.path, endpoint, route.inFront)
	}
	return nil
}

// stripPrefix changes the paths of requests as a proxy may.
func stripPrefix(next http.Handler) http.Handler {
	return http.StripPrefix("/prefixed", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RequestURI = r.URL.RequestURI()
		next.ServeHTTP(w, r)
	}))
}

// addRoute serves a classic endpoint at a path, with something in front of it if that is not nil.
func (s *testServer) addRoute(routes prefixes, path string, endpoint *classic.Endpoint, inFront middleware) {
	s.parts = append(s.parts, endpoint)
	var handler http.Handler = endpoint
	if inFront != nil {
		handler = inFront(handler)
	}
	routes[path] = handler
}

// classicHubs makes the hubs of classic contract 4.
func (s *testServer) classicHubs() ([]*hubs.Hub, error) {
	var all []*hubs.Hub
	for _, hub := range []struct {
		impl any
		opts []hubs.Option
	}{
		{&DemoHub{}, []hubs.Option{hubs.WithName("demo")}},
		{&EchoHub{}, nil},
		{&ChatWithGroups{}, []hubs.Option{hubs.WithName("groupChat")}},
		{&GroupJoiningHub{}, nil},
		{&OnConnectedBufferHub{}, nil},
		{&DelayedOnConnectedHub{}, nil},
		{&ConnectionDataVerifierHub{}, nil},
		{&Status{}, []hubs.Option{hubs.WithName("StatusHub")}},
		{&RedirectTestHub{}, nil},
		{&ProgressHub{}, []hubs.Option{hubs.WithName("progress")}},
		{&MyItemsHub{}, nil},
		{&ExamineHeadersHub{}, []hubs.Option{hubs.WithName("ExamineHeadersHub")}},
		{&ClientCallbackHub{}, []hubs.Option{hubs.WithName("ClientCallbackHub")}},
		{&DateAsStringHub{}, nil},
		{&ValidTypedHub{}, nil},
		{&InvalidTypedHub{}, nil},
		{&AuthenticatedEchoHub{}, []hubs.Option{hubs.WithAuthorization(signedIn)}},
		{&NoAuthHub{}, nil},
		{&NoAuthHub{}, []hubs.Option{hubs.WithName("authHub"), hubs.WithAuthorization(signedIn)}},
		{&NoAuthHub{}, []hubs.Option{hubs.WithName("inheritAuthHub"), hubs.WithAuthorization(signedIn)}},
		{&NoAuthHub{}, []hubs.Option{hubs.WithName("incomingAuthHub"), hubs.WithAuthorization(signedIn)}},
		{&NoAuthHub{}, []hubs.Option{hubs.WithName("adminAuthHub"), hubs.WithAuthorization(admin)}},
		{&NoAuthHub{}, []hubs.Option{hubs.WithName("userAndRoleAuthHub"), hubs.WithAuthorization(userAndAdmin)}},
		{&InvokeAuthHub{}, []hubs.Option{hubs.WithMethodAuthorization(mayInvoke, "InvokedFromClient")}},
	} {
		made, err := s.newHub(hub.impl, append(hub.opts, hubs.WithUserID(userName))...)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	return all, nil
}

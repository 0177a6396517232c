package main

import (
	"net/http"

	"github.com/go-signalr/signalr/hubs"
)

// largestValue is how large a message to ValuesHub may be, in bytes.
const largestValue = 4 << 20

// addOwnHubs maps the project's own hubs, for what the contract does not ask.
func (s *testServer) addOwnHubs(tokens *tokens) error {
	for _, route := range []struct {
		path    string
		impl    any
		opts    []hubs.Option
		inFront middleware // nil: nothing
	}{
		{path: "/extrahub", impl: &ExtraHub{}},
		{path: "/streamshub", impl: &StreamsHub{}},
		{
			path: "/valueshub", impl: &ValuesHub{},
			opts: []hubs.Option{hubs.WithMaximumReceiveMessageSize(largestValue)},
		},
		{path: "/guardedhub", impl: &GuardedHub{}, opts: guards(), inFront: tokens.require},
		{
			path: "/expiringhub", impl: &AuthorizedHub{},
			opts: []hubs.Option{hubs.WithUserID(userName), hubs.WithExpiration(tokenEnd)}, inFront: tokens.require,
		},
		{path: "/fallback-sse", impl: &TestHub{}, inFront: refuse(opensWebSocket)},
		{path: "/fallback-longpolling", impl: &TestHub{}, inFront: refuse(opensWebSocket, opensEventStream)},
		{path: "/fallback-unfit", impl: &TestHub{}, inFront: hideAbilities},
	} {
		hub, err := s.newHub(route.impl, route.opts...)
		if err != nil {
			return err
		}
		var handler http.Handler = hub
		if route.inFront != nil {
			handler = route.inFront(handler)
		}
		mount(s.mux, route.path, handler)
	}
	return nil
}

// withCORS puts hubs that list the origins they allow in front of everything else: the pipeline would admit every
// origin. The first one lists the page's origin, the other one another.
func (s *testServer) withCORS(others http.Handler, page string) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.Handle("/", others)
	for path, origin := range map[string]string{
		"/corshub":           page,
		"/corshub-elsewhere": "https://elsewhere.example",
	} {
		hub, err := s.newHub(&TestHub{}, hubs.WithAllowedOrigins(origin))
		if err != nil {
			return nil, err
		}
		mount(mux, path, hub)
	}
	for path, opts := range visitorHubs {
		hub, err := s.newHub(&VisitorHub{}, append(opts, hubs.WithAllowedOrigins("https://elsewhere.example"))...)
		if err != nil {
			return nil, err
		}
		mount(mux, path, hub)
	}
	return mux, nil
}

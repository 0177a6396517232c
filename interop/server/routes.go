package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// testServer is the contract's site: the request pipeline in front, the routes behind it.
type testServer struct {
	handler http.Handler
	log     *slog.Logger
	mux     *http.ServeMux
	parts   []interface{ Shutdown(context.Context) error } // what has connections, ended by shutdown
}

// newTestServer maps the routes of contract 4 and the project's own. Files under static, if it is not empty, come before
// every route of the contract; page is the origin at which a browser finds them.
func newTestServer(log *slog.Logger, static, page string) (*testServer, error) {
	s := &testServer{log: log, mux: http.NewServeMux()}
	tokens := newTokens()

	testHub, err := s.addHub("/testhub", &TestHub{}, hubs.WithStatefulReconnect())
	if err != nil {
		return nil, err
	}
	if _, err := s.addHub("/testhub-nowebsockets", &TestHub{}, hubs.WithEndpoint(
		transports.WithTransports(transports.ServerSentEvents, transports.LongPolling))); err != nil {
		return nil, err
	}
	if _, err := s.addHub("/uncreatable", &UncreatableHub{}); err != nil {
		return nil, err
	}
	authorized, err := s.newHub(&AuthorizedHub{}, hubs.WithUserID(userName))
	if err != nil {
		return nil, err
	}
	mount(s.mux, "/authorizedhub", tokens.require(authorized))
	if err := s.addEcho(); err != nil {
		return nil, err
	}
	if err := s.addOwnHubs(tokens); err != nil {
		return nil, err
	}

	s.mux.Handle("GET /generatejwttoken", tokens)
	s.mux.Handle("GET /clientresult/{id}", clientResult(testHub))
	s.mux.HandleFunc("GET /deployment", deployment)

	s.handler, err = s.withCORS(pipeline(s.mux, static), page)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// addHub serves a hub at path.
func (s *testServer) addHub(path string, impl any, opts ...hubs.Option) (*hubs.Hub, error) {
	hub, err := s.newHub(impl, opts...)
	if err != nil {
		return nil, err
	}
	mount(s.mux, path, hub)
	return hub, nil
}

// newHub makes a hub with the options of contract 1 and those given. Origins are left to the pipeline's CORS rules.
func (s *testServer) newHub(impl any, opts ...hubs.Option) (*hubs.Hub, error) {
	hub, err := hubs.New(impl, append([]hubs.Option{
		hubs.WithLogger(s.log),
		hubs.WithDetailedErrors(),
		hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
		hubs.WithAllowedOrigins("*"),
	}, opts...)...)
	if err != nil {
		return nil, err
	}
	s.parts = append(s.parts, hub)
	return hub, nil
}

// mount maps a handler on path and on what lies below it, which is where negotiate is.
func mount(mux *http.ServeMux, path string, handler http.Handler) {
	mux.Handle(path, handler)
	mux.Handle(path+"/", handler)
}

// shutdown ends the connections of every part at once and waits for all of them.
func (s *testServer) shutdown(ctx context.Context) error {
	var wait sync.WaitGroup
	errs := make([]error, len(s.parts))
	for i, part := range s.parts {
		wait.Go(func() { errs[i] = part.Shutdown(ctx) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

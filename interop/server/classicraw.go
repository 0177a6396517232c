package main

import (
	"errors"

	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/transports"
)

// addClassicRaw serves the raw connections of classic contract 5.
func (s *testServer) addClassicRaw(routes prefixes) error {
	echoes := classic.RawHandler{
		Received: func(c *classic.RawConn, data string) error { return c.Send(data) },
	}
	sends := classic.RawHandler{
		Connected: func(c *classic.RawConn) error {
			return errors.Join(c.Send("OnConnectedAsync1"), c.Send("OnConnectedAsync2"))
		},
		Received: func(c *classic.RawConn, _ string) error {
			return errors.Join(c.Send("OnReceivedAsync1"), c.Send("OnReceivedAsync2"))
		},
	}
	for _, route := range []struct {
		path    string
		handler classic.RawHandler
		opts    []classic.Option
		inFront middleware
	}{
		{path: "/echo", handler: echoes},
		{path: "/jsonp/echo", handler: echoes, opts: []classic.Option{classic.WithJSONP()}},
		{path: "/multisend", handler: sends},
		{path: "/redirectionConnection", inFront: divertWhen},
	} {
		endpoint, err := classic.NewConnections(route.handler, append(route.opts,
			classic.WithLogger(s.log), classic.WithPolicy(transports.WithAllowedOrigins("*")))...)
		if err != nil {
			return err
		}
		s.addRoute(routes, route.path, endpoint, route.inFront)
	}
	return nil
}

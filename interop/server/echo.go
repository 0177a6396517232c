package main

import (
	"io"

	"github.com/go-signalr/signalr/transports"
)

// addEcho serves the raw connection of contract 7: what arrives is written back until the client ends.
func (s *testServer) addEcho() error {
	endpoint, err := transports.NewEndpoint(transports.ConnectionHandler(func(c *transports.RawConn) error {
		_, err := io.Copy(c, c)
		return err
	}), transports.WithAllowedOrigins("*"), transports.WithLogger(s.log))
	if err != nil {
		return err
	}
	s.parts = append(s.parts, endpoint)
	mount(s.mux, "/echo", endpoint)
	return nil
}

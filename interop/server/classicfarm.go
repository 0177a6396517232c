package main

import (
	"fmt"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// addClassicFarm serves the farm's hub to classic clients, which come back to any node that has the same key.
func (s *testServer) addClassicFarm(routes prefixes, farm *hubs.Hub, key []byte) error {
	var opts []classic.Option
	if len(key) > 0 {
		opts = append(opts, classic.WithKey(key))
	}
	endpoint, err := classic.New(farm, opts...)
	if err != nil {
		return err
	}
	s.parts = append(s.parts, endpoint)
	routes["/farm/signalr"] = endpoint
	return nil
}

// Number sends the numbers from first to first+count-1, each behind a prefix, to the clients that a selector names.
func (*FarmHub) Number(c *hubs.Context, selector string, names []string, prefix string, first, count int) error {
	target, err := choose(c, selector, names)
	if err != nil {
		return err
	}
	for i := range count {
		if err := farmMessage.Send(c, target, fmt.Sprintf("%s %d", prefix, first+i)); err != nil {
			return hubs.Errorf("at %d: %w", first+i, err)
		}
	}
	return nil
}

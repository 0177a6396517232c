package hubs_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/scaleout"
)

// A program with one process got "the node has left the farm".
func TestHubThatIsShutDownSaysSo(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(nil, hubs.WithName("one"))
	require.NoError(t, err)
	shutDown(t, hub)
	ctx := context.Background()
	for name, use := range map[string]func() error{
		"Send":         func() error { return hub.Clients().All().Send(ctx, "m") },
		"Send, group":  func() error { return hub.Clients().Group("g").Send(ctx, "m") },
		"Abort":        func() error { return hub.Clients().User("u").Abort(ctx, nil) },
		"Groups.Add":   func() error { return hub.Groups().Add(ctx, "classic", "g") },
		"Target.Count": func() error { _, err := hub.Clients().All().Count(ctx); return err },
		"Nodes":        func() error { _, err := hub.Nodes(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := use()
			require.EqualError(t, err, "hubs: the hub is shut down")
			require.ErrorIs(t, err, hubs.ErrShutdown)
			require.ErrorIs(t, err, scaleout.ErrClosed)
		})
	}
}

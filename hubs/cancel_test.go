package hubs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// A call can be cancelled also after another one that ran beside it has returned.
func TestCancelAfterParallelCall(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(nil, hubs.WithMaximumParallelInvocations(2),
		hubs.HandleVoid0("Quick", func(*hubs.Context) error { return nil }),
		hubs.HandleVoid0("Wait", func(c *hubs.Context) error {
			<-c.Done()
			return hubs.NewError("cancelled")
		}))
	require.NoError(t, err)
	c := hubtest.NewServer(t, hub).Connect()
	waiting := c.Start("Wait")
	require.NoError(t, c.Invoke("Quick"))
	waiting.Cancel()
	require.ErrorContains(t, waiting.Wait(nil), "cancelled")
}

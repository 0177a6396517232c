package hubs_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
)

// A broadcast to guests: made into their message once, and taken by each.
func BenchmarkGuestBroadcast(b *testing.B) {
	for _, count := range []int{1, 1000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			h, err := hubs.New(nil, hubs.WithName("Chat"))
			require.NoError(b, err)
			defer shutDown(b, h)
			bridged, err := h.Bridge()
			require.NoError(b, err)
			members := make([]bridge.Member, count)
			for i := range members {
				members[i] = bridged.Attach(newPeer(""), nil, nil, func() {})
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := h.Clients().All().Send(context.Background(), "say", "hello"); err != nil {
					b.Fatal(err)
				}
				for _, m := range members {
					if batch, err := m.Take(context.Background(), 10); err != nil || len(batch.Messages) != 1 {
						b.Fatal(batch, err)
					}
				}
			}
		})
	}
}

package hubs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// Wrong options of the transports were reported only when all else was right.
func TestNewReportsWrongOptionsOfTheTransportsToo(t *testing.T) {
	t.Parallel()
	_, err := hubs.New(nil, hubs.WithKeepAliveInterval(0), hubs.WithUserID(nil))
	require.ErrorContains(t, err, "keep-alive")
	require.ErrorContains(t, err, "identity")
}

// A function that is nil was called by the first invocation.
func TestNilMethodsAreRefused(t *testing.T) {
	t.Parallel()
	for name, opt := range map[string]hubs.Option{
		"a result":      hubs.Handle1[int, int]("m", nil),
		"no result":     hubs.HandleVoid1[int]("m", nil),
		"authorization": hubs.WithMethodAuthorization(nil),
	} {
		_, err := hubs.New(nil, opt)
		require.Error(t, err, name)
	}
}

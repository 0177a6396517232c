package hubtest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// A client is connected when OnConnected has returned, and not before.
func TestConnectWaitsForOnConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := hubtest.NewServer(t, newHub(t, nil, hubs.WithOnConnected(func(c *hubs.Context) error {
			time.Sleep(time.Second)
			if c.UserID() == "mallory" {
				return hubs.NewError("you again")
			}
			return nil
		})))
		start := time.Now()
		server.Connect().ExpectNothing()
		require.Equal(t, time.Second, time.Since(start))
		_, err := server.Dial(hubtest.WithHeader("User", "mallory"))
		require.Equal(t, &hubtest.ClosedError{Text: "Connection closed with an error. HubException: you again"}, err)
	})
}

package redis_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/bustest"
	"github.com/go-signalr/signalr/scaleout/redis"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	var farms atomic.Int32
	bustest.Run(t, func(t *testing.T) func() scaleout.Bus {
		prefix := fmt.Sprint("farm ", farms.Add(1))
		return func() scaleout.Bus { return newBus(t, newClient(t, server.addr()), redis.WithPrefix(prefix)) }
	})
}

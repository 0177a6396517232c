package bustest_test

import (
	"testing"

	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/scaleout/bustest"
)

func TestMemory(t *testing.T) {
	bustest.Run(t, func(*testing.T) func() scaleout.Bus {
		bus := scaleout.NewMemory()
		return func() scaleout.Bus { return bus }
	})
}

// Command program prints whether its hub can join a bus without a name.
package main

import (
	"context"
	"fmt"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/scaleout"
)

type Chat struct{}

func main() {
	chat, err := hubs.New(&Chat{}, hubs.WithBus(scaleout.NewMemory()))
	fmt.Println(err)
	if err == nil {
		_ = chat.Shutdown(context.Background())
	}
}

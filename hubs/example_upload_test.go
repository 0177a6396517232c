package hubs_test

import (
	"fmt"
	"iter"
	"slices"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// Scale takes streams of measurements from clients.
type Scale struct{}

// Average reads a stream to its end. The client is held back while the loop is
// slow. An error is the last element; returning early ends the stream.
func (*Scale) Average(_ *hubs.Context, unit string, weights iter.Seq2[float64, error]) (string, error) {
	var sum, n float64
	for weight, err := range weights {
		if err != nil {
			return "", err
		}
		sum += weight
		n++
	}
	return fmt.Sprintf("%.1f %s", sum/n, unit), nil
}

func Example_upload() {
	scale, err := hubs.New(&Scale{})
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, scale).Connect()
	weights := slices.Values([]float64{1, 2, 6})
	fmt.Println(hubtest.Invoke[string](client, "Average", "kg", weights))
	// Output:
	// 3.0 kg <nil>
}

package hubs_test

import (
	"fmt"
	"iter"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// Counter streams numbers to clients.
type Counter struct{}

// Count counts down. Each number is sent when it is yielded, and yield waits
// while the client is slow. It returns false when the client wants no more.
func (*Counter) Count(_ *hubs.Context, from int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for n := from; n > 0; n-- {
			if !yield(n, nil) {
				fmt.Println("cancelled at", n)
				return
			}
		}
		yield(0, hubs.NewError("no fuel"))
	}
}

func Example_stream() {
	counter, err := hubs.New(&Counter{})
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, counter).Connect()
	for n, err := range hubtest.Stream[int](client, "Count", 2) {
		fmt.Println(n, err)
	}
	// Output:
	// 2 <nil>
	// 1 <nil>
	// 0 An error occurred on the server while streaming results. HubException: no fuel
}

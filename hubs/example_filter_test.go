package hubs_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// A filter that tells of every call and how long it took, also of those that panic.
func ExampleWithFilters() {
	measure := hubs.Filter{Call: func(c *hubs.Context, next func() (any, error)) (result any, err error) {
		start := time.Now()
		defer func() {
			_ = time.Since(start) // for the metrics
			fmt.Println(c.Method(), c.Arguments(), "->", result, err)
		}()
		return next()
	}}
	hub, err := hubs.New(nil,
		hubs.WithFilters(measure),
		hubs.Handle2("Divide", func(_ *hubs.Context, a, b int) (int, error) {
			if b == 0 {
				return 0, errors.New("division by zero")
			}
			return a / b, nil
		}))
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, hub).Connect()
	for _, b := range []int{3, 0} {
		if err := client.Invoke("Divide", 6, b); err != nil {
			fmt.Println(err) // without the text of an error that is no *hubs.Error
		}
	}
	// Output:
	// Divide [6 3] -> 2 <nil>
	// Divide [6 0] -> <nil> division by zero
	// An unexpected error occurred invoking 'Divide' on the server.
}

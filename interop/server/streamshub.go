package main

import (
	"context"
	"iter"
	"strings"

	"github.com/go-signalr/signalr/hubs"
)

// stopped is the client method that tells how many items a cancelled stream had yielded.
var stopped = hubs.NewEvent1[int]("Stopped")

// StreamsHub has streams of every direction and length. TestHub has the short ones.
type StreamsHub struct{}

// Add takes two arguments of one type: what is called while streams run.
func (*StreamsHub) Add(_ *hubs.Context, a, b int) int { return a + b }

// Count streams the numbers from 0 to count-1.
func (*StreamsHub) Count(_ *hubs.Context, count int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range count {
			if !yield(i, nil) {
				return
			}
		}
	}
}

// CountInChannel is Count as a channel.
func (*StreamsHub) CountInChannel(c *hubs.Context, count int) <-chan int {
	numbers := make(chan int)
	go func() {
		defer close(numbers)
		for i := range count {
			select {
			case numbers <- i:
			case <-c.Done():
				return
			}
		}
	}()
	return numbers
}

// CountThenFail streams the numbers from 0 to count-1 and then fails with a text for the caller.
func (h *StreamsHub) CountThenFail(c *hubs.Context, count int, text string) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i, err := range h.Count(c, count) {
			if !yield(i, err) {
				return
			}
		}
		yield(0, hubs.NewError(text))
	}
}

// CountForever streams numbers until the caller cancels it, and then tells the caller how many there were.
func (*StreamsHub) CountForever(c *hubs.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		count := 0
		for yield(count, nil) {
			count++
		}
		// The call's own context has ended by now.
		caller := c.Hub().Clients().Client(c.ConnectionID())
		_ = stopped.Send(context.WithoutCancel(c), caller, count) // the caller may be gone
	}
}

// Texts streams texts of size times one letter: a, b, c and so on.
func (*StreamsHub) Texts(_ *hubs.Context, count, size int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for i := range count {
			if !yield(strings.Repeat(string(rune('a'+i)), size), nil) {
				return
			}
		}
	}
}

// Collect returns all items of the caller's stream.
func (*StreamsHub) Collect(_ *hubs.Context, items iter.Seq2[int, error]) ([]int, error) {
	list := []int{}
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// CollectFromChannel is Collect with a channel.
func (*StreamsHub) CollectFromChannel(_ *hubs.Context, items <-chan int) []int {
	list := []int{}
	for item := range items {
		list = append(list, item)
	}
	return list
}

// CollectFirst returns the first items of the caller's stream and leaves the others.
func (*StreamsHub) CollectFirst(_ *hubs.Context, count int, items iter.Seq2[int, error]) ([]int, error) {
	list := []int{}
	for item, err := range items {
		if err != nil {
			return nil, err
		}
		if list = append(list, item); len(list) == count {
			break
		}
	}
	return list, nil
}

// Lengths returns the length of each text of the caller's stream.
func (*StreamsHub) Lengths(_ *hubs.Context, texts iter.Seq2[string, error]) ([]int, error) {
	list := []int{}
	for text, err := range texts {
		if err != nil {
			return nil, err
		}
		list = append(list, len(text))
	}
	return list, nil
}

// Double streams back each item of the caller's stream, doubled.
func (*StreamsHub) Double(_ *hubs.Context, items iter.Seq2[int, error]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for item, err := range items {
			if !yield(2*item, err) {
				return
			}
		}
	}
}

// Label is one line of Zip: a name and its number behind a plain argument.
type Label struct {
	Prefix, Name string
	Number       int
}

// Zip pairs the items of two streams of one call, with a plain argument between them, until either ends.
func (*StreamsHub) Zip(_ *hubs.Context, names iter.Seq2[string, error], prefix string, numbers <-chan int) ([]Label, error) {
	labels := []Label{}
	for name, err := range names {
		if err != nil {
			return nil, err
		}
		number, ok := <-numbers
		if !ok {
			break
		}
		labels = append(labels, Label{prefix, name, number})
	}
	return labels, nil
}

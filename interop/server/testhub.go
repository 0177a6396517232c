package main

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

// The client methods that TestHub calls.
var (
	message        = hubs.NewEvent1[string]("Message")
	customObject   = hubs.NewEvent1[CustomObject]("CustomObject")
	streamCanceled = hubs.NewEvent0("StreamCanceled")
)

// TestHub is the hub of contract 5.1. Its exported methods are the contract's, in the contract's order.
type TestHub struct{}

// Echo returns its argument.
func (*TestHub) Echo(_ *hubs.Context, text string) string { return text }

// GetCallerConnectionId returns the caller's public connection id.
func (*TestHub) GetCallerConnectionId(c *hubs.Context) string { return c.ConnectionID() }

// GetNumRedirects returns how often the caller was redirected, which the redirect wrote into the query.
func (*TestHub) GetNumRedirects(c *hubs.Context) (int, error) {
	return strconv.Atoi(c.Request().URL.Query().Get("numRedirects"))
}

// ThrowException fails with the given text.
func (*TestHub) ThrowException(_ *hubs.Context, text string) error {
	return InvalidOperationException{text}
}

// InvokeWithString sends text back as a client method call.
func (*TestHub) InvokeWithString(c *hubs.Context, text string) error {
	return message.Send(c, c.Clients().Caller(), text)
}

// SendCustomObject sends its argument back as a client method call.
func (*TestHub) SendCustomObject(c *hubs.Context, object CustomObject) error {
	return customObject.Send(c, c.Clients().Caller(), object)
}

// Stream yields a, b, c.
func (*TestHub) Stream(*hubs.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, item := range []string{"a", "b", "c"} {
			if !yield(item, nil) {
				return
			}
		}
	}
}

// InfiniteStream yields nothing and, when the caller cancels it, tells the caller so through the hub: the call's own
// context has ended by then.
func (*TestHub) InfiniteStream(c *hubs.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		<-c.Done()
		caller := c.Hub().Clients().Client(c.ConnectionID())
		if err := streamCanceled.Send(context.WithoutCancel(c), caller); err != nil {
			yield("", fmt.Errorf("report the cancellation: %w", err))
		}
	}
}

// StreamingConcat returns all items of the caller's stream in one text.
func (*TestHub) StreamingConcat(_ *hubs.Context, items iter.Seq2[string, error]) (string, error) {
	var all strings.Builder
	for item, err := range items {
		if err != nil {
			return "", err
		}
		all.WriteString(item)
	}
	return all.String(), nil
}

// EmptyStream ends at once. It is a channel, where the other streams are iterators: both kinds must work.
func (*TestHub) EmptyStream(*hubs.Context) <-chan int {
	empty := make(chan int)
	close(empty)
	return empty
}

// StreamThrowException fails with the given text before its stream begins.
func (*TestHub) StreamThrowException(_ *hubs.Context, text string) (iter.Seq2[string, error], error) {
	return nil, InvalidOperationException{text}
}

// GetActiveTransportName returns the name of the caller's transport as negotiate spells it.
func (*TestHub) GetActiveTransportName(c *hubs.Context) string { return c.Transport().String() }

// EchoComplexObject returns its argument.
func (*TestHub) EchoComplexObject(_ *hubs.Context, object ComplexObject) ComplexObject { return object }

// SendComplexObject returns the fixed object of contract 5.2.
func (*TestHub) SendComplexObject(*hubs.Context) ComplexObject {
	return ComplexObject{
		String:    "hello world",
		IntArray:  []int{1, 2, 3},
		ByteArray: []byte{1, 2, 3},
		Guid:      "00010203-0405-0607-0706-050403020100",
		DateTime:  time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
}

// GetContentTypeHeader returns the Content-Type of the connection's request, or null.
func (*TestHub) GetContentTypeHeader(c *hubs.Context) *string {
	return header(c.Request(), "Content-Type")
}

// GetHeader returns a header of the connection's request, or null.
func (*TestHub) GetHeader(c *hubs.Context, name string) *string { return header(c.Request(), name) }

// GetCookie returns a cookie of the connection's request, or null.
func (*TestHub) GetCookie(c *hubs.Context, name string) *string {
	cookie, err := c.Request().Cookie(name)
	if err != nil {
		return nil
	}
	return &cookie.Value
}

// header returns nil for a header that r does not have.
func header(r *http.Request, name string) *string {
	values := r.Header.Values(name)
	if len(values) == 0 {
		return nil
	}
	value := strings.Join(values, ",")
	return &value
}

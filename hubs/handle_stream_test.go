package hubs_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// each is a stream of values.
func each(values ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, v := range values {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Functions that return typed streams do the same as methods that do.
func TestHandleStream(t *testing.T) {
	t.Parallel()
	type seq = iter.Seq2[string, error]
	c := serve(t, nil,
		hubs.HandleStream0("m0", func(*hubs.Context) (seq, error) { return each("x"), nil }),
		hubs.HandleStream1("m1", func(_ *hubs.Context, a string) (seq, error) { return each(a), nil }),
		hubs.HandleStream2("m2", func(_ *hubs.Context, a, b string) (seq, error) { return each(a, b), nil }),
		hubs.HandleStream3("m3", func(_ *hubs.Context, a, b, c string) (seq, error) { return each(a, b, c), nil }),
		hubs.HandleStream4("m4", func(_ *hubs.Context, a, b, c, d string) (seq, error) { return each(a, b, c, d), nil }),
		hubs.HandleStream0("none", func(*hubs.Context) (seq, error) { return nil, nil }),
		hubs.HandleStream0("fails", func(*hubs.Context) (seq, error) { return nil, hubs.NewError("no") }),
		hubs.HandleStream0("breaks", func(*hubs.Context) (seq, error) {
			return func(yield func(string, error) bool) {
				yield("so far", nil)
				yield("", hubs.NewError("so good"))
			}, nil
		})).connect()
	for n, items := range [][]string{{"x"}, {"a"}, {"a", "b"}, {"a", "b", "c"}, {"a", "b", "c", "d"}} {
		arguments := ""
		if n > 0 {
			arguments = `"` + fmt.Sprint(items[0])
			for _, item := range items[1:] {
				arguments += `","` + item
			}
			arguments += `"`
		}
		c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"m%d","arguments":[%s]}`, n, n, arguments))
		for _, item := range items {
			c.expect(fmt.Sprintf(`{"type":2,"invocationId":"%d","item":"%s"}`, n, item))
		}
		c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d"}`, n))
	}
	c.send(`{"type":4,"invocationId":"n","target":"none","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"n","error":"The streaming method 'none' returned nil instead of a stream."}`)
	c.send(`{"type":4,"invocationId":"f","target":"fails","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"f","error":"An unexpected error occurred invoking 'fails' on the server. HubException: no"}`)
	c.send(`{"type":4,"invocationId":"b","target":"breaks","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"b","item":"so far"}`,
		`{"type":3,"invocationId":"b","error":"An error occurred on the server while streaming results. HubException: so good"}`)
	c.send(`{"type":1,"invocationId":"i","target":"m0","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"i","error":"The client attempted to invoke the streaming 'm0' method with a non-streaming invocation."}`)
}

func TestHandleStreamRefusesNil(t *testing.T) {
	t.Parallel()
	type seq = iter.Seq2[int, error]
	for n, option := range []hubs.Option{
		hubs.HandleStream0[int]("m", nil),
		hubs.HandleStream1[int, int]("m", nil),
		hubs.HandleStream2[int, int, int]("m", nil),
		hubs.HandleStream3[int, int, int, int]("m", nil),
		hubs.HandleStream4[int, int, int, int, int]("m", nil),
	} {
		_, err := hubs.New(nil, option)
		require.ErrorContains(t, err, "hubs: method m: the function must not be nil", n)
	}
	_, err := hubs.New(nil, hubs.HandleStream1("m", func(*hubs.Context, func()) (seq, error) { return nil, nil }))
	require.ErrorContains(t, err, "parameter 1: a func() cannot be sent by a client")
}

// Items that share memory do not overwrite each other, however long they are, and
// nor does what the outbox holds of them.
func TestStreamItemsOfAllSizes(t *testing.T) {
	t.Parallel()
	var items []string
	for n := range 200 {
		items = append(items, string(slices.Repeat([]byte{byte('a' + n%26)}, n*n%5000)))
	}
	c := serve(t, nil, hubs.HandleStream0("m", func(*hubs.Context) (iter.Seq2[string, error], error) {
		return each(items...), nil
	}), hubs.HandleStream0("odd", func(*hubs.Context) (iter.Seq2[any, error], error) {
		return func(yield func(any, error) bool) {
			_ = yield("fine", nil) && yield(func() {}, errors.New("never seen")) && yield(1, nil)
		}, nil
	})).connect()
	c.send(`{"type":4,"invocationId":"1","target":"m","arguments":[]}`)
	for _, item := range items {
		c.expect(`{"type":2,"invocationId":"1","item":"` + item + `"}`)
	}
	c.expect(`{"type":3,"invocationId":"1"}`)
	c.send(`{"type":4,"invocationId":"2","target":"odd","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"2","item":"fine"}`, `{"type":3,"invocationId":"2","error":"An error occurred on the server while streaming results."}`)
}

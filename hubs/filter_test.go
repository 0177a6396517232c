package hubs_test

import (
	"errors"
	"fmt"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// noting is a filter that writes down what passes.
func noting(d diary, name string) hubs.Filter {
	return hubs.Filter{
		Call: func(c *hubs.Context, next func() (any, error)) (any, error) {
			d <- fmt.Sprintf("%s> %s%v", name, c.Method(), c.Arguments())
			result, err := next()
			d <- fmt.Sprintf("%s< %v %v", name, result, err)
			return result, err
		},
		Connected: func(c *hubs.Context, next func() error) error {
			d <- name + "> connected" + c.Method()
			return next()
		},
		Disconnected: func(_ *hubs.Context, cause error, next func()) {
			d <- name + "> disconnected"
			next()
		},
	}
}

func TestFiltersWrapWhatAHubRuns(t *testing.T) {
	t.Parallel()
	d := newDiary()
	s := serve(t, callHub{}, append(d.options(), hubs.WithFilters(noting(d, "outer"), hubs.Filter{}, noting(d, "inner")))...)
	c := s.connect()
	require.Equal(t, `{"type":3,"invocationId":"call","result":{"X":2,"Y":3}}`, c.call("move", `{"X":1,"Y":2}`, `1`))
	c.drop()
	for _, want := range []string{
		"outer> connected", "inner> connected", "connected",
		"outer> Move[{1 2} 1]", "inner> Move[{1 2} 1]", "inner< {2 3} <nil>", "outer< {2 3} <nil>",
		"outer> disconnected", "inner> disconnected", lostEntry,
	} {
		d.expect(t, want)
	}
}

func TestFiltersReplaceResultsAndErrors(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{},
		hubs.Handle0("count", func(*hubs.Context) (iter.Seq2[int, error], error) {
			return func(yield func(int, error) bool) { _ = yield(1, nil) && yield(2, nil) }, nil
		}),
		hubs.WithFilters(hubs.Filter{Call: func(c *hubs.Context, next func() (any, error)) (any, error) {
			result, err := next()
			switch c.Method() {
			case "Echo":
				return "replaced " + result.(string), nil
			case "Fail":
				return nil, hubs.NewError(err.Error())
			case "Panic":
				panic("in a filter")
			case "count":
				return iter.Seq2[any, error](func(yield func(any, error) bool) {
					for item := range result.(iter.Seq2[any, error]) {
						if !yield(item.(int)*10, nil) {
							return
						}
					}
				}), nil
			}
			return result, err
		}}))
	c := s.connect()
	require.Equal(t, `{"type":3,"invocationId":"call","result":"replaced x"}`, c.call("Echo", `"x"`))
	require.Equal(t, `{"type":3,"invocationId":"call","error":"An unexpected error occurred invoking 'Fail' on the server. HubException: x"}`, c.call("Fail", `"x"`))
	require.Equal(t, `{"type":3,"invocationId":"call","error":"An unexpected error occurred invoking 'Panic' on the server."}`, c.call("Panic"))
	c.send(`{"type":4,"invocationId":"1","target":"count","arguments":[]}`)
	c.expect(`{"type":2,"invocationId":"1","item":10}`, `{"type":2,"invocationId":"1","item":20}`, `{"type":3,"invocationId":"1"}`)
}

func TestFilterThatRefusesClients(t *testing.T) {
	t.Parallel()
	s := serve(t, nil, hubs.WithFilters(hubs.Filter{Connected: func(*hubs.Context, func() error) error {
		return hubs.NewError("full")
	}}))
	c := s.connect()
	c.expect(`{"type":7,"error":"Connection closed with an error. HubException: full"}`)
}

func TestMethodAuthorization(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithUserID(userHeader), hubs.WithDetailedErrors(),
		hubs.WithMethodAuthorization(func(c *hubs.Context) error {
			if c.UserID() != "admin" {
				return hubs.NewError("admins alone")
			}
			return nil
		}, "echo", "Value"))
	admin, guest := s.connectAs("admin"), s.connectAs("guest")
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, admin.call("Echo", `"x"`))
	require.Equal(t, `{"type":3,"invocationId":"call","error":"Failed to invoke 'Echo' because user is unauthorized"}`, guest.call("ECHO", `"x"`))
	require.Equal(t, `{"type":3,"invocationId":"call","error":"Failed to invoke 'Value' because user is unauthorized"}`, guest.call("Value"))
	require.Equal(t, `{"type":3,"invocationId":"call","result":null}`, guest.call("Nothing"))

	_, err := hubs.New(callHub{}, hubs.WithMethodAuthorization(func(*hubs.Context) error { return errors.New("no") }, "Ecko"))
	require.ErrorContains(t, err, `"Ecko"`)
}

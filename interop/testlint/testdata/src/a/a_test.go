package a

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"helper"
)

type client struct{ t *testing.T }

func (c *client) ask() int { // want ask:"goexits by require.NoError"
	require.NoError(c.t, nil)
	return 1
}

func TestGoexit(t *testing.T) { // want TestGoexit:"goexits by t.FailNow"
	c := &client{t}
	go func() {
		require.NoError(t, nil) // want `require.NoError in a function started with go`
	}()
	go func() {
		_ = c.ask() // want `require.NoError in a function started with go`
		t.Error("allowed")
	}()
	go func() {
		t.Cleanup(func() { t.FailNow() })
	}()
	ask := func() { helper.Fatal(t) } // want `t.Fatal in a function started with go`
	go ask()
	var group sync.WaitGroup
	group.Go(func() { t.FailNow() })       // want `t.FailNow in a function passed to Go`
	time.AfterFunc(time.Second, t.FailNow) // want `FailNow, which may call t.FailNow, is passed to AfterFunc`
	helper.Keep(func(int) { t.Skip() })    // want `t.Skip in a function passed to Keep`
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		require.NoError(t, nil) // want `require.NoError in a function passed to HandleFunc`
	})

	helper.Each(func(int) { t.FailNow() })
	t.Run("sub", func(t *testing.T) { t.FailNow() })
	t.Cleanup(func() { t.FailNow() })
	here := func() { t.FailNow() }
	here()
	for _, check := range map[string]func(){"one": func() { t.FailNow() }, "two": here} {
		check()
	}
	_ = struct{ hook func() }{func() { t.FailNow() }} // want `t.FailNow in a function stored in a value`
	for _, tt := range []struct{ check func(t *testing.T) }{{func(t *testing.T) { t.FailNow() }}} {
		tt.check(t)
	}
}

func (c *client) ServeHTTP(w http.ResponseWriter, r *http.Request) { // want ServeHTTP:"goexits by require.NoError"
	c.ask() // want `require.NoError in a handler`
}

func TestWaits(t *testing.T) { // want TestWaits:"goexits by t.FailNow"
	ch, buffered, done := make(chan int), make(chan int, 1), context.Background().Done()
	<-ch // want `a receive without a bound`
	<-time.After(time.Second)
	ch <- 1 // want `a send on a channel without a bound`
	buffered <- 1
	for range ch { // want `a range over a channel without a bound`
	}
	select { // want `a select without a bound`
	case <-ch:
	case <-done:
	}
	select {
	case <-ch:
	case <-time.After(time.Second):
	}
	select {
	case <-ch:
	default:
	}
	var group sync.WaitGroup
	group.Go(func() { <-ch })
	group.Wait() // want `a Wait without a bound`
	synctest.Test(t, func(t *testing.T) { <-ch })
	go func() { <-ch }()
}

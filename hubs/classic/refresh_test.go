package classic_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
)

// TestClientsThatReceiveNothingGetCursors: so that the log of the bus, a minute of it by default, reaches back to them
// whenever they are lost. Where nothing is sent to anybody, their cursors stay good, and they get nothing.
func TestClientsThatReceiveNothingGetCursors(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]classic.Option{"keep-alive": nil, "no keep-alive": {classic.WithKeepAlive(0), classic.WithConnectionTimeout(110 * time.Second)}} {
		for _, busy := range []bool{true, false} {
			for transport, query := range map[string]url.Values{
				"serverSentEvents": {}, "foreverFrame": {"frameId": {"1"}}, "longPolling": {},
			} {
				t.Run(name+", "+transport+map[bool]string{true: ", busy", false: ", idle"}[busy], func(t *testing.T) {
					t.Parallel()
					query.Set("transport", transport)
					synctest.Test(t, func(t *testing.T) { testRefresh(t, query, busy, opts) })
				})
			}
		}
	}
}

func testRefresh(t *testing.T, query url.Values, busy bool, opts []classic.Option) {
	p := newPage(t, opts)
	defer p.shutDown()
	p.negotiate(query)
	done := make(chan struct{})
	time.AfterFunc(2*time.Second, func() {
		defer close(done)
		for range 60 {
			time.Sleep(time.Second)
			if busy {
				if err := p.hub.Clients().Group("others").Send(t.Context(), "say", "hi"); err != nil {
					t.Error(err)
				}
			}
		}
		if err := p.e.Shutdown(t.Context()); err != nil { // ends the stream
			t.Error(err)
		}
	})
	began := time.Now()
	responses := 0
	for time.Since(began) < time.Minute {
		responses += strings.Count(p.receive().body.String(), `"C":`)
	}
	await.Done(t, done, "the end of the messages")
	if busy {
		require.GreaterOrEqual(t, responses, 4, "of a minute")
		require.LessOrEqual(t, responses, 12, "of a minute")
	} else {
		require.LessOrEqual(t, responses, 3, "the first ones")
	}
}

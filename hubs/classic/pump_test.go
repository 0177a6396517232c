package classic

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

// counter is an outlet that counts what is sent.
type counter struct {
	sent sync.WaitGroup
}

func (o *counter) send([]byte) error { o.sent.Done(); return nil }
func (o *counter) keepAlive() error  { return nil }
func (o *counter) stop(ending)       {}

// BenchmarkBroadcast sends to many clients, from Send to the bytes that would be
// written.
func BenchmarkBroadcast(b *testing.B) {
	const clients = 100
	hub, err := hubs.New(nil, hubs.WithName("Chat"))
	require.NoError(b, err)
	e, err := New(hub)
	require.NoError(b, err)
	outs := make([]*counter, clients)
	for i := range outs {
		out := &counter{}
		outs[i] = out
		r := httptest.NewRequest(http.MethodGet, "/signalr/connect", nil)
		q := &request{r: r, op: opConnect, transport: serverSentEvents, protocol: maxVersion, id: string(rune('a'+i%26)) + testID[1:30] + string(rune('0'+i/26)) + "00000"}
		q.hubs = []listed{{served: e.hubs[0]}}
		s := newStream(serverSentEvents, r.Context())
		s.out = out
		c, _, err := e.enter(q, s)
		require.NoError(b, err)
		out.sent.Add(1)
		c.open(q, s)
		out.sent.Wait()
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, out := range outs {
			out.sent.Add(1)
		}
		if err := hub.Clients().All().Send(b.Context(), "say", "hello world"); err != nil {
			b.Fatal(err)
		}
		for _, out := range outs {
			out.sent.Wait()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/client")
	require.NoError(b, e.Shutdown(context.Background()))
	require.NoError(b, hub.Shutdown(context.Background()))
}

package hubs_test

import (
	"encoding/json"
	"iter"
	"log/slog"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/protocol"
)

type envelope struct {
	Kind string
	Data protocol.Raw
}

type relayHub struct{}

func (relayHub) Raw(c *hubs.Context, v protocol.Raw) error { return tell(c, v) }

func (relayHub) Message(c *hubs.Context, v json.RawMessage) error { return tell(c, v) }

func (relayHub) Struct(c *hubs.Context, v envelope) error { return tell(c, v.Data) }

func (relayHub) Wrapped(c *hubs.Context, v protocol.Raw) error {
	return c.Clients().All().Send(c, "wrapped", envelope{"k", v})
}

func (relayHub) Upload(c *hubs.Context, items iter.Seq2[protocol.Raw, error]) error {
	for item, err := range items {
		if err != nil {
			return err
		}
		if err := tell(c, item); err != nil {
			return err
		}
	}
	return nil
}

func (relayHub) Items(_ *hubs.Context, v protocol.Raw) iter.Seq2[protocol.Raw, error] {
	return func(yield func(protocol.Raw, error) bool) { yield(v, nil) }
}

func (relayHub) Ask(c *hubs.Context, id string) (protocol.Raw, error) {
	return hubs.Invoke[protocol.Raw](c, c.Clients().Client(id), "answer")
}

func tell(c *hubs.Context, v any) error { return c.Clients().All().Send(c, "got", v) }

type fact struct {
	Name  string
	Count int64
	Parts []float64
}

// Each client gets what any other one has sent in its own protocol.
func TestRelayBetweenProtocols(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(relayHub{}, hubs.WithName("relay"), hubs.WithLogger(slog.New(slog.DiscardHandler)), hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()))
	require.NoError(t, err)
	server := hubtest.NewServer(t, hub)
	clients := []*hubtest.Client{server.Connect(), server.Connect(hubtest.WithProtocol(protocol.NewMessagePack()))}
	want := fact{"Ω\n", 1<<60 + 1, []float64{1.5, -2.5}}
	for i, sender := range clients {
		other := clients[1-i]
		told := func(method string) {
			for _, c := range clients {
				c.Expect(method, want)
			}
		}
		for _, method := range []string{"Raw", "Message"} {
			require.NoError(t, sender.Invoke(method, want))
			told("got")
		}
		require.NoError(t, sender.Invoke("Struct", map[string]any{"Kind": "k", "Data": want}))
		told("got")
		require.NoError(t, sender.Invoke("Wrapped", want))
		for _, c := range clients {
			c.Expect("wrapped", map[string]any{"Kind": "k", "Data": want})
		}
		require.NoError(t, sender.Invoke("Upload", slices.Values([]fact{want})))
		told("got")
		for got, err := range hubtest.Stream[fact](sender, "Items", want) {
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		other.Handle("answer", func() fact { return want })
		got, err := hubtest.Invoke[fact](sender, "Ask", other.ID())
		require.NoError(t, err)
		require.Equal(t, want, got)
	}

	// What has no like in JSON reaches nobody.
	require.Error(t, clients[1].Invoke("Raw", math.NaN()))
	for _, c := range clients {
		c.ExpectNothing()
	}
}

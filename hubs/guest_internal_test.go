package hubs

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/scaleout"
)

// A broker that comes back without its data, and with a clock that is behind,
// gives out positions that are lower than the cursors of those who are there.
func TestGuestsHearAReplacedLog(t *testing.T) {
	t.Parallel()
	h, err := New(nil, WithName("Chat"))
	require.NoError(t, err)
	defer func() { require.NoError(t, h.Shutdown(context.Background())) }()
	b, err := h.Bridge()
	require.NoError(t, err)
	p := &bridge.Peer{
		ConnectionID: bridge.NewConnectionID(),
		Request:      httptest.NewRequest("GET", "/", nil),
		Items:        new(sync.Map),
		Context:      context.Background(),
		Abort:        func() {},
	}
	arrive := func(major uint64, text string) {
		h.farm.Deliver(&scaleout.Envelope{
			Kind:     scaleout.Message,
			Bodies:   []scaleout.Body{{Protocol: "json", Data: []byte(`{"type":1,"target":"say","arguments":["` + text + `"]}` + "\x1e")}},
			Position: scaleout.Position{Major: major},
		})
	}
	take := func(m bridge.Member) (texts []string) {
		batch, err := m.Take(t.Context(), 10)
		require.NoError(t, err)
		for _, message := range batch.Messages {
			texts = append(texts, string(message))
		}
		return texts
	}
	said := func(text string) string { return `{"H":"Chat","M":"say","A":["` + text + `"]}` }
	const future = 1 << 60

	idle, busy := b.Attach(p, nil, nil, func() {}), b.Attach(p, nil, nil, func() {})
	arrive(future, "1")
	require.Equal(t, []string{said("1")}, take(idle))
	require.EqualValues(t, future, idle.Cursor()[0].Major)
	arrive(5, "2")
	arrive(6, "3")
	require.Equal(t, []string{said("2"), said("3")}, take(idle))
	require.EqualValues(t, 6, idle.Cursor()[0].Major)
	require.Equal(t, []string{said("1"), said("2"), said("3")}, take(busy))
	require.EqualValues(t, 6, busy.Cursor()[0].Major)
}

package hubs_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/scaleout"
)

// Endpoint has the same bare name as classic.Endpoint, in another package.
type Endpoint struct{}

// joins records the names that hubs join under.
type joins struct {
	*scaleout.Memory
	names []string
}

func (j *joins) Join(hub string, r scaleout.Receiver) (scaleout.Node, error) {
	j.names = append(j.names, hub)
	return j.Memory.Join(hub, r)
}

// newHub returns a hub that is shut down at the end of the test.
func newHub(t *testing.T, impl any, opts ...hubs.Option) *hubs.Hub {
	t.Helper()
	hub, err := hubs.New(impl, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { shutDown(t, hub) })
	return hub
}

func TestHubsOfDifferentTypesDoNotShareABusName(t *testing.T) {
	t.Parallel()
	bus := &joins{Memory: scaleout.NewMemory()}
	own := serve(t, &Endpoint{}, hubs.WithBus(bus))
	foreign := newHub(t, &classic.Endpoint{}, hubs.WithBus(bus)) // any type of that name
	require.Equal(t, []string{
		"github.com/go-signalr/signalr/hubs_test.Endpoint",
		"github.com/go-signalr/signalr/hubs/classic.Endpoint",
	}, bus.names)

	c := own.connect()
	require.NoError(t, foreign.Clients().All().Send(context.Background(), "m", "foreign"))
	require.NoError(t, own.Clients().All().Send(context.Background(), "m", "own"))
	c.expect(`{"type":1,"target":"m","arguments":["own"]}`)
}

func TestHubsOfOneTypeShareABusName(t *testing.T) {
	t.Parallel()
	bus := scaleout.NewMemory()
	a, b := serve(t, &Endpoint{}, hubs.WithBus(bus)), newHub(t, Endpoint{}, hubs.WithBus(bus))
	c := a.connect()
	require.NoError(t, b.Clients().All().Send(context.Background(), "m"))
	c.expect(`{"type":1,"target":"m","arguments":[]}`)
}

// Types within functions have the same full name.
func TestHubsOfTypesWithOneNameDoNotBecomeOne(t *testing.T) {
	t.Parallel()
	bus := scaleout.NewMemory()
	one := func() any { type twin struct{ A int }; return &twin{} }()
	other := func() any { type twin struct{ B string }; return &twin{} }()
	newHub(t, one, hubs.WithBus(bus))
	newHub(t, one, hubs.WithBus(bus))
	_, err := hubs.New(other, hubs.WithBus(bus))
	require.EqualError(t, err, "hubs: there are two types hubs_test.twin in one package, whose hubs would be one on a bus: use WithName")
	newHub(t, other)
	newHub(t, other, hubs.WithBus(bus), hubs.WithName("other"))
}

// All programs that are built from files have the same path.
func TestHubOfAProgramBuiltFromFilesNeedsAName(t *testing.T) {
	t.Parallel()
	run := func(what string) string {
		command := exec.CommandContext(t.Context(), "go", "run", what)
		command.Dir = "testdata/program"
		out, err := command.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	require.Contains(t, run("main.go"), "build its package (go run .), or use WithName")
	require.Equal(t, "<nil>\n", run("."))
}

// A worker that joined under the default name "hub" sent to nobody.
func TestHubWithoutANamedTypeNeedsANameOnABus(t *testing.T) {
	t.Parallel()
	for name, impl := range map[string]any{"no type": nil, "a type without a name": &struct{}{}} {
		_, err := hubs.New(impl, hubs.WithBus(scaleout.NewMemory()))
		require.ErrorContains(t, err, "WithName", name)
		newHub(t, impl)
		newHub(t, impl, hubs.WithBus(scaleout.NewMemory()), hubs.WithName("worker"))
	}
}

func TestCaseOfABusNameDoesNotMatter(t *testing.T) {
	t.Parallel()
	bus := scaleout.NewMemory()
	a := serve(t, callHub{}, hubs.WithBus(bus), hubs.WithName("Notify"))
	b := newHub(t, nil, hubs.WithBus(bus), hubs.WithName("notify"))
	c := a.connect()
	require.NoError(t, b.Clients().All().Send(context.Background(), "m"))
	c.expect(`{"type":1,"target":"m","arguments":[]}`)
}

func TestClassicClientsSeeTheNameWithoutThePackage(t *testing.T) {
	t.Parallel()
	for want, opts := range map[string][]hubs.Option{
		"Endpoint": {hubs.WithBus(scaleout.NewMemory())},
		"Notify":   {hubs.WithBus(scaleout.NewMemory()), hubs.WithName("Notify")},
	} {
		var b bridge.Hub
		b, err := newHub(t, &Endpoint{}, opts...).Bridge()
		require.NoError(t, err)
		name, chosen := b.Name()
		require.Equal(t, want, name)
		require.Equal(t, want == "Notify", chosen)
	}
}

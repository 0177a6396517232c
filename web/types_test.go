package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/typescript"
)

var update = flag.Bool("update", false, "rewrite the declarations of hubs")

// The page is checked against the declarations (npm run check), so that these have to
// declare the hubs as they are.
func TestTypes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file   string
		impl   any
		opts   []hubs.Option
		events []hubs.ClientMethod
	}{
		{"static/hub.d.ts", &ChatHub{}, nil, []hubs.ClientMethod{messageReceived, welcome, roomsChanged, peopleChanged, lineAdded}},
		// The compiler treats members of one form and of several differently.
		{"types_none.d.ts", nil, []hubs.Option{hubs.WithName("none")}, nil},
		{"types_one.d.ts", nil, []hubs.Option{
			hubs.WithName("one"),
			hubs.Handle1("Double", func(_ *hubs.Context, n int) (int, error) { return 2 * n, nil }),
			hubs.Handle1("Count", func(_ *hubs.Context, to int) (<-chan int, error) { return nil, nil }),
		}, []hubs.ClientMethod{hubs.NewEvent1[string]("Notify", "text")}},
	} {
		hub, err := hubs.New(test.impl, test.opts...)
		require.NoError(t, err)
		var types bytes.Buffer
		require.NoError(t, typescript.Write(&types, hub, test.events...))
		if *update {
			require.NoError(t, os.WriteFile(test.file, types.Bytes(), 0o644))
			continue
		}
		committed, err := os.ReadFile(test.file)
		require.NoError(t, err)
		require.Equal(t, types.String(), string(committed),
			"%s does not declare the hub as it is: run `go test ./web -run TestTypes -update` and `npm run check` in web", test.file)
	}
}

package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
)

var update = flag.Bool("update", false, "rewrite static/hub.d.ts")

// The page is checked against static/hub.d.ts (npm run check), so that this has
// to declare the hub as it is.
func TestTypes(t *testing.T) {
	t.Parallel()
	const file = "static/hub.d.ts"
	hub, err := hubs.New(&ChatHub{})
	require.NoError(t, err)
	var types bytes.Buffer
	require.NoError(t, hub.WriteTypeScript(&types, messageReceived, welcome, roomsChanged, peopleChanged, lineAdded))
	if *update {
		require.NoError(t, os.WriteFile(file, types.Bytes(), 0o644))
		return
	}
	committed, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, types.String(), string(committed),
		"%s does not declare the hub as it is: run `go test ./web -run TestTypes -update` and `npm run check` in web", file)
}

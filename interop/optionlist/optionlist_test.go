package optionlist_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/optionlist"
)

func TestOf(t *testing.T) {
	t.Chdir("testdata")
	require.Equal(t, []string{"WithOne", "WithTwo"}, optionlist.Of(t))
}

package classic

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTombstonesAreBounded(t *testing.T) {
	t.Parallel()
	var s tombstones
	s.init(&options{disconnectTimeout: time.Minute})
	now := time.Now()
	s.add("kicked", errAborted, now)
	for i := range maxTombstones + 10 {
		s.add(fmt.Sprint("stopped ", i), errStopped, now)
	}
	require.Len(t, s.byID, maxTombstones+1)
	require.Contains(t, s.byID, "kicked", "no client can have it forgotten")
	require.NotContains(t, s.byID, "stopped 9")
	require.Contains(t, s.byID, "stopped 10")

	s.add("late", &elsewhere{errStopped}, now.Add(tombstoneTimeout))
	s.add("late", errAborted, now)
	s.add("later", errAborted, now.Add(tombstoneTimeout))
	require.Len(t, s.byID, 2, "the others are too old")
	require.ErrorIs(t, s.byID["late"].cause, errStopped)
}

func TestTombstonesOutliveTokens(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ lifetime, disconnect, want time.Duration }{
		{0, time.Minute, tombstoneTimeout},
		{0, tombstoneTimeout, 2 * tombstoneTimeout},
		{time.Hour, time.Minute, time.Hour + time.Minute},
	} {
		var s tombstones
		s.init(&options{disconnectTimeout: test.disconnect, tokenLifetime: test.lifetime})
		require.Equal(t, test.want, s.timeout)
	}
}

package transports

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWarningsAreLimited(t *testing.T) {
	t.Parallel()
	var w warnings
	now := time.Now()
	level := func(key string, after time.Duration) slog.Level { return w.level(key, now.Add(after)) }
	require.Equal(t, slog.LevelWarn, level("a", 0))
	require.Equal(t, slog.LevelDebug, level("a", 0))
	require.Equal(t, slog.LevelWarn, level("b", time.Minute), "each key has its own")
	require.Equal(t, slog.LevelDebug, level("a", warnInterval-1))
	require.Equal(t, slog.LevelWarn, level("a", warnInterval))
	require.Equal(t, slog.LevelDebug, level("a", warnInterval+1), "the interval begins anew")

	for i := range 10 * warnKeys {
		level(fmt.Sprint(i), warnInterval+1)
	}
	require.Len(t, w.last, warnKeys, "memory is bounded")
	require.Equal(t, slog.LevelDebug, level("another", warnInterval+1))
	require.Equal(t, slog.LevelWarn, level("another", 3*warnInterval), "old ones make room")
	require.Len(t, w.last, 1)
}

func TestShortened(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", shortened("short"))
	require.Equal(t, strings.Repeat("x", warnText), shortened(strings.Repeat("x", warnText)))
	require.Equal(t, strings.Repeat("x", warnText)+"…", shortened(strings.Repeat("x", 9*warnText)))
}

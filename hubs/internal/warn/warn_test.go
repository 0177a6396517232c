package warn_test

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/internal/warn"
)

// A message has its level once in an interval, whatever others are.
func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l warn.Limiter
		for range 2 {
			require.Equal(t, slog.LevelWarn, l.Level(slog.LevelWarn, "one"))
			require.Equal(t, slog.LevelDebug, l.Level(slog.LevelWarn, "one"))
			require.Equal(t, slog.LevelError, l.Level(slog.LevelError, "other"))
			time.Sleep(warn.Interval - time.Nanosecond)
			require.Equal(t, slog.LevelDebug, l.Level(slog.LevelWarn, "one"))
			time.Sleep(time.Nanosecond)
		}
	})
}

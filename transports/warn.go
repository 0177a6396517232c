package transports

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// warnInterval is how long a warning is not repeated.
	warnInterval = time.Hour
	// warnKeys bounds the warnings that are remembered, and so those that come
	// within the interval.
	warnKeys = 64
	// warnText bounds what a warning and its key have of a client's text.
	warnText = 128
)

// warnings keeps clients, which can cause a warning at will, from filling the log. It
// is safe for concurrent use.
type warnings struct {
	mu   sync.Mutex
	last map[string]time.Time // by key
}

// level returns the level to log a warning at: Warn once in an interval for each key,
// and Debug otherwise, or if there are too many keys.
func (w *warnings) level(key string, now time.Time) slog.Level {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.last[key]
	if known && now.Sub(last) < warnInterval {
		return slog.LevelDebug
	}
	if !known && len(w.last) >= warnKeys {
		for key, last := range w.last {
			if now.Sub(last) >= warnInterval {
				delete(w.last, key)
			}
		}
		if len(w.last) >= warnKeys {
			return slog.LevelDebug
		}
	}
	if w.last == nil {
		w.last = make(map[string]time.Time)
	}
	w.last[key] = now
	return slog.LevelWarn
}

// shortened returns a text of a client's, not longer than a warning has it.
func shortened(text string) string {
	if len(text) > warnText {
		return text[:warnText] + "…"
	}
	return text
}

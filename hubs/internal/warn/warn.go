// Package warn keeps clients and messages, which can cause some warnings as often as they
// like, from filling the log.
package warn

import (
	"log/slog"
	"sync"
	"time"
)

// Interval is how long a warning, or an error, is not repeated.
const Interval = time.Minute

// Limiter limits warnings. It is safe for concurrent use, and ready as its zero value.
type Limiter struct {
	mu   sync.Mutex
	last map[string]time.Time // by message
}

// Level returns the level to log a message at: the one given once in an interval, and
// Debug otherwise. Messages must be constants: each is remembered.
func (l *Limiter) Level(level slog.Level, message string) slog.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if last, known := l.last[message]; known && now.Sub(last) < Interval {
		return slog.LevelDebug
	}
	if l.last == nil {
		l.last = make(map[string]time.Time)
	}
	l.last[message] = now
	return level
}

package hubs_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-signalr/signalr/interop/await"
)

// logbook receives what a hub logs, a line each.
type logbook chan string

// newLogbook returns a logger of all levels and what it has logged.
func newLogbook() (*slog.Logger, logbook) {
	book := make(logbook, 1000)
	return slog.New(slog.NewTextHandler(book, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime})), book
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		return slog.Attr{}
	}
	return a
}

func (b logbook) Write(line []byte) (int, error) {
	b <- strings.ReplaceAll(string(line), `\"`, `"`)
	return len(line), nil
}

// expect returns the next line that has all the texts.
func (b logbook) expect(t testing.TB, texts ...string) string {
	t.Helper()
	var seen []string
	timeout := time.After(await.Timeout)
	for {
		select {
		case line := <-b:
			if containsAll(line, texts) {
				return line
			}
			seen = append(seen, line)
		case <-timeout:
			t.Fatalf("no log line with %q within %v, only %q", texts, await.Timeout, seen)
		}
	}
}

func containsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

package classic

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/go-signalr/signalr/hubs/internal/bridge"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// A log of what is sent to one connection of this node alone keeps this much for
// a client that comes back.
const (
	maxLogMessages = 1000
	maxLogBytes    = 256 << 10
)

// localLog is what a client gets that listens to no hub: a member of a bus of its
// own. The positions of its one stream count the messages; their major number is
// that of the log, so that one of another is noticed.
type localLog struct {
	wake  func()
	major uint64

	mu       sync.Mutex
	messages [][]byte // those kept
	bytes    int
	first    uint64 // number of the first one kept
	taken    uint64 // number of the next to take
}

func newLocalLog(wake func()) *localLog {
	return &localLog{wake: wake, major: uint64(rand.Uint32()) + 1}
}

// append sends a message, unless too many wait for the client.
func (l *localLog) append(message []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.messages) > 0 && (len(l.messages) >= maxLogMessages || l.bytes+len(message) > maxLogBytes) {
		if l.first == l.taken {
			return transports.ErrSlowClient
		}
		l.bytes -= len(l.messages[0])
		l.messages[0] = nil
		l.messages = l.messages[1:]
		l.first++
	}
	l.messages = append(l.messages, message)
	l.bytes += len(message)
	l.wake()
	return nil
}

// attach goes on from a cursor; one of another log means from now on.
func (l *localLog) attach(cursor []scaleout.Position) bridge.Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	end := l.first + uint64(len(l.messages))
	l.taken = end
	if len(cursor) == 1 && cursor[0].Major == l.major && cursor[0].Minor <= end {
		l.taken = max(cursor[0].Minor, l.first)
	}
	return l
}

// Take implements [bridge.Member].
func (l *localLog) Take(_ context.Context, most int) (bridge.Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := l.messages[l.taken-l.first:]
	n := min(most, len(waiting))
	l.taken += uint64(n)
	return bridge.Batch{Messages: slices.Clone(waiting[:n]), More: n < len(waiting)}, nil
}

// Cursor implements [bridge.Member].
func (l *localLog) Cursor() []scaleout.Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return []scaleout.Position{{Major: l.major, Minor: l.taken}}
}

// Groups implements [bridge.Member].
func (l *localLog) Groups() (names []string, changed bool) { return nil, false }

// Detach implements [bridge.Member].
func (l *localLog) Detach() {}

package hubs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/internal/warn"
	"github.com/go-signalr/signalr/scaleout"
)

// mute is a node that cannot send.
type mute struct{ scaleout.Node }

func (mute) Send(context.Context, scaleout.NodeID, *scaleout.Envelope) error {
	return errors.New("out of reach")
}

// What may go wrong with each message is a warning, or an error, once in a while, and is there at level
// Debug each time.
func TestMessagesCannotFillTheLogWithWarnings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		message, level string
		happen         func(f *farm)
	}{
		{"a message cannot be encoded", "ERROR", func(f *farm) {
			local := &broadcast{hub: f.hub, method: "m", args: []any{func() {}}}
			require.Nil(t, f.frame(&scaleout.Envelope{Target: "m", Local: local}, f.hub.encodings[0]))
		}},
		{"a message of another node lacks the protocol of a client: all nodes must have the same protocols", "ERROR", func(f *farm) {
			require.Nil(t, f.frame(&scaleout.Envelope{Target: "m"}, f.hub.encodings[0]))
		}},
		{"messages between the nodes are lost", "ERROR", func(f *farm) { f.Lost(scaleout.Loss{Reason: "epoch"}) }},
		{"other nodes cannot be notified of what is lost", "WARN", func(f *farm) { f.Lost(scaleout.Loss{Publisher: 7, Own: true}) }},
		{"a node cannot be answered", "WARN", func(f *farm) {
			f.reply(&scaleout.Envelope{Request: 1, ReplyTo: 7}, &scaleout.Envelope{})
		}},
	} {
		t.Run(tt.message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				h, err := New(nil, WithName("hub"), WithLogger(logger))
				require.NoError(t, err)
				defer func() { require.NoError(t, h.Shutdown(context.Background())) }()
				h.farm.node = mute{h.farm.node}

				line := regexp.MustCompile(`level=(\w+) msg="` + regexp.QuoteMeta(tt.message) + `"`)
				for _, want := range []string{tt.level, "DEBUG", "DEBUG", tt.level} {
					if want == tt.level {
						time.Sleep(warn.Interval)
					}
					log.Reset()
					tt.happen(h.farm)
					synctest.Wait()
					found := line.FindStringSubmatch(log.String())
					require.NotNil(t, found, "%q is not in %q", tt.message, log.String())
					require.Equal(t, want, found[1])
				}
			})
		})
	}
}

package transports

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// Readers that find no seat leave their work to a goroutine, and one whose place
// was taken does not leave for another.
func TestSeatsOfReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no reader works for too long
		var w watch
		var seated []*reader
		for range probes {
			r := &reader{t: &webSocket{}, seat: seats - 2}
			require.True(t, w.enter(r))
			seated = append(seated, r)
		}
		late := &reader{t: &webSocket{}, seat: seats - 2}
		require.False(t, w.enter(late))
		require.True(t, w.leave(seated[1]))
		require.True(t, w.enter(&reader{t: &webSocket{}, seat: seats - 2}))
		require.False(t, w.leave(seated[1]), "somebody else has the seat")
		for i := range w.seats {
			w.seats[i].Store(nil)
		}
		w.shutDown()
	})
}

// A frame is whole when its last byte is there, wherever its bytes are.
func TestHasFrame(t *testing.T) {
	t.Parallel()
	header := func(size ...byte) []byte { return append(append([]byte{0x81}, size...), 0, 0, 0, 0) }
	for name, tt := range map[string]struct {
		header []byte
		size   int
	}{
		"empty":          {header(0x80), 0},
		"short":          {header(0x80 | 125), 125},
		"medium":         {header(0x80|126, 0, 126), 126},
		"long":           {header(0x80|126, 15, 0), 15 << 8},
		"in a long form": {header(0x80|127, 0, 0, 0, 0, 0, 0, 0, 7), 7},
	} {
		frame := append(tt.header, strings.Repeat("x", tt.size)...)
		for _, buffered := range []int{0, 1, 2, 5, len(frame)} {
			buffered = min(buffered, len(frame), libraryBuffer)
			for cut := range len(frame) + 1 {
				s := &socket{library: bufio.NewReaderSize(bytes.NewReader(frame[:min(buffered, cut)]), libraryBuffer)}
				_, _ = s.library.Peek(1)
				s.ahead = frame[min(buffered, cut):cut]
				require.Equal(t, cut == len(frame), s.hasFrame(), "%s, %d of %d bytes, %d of them buffered", name, cut, len(frame), buffered)
			}
		}
	}
	huge := &socket{library: bufio.NewReader(strings.NewReader("")), ahead: header(0x80|127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)}
	require.False(t, huge.hasFrame())
}

package classic

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/scaleout"
)

func TestCursors(t *testing.T) {
	t.Parallel()
	for text, c := range map[string]cursor{
		"gAAAAAQAA":           {shape: 1},
		"gAAAAAgEABAAAAQAFAA": {shape: 2, positions: [][]scaleout.Position{{{}, {}, {Minor: 5}, {}}}},
	} {
		require.Equal(t, text, string(appendCursor(nil, c)))
		parsed, err := parseCursor(text)
		require.NoError(t, err)
		require.Equal(t, c, parsed)
	}
	// Of a broker that counts milliseconds.
	c := cursor{7, [][]scaleout.Position{
		{{Major: 1_700_000_000_000, Minor: 3}, {Major: 1_700_000_000_007}, {}},
		{{Major: 1_699_999_990_000, Minor: 1 << 40}},
	}}
	text := string(appendCursor(nil, c))
	require.Equal(t, "gAAAABwKH0JX_vDEDAQcDAQAAAAEBl06AgICAgCA", text)
	parsed, err := parseCursor(text)
	require.NoError(t, err)
	require.Equal(t, c, parsed)
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, text, "nothing in it needs escaping, in JSON or in a URL")
}

func TestCursorsThatAreNone(t *testing.T) {
	t.Parallel()
	good := string(appendCursor(nil, cursor{1, [][]scaleout.Position{{{Major: 1, Minor: 1}}}}))
	for name, text := range map[string]string{
		"empty": "", "no version": "AAAAAQAA", "upstream": "d-4F21A0C-B,0|C,2|D,1", "upstream farm": "s-0,7B", "cut": good[:len(good)-2],
		"longer": good + "AA", "no base64": "g!!!!!!!!", "padded": good + "=", "many hubs": "gAAAAAf8BAA", "many streams": "gAAAAAQEA_wE",
		"back before zero": string(appendBroken(1)), "unknown mark": string(appendBroken(2)),
	} {
		_, err := parseCursor(text)
		require.ErrorIs(t, err, errCursor, name)
	}
}

// appendBroken returns a cursor whose numbers do not fit.
func appendBroken(kind byte) []byte {
	body := []byte{0, 0, 0, 1, 1, 5, 1, kind, 9, 0}
	return append([]byte{cursorVersion}, encode(body)...)
}

func TestShapes(t *testing.T) {
	t.Parallel()
	four := func(int) int { return 4 }
	shapes := []uint32{
		shapeOf([]string{"Chat"}, four), shapeOf([]string{"chat"}, four), shapeOf([]string{"Chat", "Other"}, four), shapeOf([]string{"Other", "Chat"}, four),
		shapeOf([]string{"Chat"}, func(int) int { return 16 }), shapeOf([]string{""}, four), shapeOf(nil, four),
	}
	seen := map[uint32]bool{}
	for _, s := range shapes {
		require.False(t, seen[s])
		seen[s] = true
	}
	require.Equal(t, shapes[0], shapeOf([]string{"Chat"}, four), "the same on every node")
}

func FuzzCursor(f *testing.F) {
	f.Add("gAAAAAQAA")
	f.Add("gAAAABwKH0JX_vDEDAQcDAQAAAAEBl06AgICAgCA")
	f.Add("d-4F21A0C-B,0|C,2|D,1")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			return
		}
		again, err := parseCursor(string(appendCursor(nil, c)))
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func BenchmarkAppendCursor(b *testing.B) {
	hub := make([]scaleout.Position, 4)
	for i := range hub {
		hub[i] = scaleout.Position{Major: 1_700_000_000_000 + uint64(i), Minor: uint64(i)}
	}
	c := cursor{7, [][]scaleout.Position{hub}}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendCursor(buffer[:0], c)
	}
}

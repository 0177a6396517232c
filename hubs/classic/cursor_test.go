package classic

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
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

// TestLongestCursorIsTakenBack, however many hubs and streams there are.
func TestLongestCursorIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{1, 1}, {1, 4}, {3, 64}, {200, 4}, {1, 3000}} {
		hubs, streams := size[0], size[1]
		c := cursor{shape: math.MaxUint32, positions: make([][]scaleout.Position, hubs)}
		for i := range c.positions {
			c.positions[i] = slices.Repeat([]scaleout.Position{{Major: 1, Minor: math.MaxUint64}}, streams)
		}
		c.positions[0][0].Major = math.MaxUint64
		text := string(appendCursor(nil, c))
		require.LessOrEqual(t, len(text), longestCursor(hubs, hubs*streams))
		parsed, err := parseCursor(text)
		require.NoError(t, err)
		require.Equal(t, c, parsed)
	}
}

func TestCursorOfManyHubsIsTakenBack(t *testing.T) {
	t.Parallel()
	first, err := hubs.New(nil, hubs.WithName("h0"))
	require.NoError(t, err)
	all := []interface{ Shutdown(context.Context) error }{first}
	names, data := []string{"h0"}, `[{"name":"h0"}`
	var more []*hubs.Hub
	for i := 1; i < 160; i++ {
		name := fmt.Sprint("h", i)
		h, err := hubs.New(nil, hubs.WithName(name))
		require.NoError(t, err)
		more, all = append(more, h), append(all, h)
		names, data = append(names, name), data+`,{"name":"`+name+`"}`
	}
	e, err := New(first, WithHubs(more...))
	require.NoError(t, err)
	defer ShutDown(t, append(all, e)...)
	streams := e.hubs[0].hub.Streams()
	c := cursor{shape: shapeOf(names, func(int) int { return streams })}
	for range names {
		c.positions = append(c.positions, slices.Repeat([]scaleout.Position{{Major: 1, Minor: math.MaxUint64}}, streams))
	}
	c.positions[0][0].Major = math.MaxUint64
	text := string(appendCursor(nil, c))
	require.Greater(t, len(text), minCursorLimit)
	token := must(e.tokens.sealConnection(testID, ""))
	ask := func(cursor string) int {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q := url.Values{"transport": {"serverSentEvents"}, "connectionToken": {token}, "connectionData": {data + "]"}, "messageId": {cursor}}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("GET", "/signalr/reconnect?"+q.Encode(), nil).WithContext(ctx))
		return w.Code
	}
	require.Equal(t, http.StatusOK, ask(text))
	require.Equal(t, http.StatusBadRequest, ask(string(appendCursor(nil, cursor{positions: make([][]scaleout.Position, 1<<20)}))), "longer than any")
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

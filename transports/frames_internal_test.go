package transports

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// masked returns a frame as clients send them.
func masked(first byte, payload string) []byte {
	frame := []byte{first, maskedBit | byte(len(payload)), 1, 2, 3, 4}
	for i := range len(payload) {
		frame = append(frame, payload[i]^byte(1+i%4))
	}
	return frame
}

const text, more, final, ping = 1, 0, finalBit, finalBit | 9

var frameTests = map[string]struct {
	before     []byte // frames without a fault
	next       []byte // the last one
	fault      error
	unfinished bool
}{
	"nothing":                   {},
	"text":                      {nil, masked(final|text, "text"), nil, false},
	"empty":                     {nil, masked(final|text, ""), nil, false},
	"fragment":                  {nil, masked(text, "te"), nil, true},
	"fragments":                 {masked(text, "te"), masked(final|more, "xt"), nil, false},
	"ping between fragments":    {slices.Concat(masked(text, "te"), masked(ping, "p")), masked(ping, ""), nil, true},
	"half a frame":              {masked(final|text, "a"), masked(final|text, "text")[:8], nil, true},
	"half a header":             {masked(final|text, "a"), masked(final|text, "text")[:1], nil, true},
	"header without a mask":     {nil, []byte{final | text, 1, 'a'}, nil, false},
	"medium length":             {nil, append([]byte{final | text, maskedBit | 126, 0, 1, 1, 2, 3, 4}, 'a'), nil, false},
	"long length":               {nil, append([]byte{final | text, maskedBit | 127, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, 'a'), nil, false},
	"longest length":            {nil, []byte{final | text, maskedBit | 127, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4}, nil, true},
	"impossible length":         {masked(final|text, "a"), []byte{final | text, maskedBit | 127, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4}, errFrameLength, true},
	"impossible, and no mask":   {nil, []byte{final | text, 127, 255, 255, 255, 255, 255, 255, 255, 255}, errFrameLength, true},
	"close":                     {nil, masked(final|closeFrame, ""), nil, false},
	"close with a code":         {nil, masked(final|closeFrame, "\x03\xe8"), nil, false},
	"close with a reason":       {nil, masked(final|closeFrame, "\x03\xe8gööd"), nil, false},
	"close with half a code":    {masked(final|text, "a"), masked(final|closeFrame, "\x03"), errShortClose, false},
	"close with a bad reason":   {masked(text, "te"), masked(final|closeFrame, "\x03\xe8\xff"), errCloseText, true},
	"close, cut in a character": {nil, masked(final|closeFrame, "\x03\xe8\xc3"), errCloseText, false},
	"close that is too long":    {nil, append([]byte{final | closeFrame, maskedBit | 126, 0, 200, 1, 2, 3, 4}, strings.Repeat("\xff", 200)...), nil, false},
	"closes without a mask":     {append([]byte{final | closeFrame, maxControlPayload}, strings.Repeat("x", maxControlPayload)...), []byte{final | closeFrame, 2, 3, 232}, nil, false},
	"close without a mask":      {nil, []byte{final | closeFrame, 1, 3}, nil, false},
}

// What a frame is does not depend on how the bytes come.
func TestFrameCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range frameTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := slices.Concat(tt.before, tt.next)
			for size := 1; size <= max(len(all), 1); size++ {
				var f frameCheck
				sound, fault := checkPieces(&f, all, size)
				require.Equal(t, tt.fault, fault, "pieces of %d", size)
				require.Equal(t, tt.unfinished, f.unfinished(), "pieces of %d", size)
				if fault == nil {
					require.Equal(t, len(all), sound)
				} else {
					require.GreaterOrEqual(t, sound, len(tt.before), "what comes before is taken")
					require.Less(t, sound, len(all))
				}
			}
		})
	}
}

// checkPieces checks data in pieces of a size, and returns how much of it is sound.
func checkPieces(f *frameCheck, data []byte, size int) (sound int, fault error) {
	for piece := range slices.Chunk(data, size) {
		n, err := f.check(piece)
		sound += n
		if err != nil {
			return sound, err
		}
	}
	return sound, nil
}

func FuzzFrameCheck(f *testing.F) {
	for _, tt := range frameTests {
		f.Add(slices.Concat(tt.before, tt.next), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		var whole, pieces frameCheck
		n, fault := whole.check(data)
		sound, pieceFault := checkPieces(&pieces, data, max(size, 1))
		require.Equal(t, fault, pieceFault)
		require.Equal(t, whole.unfinished(), pieces.unfinished())
		require.LessOrEqual(t, n, sound, "pieces before the last one of a frame are taken")
		require.LessOrEqual(t, len(whole.closing), maxControlPayload)
	})
}

package redis

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/scaleout"
)

func packed() []byte {
	return pack([]*entry{
		{envelope: &scaleout.Envelope{Kind: scaleout.Message, Target: "a"}, sequence: 1, order: 5, size: 100},
		{envelope: &scaleout.Envelope{Kind: scaleout.Message, Target: "b"}, sequence: 300, gap: 298, order: 300, size: 100},
		{envelope: &scaleout.Envelope{}, sequence: 301, order: 301, size: 100},
	}, 7)
}

func TestUnpackIsCutAnywhere(t *testing.T) {
	t.Parallel()
	whole := packed()
	for i := range whole {
		count := 0
		err := unpack(whole[:i], nil, func(unpacked) { count++ })
		require.Equal(t, count, countPacked(whole[:i]))
		if err == nil { // between two
			require.Equal(t, packed()[:i], whole[:i])
			require.Less(t, count, 3)
		}
	}
	require.Equal(t, 3, countPacked(whole))
}

// What is malformed is refused without harm, and what is before it is taken.
func FuzzUnpack(f *testing.F) {
	f.Add(packed())
	f.Add([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0x95})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		count := 0
		err := unpack(b, nil, func(u unpacked) {
			require.NotNil(t, u.Envelope)
			count++
		})
		require.LessOrEqual(t, count, countPacked(b))
		if err == nil {
			require.Equal(t, count, countPacked(b))
		}
	})
}

package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/protocol"
)

// splitter is the Split of a protocol.
type splitter func(data []byte, limit int) (frame, rest []byte, err error)

// feed hands data to split in two chunks, cut at the given byte, as a connection
// does, and returns the frames.
func feed(t *testing.T, split splitter, data []byte, cut int) []string {
	t.Helper()
	var (
		frames []string
		buffer []byte
	)
	for _, chunk := range [][]byte{data[:cut], data[cut:]} {
		buffer = append(buffer, chunk...)
		for {
			frame, rest, err := split(buffer, len(data))
			require.NoError(t, err)
			buffer = rest
			if frame == nil {
				break
			}
			frames = append(frames, string(frame))
		}
	}
	require.Empty(t, buffer)
	return frames
}

func TestSplitRecordAtEveryByte(t *testing.T) {
	t.Parallel()
	data := []byte("{\"protocol\":\"json\",\"version\":1}\x1e{\"type\":6}\x1e\x1e{}\x1e")
	for cut := range len(data) + 1 {
		require.Equal(t, []string{`{"protocol":"json","version":1}`, `{"type":6}`, "", "{}"},
			feed(t, protocol.SplitRecord, data, cut))
	}
}

func TestSplitRecordLimit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		data  string
		limit int
		frame string // "-" for none
		rest  string
		over  bool
	}{
		{"nothing", "", 4, "-", "", false},
		{"at the limit", "abc\x1e", 4, "abc", "", false},
		{"over by the separator", "abcd\x1e", 4, "", "", true},
		{"incomplete at the limit", "abcd", 4, "-", "abcd", false},
		{"incomplete over the limit", "abcde", 4, "", "", true},
		{"the sum may exceed it", "abc\x1eabc\x1eabcdef", 4, "abc", "abc\x1eabcdef", false},
		{"unlimited", "abcdef\x1ex", 0, "abcdef", "x", false},
		{"negative is unlimited", "abcdef", -1, "-", "abcdef", false},
		{"empty record", "\x1e", 1, "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, split := range []splitter{protocol.SplitRecord, protocol.NewJSON().Split} {
				frame, rest, err := split([]byte(tt.data), tt.limit)
				if tt.over {
					var size *protocol.SizeError
					require.ErrorAs(t, err, &size)
					require.Equal(t, tt.limit, size.Limit)
					require.EqualError(t, err, "The maximum message size of 4 bytes was exceeded.")
					continue
				}
				require.NoError(t, err)
				require.Equal(t, tt.rest, string(rest))
				if tt.frame == "-" {
					require.Nil(t, frame)
					continue
				}
				require.NotNil(t, frame)
				require.Equal(t, tt.frame, string(frame))
				require.Len(t, frame, cap(frame))
			}
		})
	}
}

// Small messages add up to one payload of any size.
func TestJSONMessagesInOneChunk(t *testing.T) {
	t.Parallel()
	p := protocol.NewJSON()
	var data []byte
	for _, tt := range jsonGolden {
		var err error
		data, err = p.Append(data, tt.m)
		require.NoError(t, err)
	}
	for cut := range len(data) + 1 {
		frames := feed(t, p.Split, data, cut)
		require.Len(t, frames, len(jsonGolden))
		for i, frame := range frames {
			m, err := p.Parse([]byte(frame))
			require.NoError(t, err)
			require.Equal(t, jsonGolden[i].m, m)
		}
	}
}

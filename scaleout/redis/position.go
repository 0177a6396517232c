package redis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-signalr/signalr/scaleout"
)

// An entry of a stream has an id, milliseconds and a number, and holds several
// envelopes, the first with the index 0. A position has the milliseconds in Major,
// and in Minor the number and the index. The last index is that of no envelope: it
// stands for the end of the entry.
const (
	indexBits = 16
	lastIndex = 1<<indexBits - 1
)

// formatPosition returns the id of the entry that a position is in.
func formatPosition(p scaleout.Position) string {
	return strconv.FormatUint(p.Major, 10) + "-" + strconv.FormatUint(p.Minor>>indexBits, 10)
}

// parsePosition returns the position of the end of the entry with an id.
func parsePosition(id string) (scaleout.Position, error) {
	major, minor, ok := strings.Cut(id, "-")
	if ok {
		ms, err := strconv.ParseUint(major, 10, 64)
		if err == nil {
			n, err := strconv.ParseUint(minor, 10, 64-indexBits)
			if err == nil {
				return scaleout.Position{Major: ms, Minor: n<<indexBits | lastIndex}, nil
			}
		}
	}
	return scaleout.Position{}, fmt.Errorf("redis: %q is not the id of an entry", id)
}

// endOfEntry returns the position of the end of the entry that p is in.
func endOfEntry(p scaleout.Position) scaleout.Position {
	p.Minor |= lastIndex
	return p
}

// inEntry returns the position of the envelope with an index in the entry that ends
// at a position.
func inEntry(end scaleout.Position, index int) scaleout.Position {
	end.Minor = end.Minor&^lastIndex | uint64(index)
	return end
}

// before returns the id that is a time before p, or after it if d is negative, by the
// clock of Redis, which has made p; no clock of ours matters.
func before(p scaleout.Position, d time.Duration) string { return beforeTime(p.Major, d) }

// beforeTime is before for a time, in milliseconds.
func beforeTime(at uint64, d time.Duration) string {
	ms := d.Milliseconds()
	if ms < 0 {
		return strconv.FormatUint(at+uint64(-ms), 10)
	}
	return strconv.FormatUint(at-min(at, uint64(ms)), 10)
}

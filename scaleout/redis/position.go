package redis

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-signalr/signalr/scaleout"
)

// The id of an entry in a stream is its position: milliseconds and a number.

func formatPosition(p scaleout.Position) string {
	return strconv.FormatUint(p.Major, 10) + "-" + strconv.FormatUint(p.Minor, 10)
}

func parsePosition(id string) (scaleout.Position, error) {
	major, minor, ok := strings.Cut(id, "-")
	if ok {
		ms, err := strconv.ParseUint(major, 10, 64)
		if err == nil {
			n, err := strconv.ParseUint(minor, 10, 64)
			if err == nil {
				return scaleout.Position{Major: ms, Minor: n}, nil
			}
		}
	}
	return scaleout.Position{}, fmt.Errorf("redis: %q is not the id of an entry", id)
}

// before returns the id that is a time before p by the clock of Redis, which
// has made p; no clock of ours matters.
func before(p scaleout.Position, d time.Duration) string {
	ms := uint64(max(d.Milliseconds(), 0))
	return strconv.FormatUint(p.Major-min(p.Major, ms), 10)
}

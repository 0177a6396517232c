package redis

import (
	"strconv"
	"strings"

	"github.com/go-signalr/signalr/scaleout"
)

// A node's heartbeats say how far the numbers of its envelopes go in each shared stream, as
// far as Redis has confirmed them. So others notice what Redis has lost of them, also if
// the node publishes nothing more.

// promised are the last numbers of nodes in each shared stream.
type promised map[scaleout.NodeID][]uint64

// heartbeat returns what a node shows of itself.
func (n *node) heartbeat(beat uint64) string {
	text := strconv.FormatUint(beat, 10)
	for _, s := range n.streams[:n.Streams()] {
		text += " " + strconv.FormatUint(s.confirmed.Load(), 10)
	}
	return text
}

// parseHeartbeats returns what other nodes promise.
func (n *node) parseHeartbeats(nodes map[string]string) promised {
	all := make(promised, len(nodes))
	for field, heartbeat := range nodes {
		id, ok := parseID(field)
		parts := strings.Fields(heartbeat)
		if !ok || id == n.id || len(parts) != 1+n.Streams() {
			continue
		}
		for _, part := range parts[1:] {
			last, _ := strconv.ParseUint(part, 10, 64) // 0 promises nothing
			all[id] = append(all[id], last)
		}
	}
	return all
}

// keep reports what is missing of what nodes had promised before the last read, which has
// got all that there was. A replica may not have it yet.
func (f *follower) keep(all promised) {
	if f.node.bus.reads != f.node.bus.client {
		return
	}
	for id, numbers := range all {
		for _, s := range f.streams {
			if s.index < 0 {
				continue
			}
			p := s.publishers[id]
			if number := numbers[s.index]; p != nil && number > p.last && plausible(p.last, number) {
				f.missing(s, id, number-p.last)
				p.last = number
			}
		}
	}
}

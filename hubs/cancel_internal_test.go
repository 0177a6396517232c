package hubs

import (
	"strconv"
	"testing"
)

// A cancellation cost as much as the client had calls.
func BenchmarkCancel(b *testing.B) {
	for _, calls := range []int{1, 4000} {
		b.Run(strconv.Itoa(calls), func(b *testing.B) {
			s := &session{
				outside: make(map[*call]struct{}),
				streams: make(map[string]*call),
			}
			for i := range calls {
				for _, kind := range []string{"stream", "upload", "asking"} {
					c := &call{id: kind + strconv.Itoa(i)}
					switch kind {
					case "stream":
						s.outside[c], s.streams[c.id] = struct{}{}, c
					case "upload":
						s.outside[c] = struct{}{}
						s.note(c)
					case "asking":
						s.asking++
						s.note(c)
					}
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				s.cancelCall("none")
			}
		})
	}
}

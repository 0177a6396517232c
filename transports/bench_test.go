package transports_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkSend brings messages from the outbox to a socket that is read.
func BenchmarkSend(b *testing.B) {
	for name, size := range map[string]int{"32B": 32, "1KiB": 1 << 10, "16KiB": 16 << 10} {
		b.Run(name, func(b *testing.B) {
			a := newApp(b)
			s := serve(b, a)
			c := s.dial("")
			p := a.next()
			go func() { _, _ = io.Copy(io.Discard, c.NetConn()) }()
			message := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, p.Write(context.Background(), message))
			}
		})
	}
}

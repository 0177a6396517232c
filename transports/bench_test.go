package transports_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
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

// BenchmarkPingFlood takes pings that come faster than they are answered; the client's
// part of the work is small.
func BenchmarkPingFlood(b *testing.B) {
	s := serve(b, echo)
	conn := s.dial("").NetConn()
	last := make(chan struct{})
	go func() {
		var tail []byte
		buffer := make([]byte, 64<<10)
		for !bytes.HasSuffix(tail, []byte("last")) {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			tail = append(tail[:0], buffer[:n]...)
		}
		close(last)
	}()
	flood := bytes.Repeat(clientFrame(0x80|9, ""), 10_000)
	b.SetBytes(int64(len(flood)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := conn.Write(flood)
		require.NoError(b, err)
	}
	_, err := conn.Write(clientFrame(0x80|9, "last"))
	require.NoError(b, err)
	await.Done(b, last, "the last pong")
}

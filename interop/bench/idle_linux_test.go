// Package bench measures the hub as a process of its own, from outside.
package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

// BenchmarkIdle10000 holds 10,000 WebSockets that have shaken hands and say
// nothing, and reports what each costs the server's process: resident memory and
// goroutines. One iteration is enough:
//
//	go test -run - -bench Idle -benchtime 1x ./interop/bench
func BenchmarkIdle10000(b *testing.B) {
	const connections = 10_000
	raiseFileLimit(b, connections+100)
	for b.Loop() {
		addr, admin, pid := startServer(b)
		before := readStats(b, admin, pid)
		conns := make([]net.Conn, connections)
		for i := range conns {
			conns[i] = shakeHands(b, addr)
		}
		after := readStats(b, admin, pid)
		b.ReportMetric(float64(after.rss-before.rss)/connections/1024, "KiB/conn")
		b.ReportMetric((after.Goroutines-before.Goroutines)/connections, "goroutines/conn")
		for _, c := range conns {
			require.NoError(b, c.Close())
		}
	}
}

func raiseFileLimit(b *testing.B, need uint64) {
	var limit syscall.Rlimit
	require.NoError(b, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Max < need {
		b.Skipf("the limit on open files is %d, %d are needed", limit.Max, need)
	}
	limit.Cur = limit.Max
	require.NoError(b, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
}

// startServer builds and starts the bench server, to be stopped at the end.
func startServer(b *testing.B) (addr, admin string, pid int) {
	binary := filepath.Join(b.TempDir(), "server")
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute) // longer than await.Timeout: nothing may be built yet
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./server").CombinedOutput()
	require.NoError(b, err, "%s", out)
	addr, admin = freeAddress(b), freeAddress(b)
	cmd := exec.Command(binary, "-addr", addr, "-admin", admin)
	stderr, err := cmd.StderrPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { end(b, cmd, syscall.SIGTERM) })
	line := await.Go(b, func() (string, error) { return bufio.NewReader(stderr).ReadString('\n') }, "the server's first line")()
	require.Contains(b, line, "listening")
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	return addr, admin, cmd.Process.Pid
}

func freeAddress(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

type stats struct {
	Goroutines float64 `json:"goroutines"`
	rss        int     // bytes
}

// readStats reads the process's counters after a garbage collection.
func readStats(b *testing.B, admin string, pid int) (s stats) {
	client := http.Client{Timeout: await.Timeout}
	var response *http.Response
	await.Equal(b, nil, func() (err error) {
		response, err = client.Get("http://" + admin + "/debug/bench?gc=1")
		return err
	}, "the error of a request for the counters")
	defer func() { _ = response.Body.Close() }()
	require.NoError(b, json.NewDecoder(response.Body).Decode(&s))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skipf("the memory of a process cannot be read here: %v", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(b, err)
	s.rss = kib << 10
	return s
}

// shakeHands opens a WebSocket without negotiation and exchanges the hub
// handshake, with as little memory here as can be.
func shakeHands(b *testing.B, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	require.NoError(b, err)
	require.NoError(b, c.SetDeadline(time.Now().Add(await.Timeout)))
	_, err = io.WriteString(c, "GET /hub HTTP/1.1\r\nHost: "+addr+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	require.NoError(b, err)
	handshake := "{\"protocol\":\"json\",\"version\":1}\x1e"
	frame := append([]byte{0x81, 0x80 | byte(len(handshake)), 0, 0, 0, 0}, handshake...) // masked with zeros
	var got []byte
	buffer := make([]byte, 512)
	sent := false
	for !strings.HasSuffix(string(got), "{}\x1e") {
		n, err := c.Read(buffer)
		require.NoError(b, err, "after %q", got)
		got = append(got, buffer[:n]...)
		if !sent && strings.Contains(string(got), "\r\n\r\n") {
			require.True(b, strings.HasPrefix(string(got), "HTTP/1.1 101 "), "%s", got)
			_, err = c.Write(frame)
			require.NoError(b, err)
			sent = true
		}
	}
	require.NoError(b, c.SetDeadline(time.Time{}))
	return c
}

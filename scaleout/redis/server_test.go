package redis_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(silence{})
	goleak.VerifyTestMain(m)
}

// silence keeps the client from writing about every connection that the tests
// break.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// patience is how long a test waits for what another process must do.
const patience = 30 * time.Second

// eventually waits until a condition holds of what another process does.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// server is a redis-server of a test.
type server struct {
	t    testing.TB
	port int
	dir  string
	args []string

	mu      sync.Mutex
	process *exec.Cmd
	output  *bytes.Buffer
}

// startServer starts a redis-server in a new directory, on a free port of the
// loopback interface; it is killed at the end of the test.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	s := &server{t: t, port: freePort(t), dir: t.TempDir(), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// durable makes a redis-server confirm only what is on the disk.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

func freePort(t testing.TB) int {
	t.Helper()
	// The port of a Cluster's own bus is 10000 above.
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		require.NoError(t, l.Close())
		if port < 55535 {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// start starts the server, with the data that is in its directory.
func (s *server) start() {
	s.t.Helper()
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--daemonize", "no",
	}, s.args...)
	s.launch("redis-server", args...)
}

func (s *server) launch(name string, args ...string) {
	s.t.Helper()
	s.mu.Lock()
	s.output = &bytes.Buffer{}
	s.process = exec.Command(name, args...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	require.NoError(s.t, s.process.Start())
	s.mu.Unlock()
	client := goredis.NewClient(&goredis.Options{Addr: s.addr(), MaxRetries: -1})
	defer client.Close()
	eventually(s.t, fmt.Sprintf("%s %v", name, args), func() bool {
		return client.Ping(s.t.Context()).Err() == nil
	})
}

// kill ends the server without warning.
func (s *server) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// wipe removes the data of the server, which is not running.
func (s *server) wipe() {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.dir, "*"))
	require.NoError(s.t, err)
	for _, name := range found {
		require.NoError(s.t, os.RemoveAll(name))
	}
}

// pause stops the process, which keeps its connections and its port.
func (s *server) pause() { s.signal(syscall.SIGSTOP) }

func (s *server) resume() { s.signal(syscall.SIGCONT) }

func (s *server) signal(signal syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NoError(s.t, s.process.Process.Signal(signal))
}

// client returns a client of the server, closed at the end of the test.
func (s *server) client() *goredis.Client { return newClient(s.t, s.addr()) }

func newClient(t testing.TB, addr string) *goredis.Client {
	client := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func write(t testing.TB, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

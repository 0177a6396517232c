package redis_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-signalr/signalr/interop/await"
)

func TestMain(m *testing.M) {
	goredis.SetLogger(silence{})
	waitTogether()
	goleak.VerifyTestMain(m)
}

// waitTogether lets more tests run at a time than there are processors, unless a
// flag says how many: nearly all of their time passes with waiting for servers and
// timeouts.
func waitTogether() {
	const most = 12
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(most))
	}
}

// silence keeps the client from writing about every connection that the tests
// break.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// within returns a context that ends with the test or when a wait would time out.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), await.Timeout)
	t.Cleanup(cancel)
	return ctx
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

// program is the server that the tests start: redis-server, or what the environment says.
var program = cmp.Or(os.Getenv("REDIS_SERVER"), "redis-server")

// startServer starts a redis-server in a new directory, on a free port of the
// loopback interface; it is killed at the end of the test.
func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skip(program, "is not installed")
	}
	s := &server{t: t, port: freePort(t), dir: t.TempDir(), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// durable makes a redis-server confirm only what is on the disk.
var durable = []string{"--appendonly", "yes", "--appendfsync", "always"}

// Servers have ports below those that the system gives to connections: else one of
// another test could take the port of a server that is down for a while. The port
// of a Cluster's own bus is clusterBus above.
const (
	firstPort  = 10_000
	clusterBus = 10_000
)

// ports counts those that were tried, beginning anywhere, so that no two tests get
// the same one.
var ports = func() *atomic.Uint32 {
	n := new(atomic.Uint32)
	n.Store(rand.Uint32N(clusterBus))
	return n
}()

func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := firstPort + int(ports.Add(1)%clusterBus)
		if isFree(port) && isFree(port+clusterBus) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	return err == nil && l.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func (s *server) addr() string { return loopback(s.port) }

// start starts the server, with the data that is in its directory.
func (s *server) start() {
	s.t.Helper()
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--daemonize", "no",
	}, s.args...)
	s.launch(program, args...)
}

func (s *server) launch(name string, args ...string) {
	s.t.Helper()
	s.mu.Lock()
	s.output = &bytes.Buffer{}
	s.process = exec.Command(name, args...)
	s.process.WaitDelay = await.Timeout
	s.process.Stdout, s.process.Stderr = s.output, s.output
	require.NoError(s.t, s.process.Start())
	pid := fmt.Sprintf("process_id:%d\r\n", s.process.Process.Pid)
	s.mu.Unlock()
	client := goredis.NewClient(&goredis.Options{Addr: s.addr(), MaxRetries: -1})
	defer client.Close()
	await.Until(s.t, func() bool {
		if client.Ping(s.t.Context()).Err() != nil {
			return false
		}
		info, err := client.Info(s.t.Context(), "server").Result()
		return err == nil && strings.Contains(info, pid) // and no other server
	}, "%s %v responds", name, args)
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

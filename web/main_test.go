package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-signalr/signalr/interop/await"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}"), 0o644))
	install(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	stdout, writer := io.Pipe()
	t.Cleanup(func() { _ = stdout.Close() })
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-addr", "127.0.0.1:0", "-dir", dir}, writer, io.Discard)
		_ = writer.CloseWithError(err)
		ended <- err
	}()

	line := await.Go(t, func() (string, error) { return bufio.NewReader(stdout).ReadString('\n') }, "the line with the address")()
	require.Regexp(t, `^listening on http://127\.0\.0\.1:[1-9]\d*\n$`, line)
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))

	client := http.Client{Timeout: await.Timeout}
	answer, err := client.Post(url+"/chat/negotiate?negotiateVersion=1", "", nil)
	require.NoError(t, err)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Contains(t, string(body), `"connectionToken"`)

	for _, path := range []string{"/chat/negotiate?negotiateVersion=1", "/signalr/negotiate?clientProtocol=2.1"} {
		request, err := http.NewRequest(http.MethodPost, url+path, nil)
		require.NoError(t, err)
		request.Host = "evil.example:" + request.URL.Port() // whose name leads to this machine
		request.Header.Set("Origin", "http://"+request.Host)
		answer, err = client.Do(request)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusMisdirectedRequest, answer.StatusCode, path)
	}

	stop()
	require.NoError(t, await.Receive(t, ended, "the end of the stopped server"))
	_, err = net.DialTimeout("tcp", strings.TrimPrefix(url, "http://"), time.Second)
	require.Error(t, err)
	client.CloseIdleConnections()
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}"), 0o644))
	install(t, dir)
	var stderr bytes.Buffer
	ctx := bounded(t)
	require.ErrorIs(t, run(ctx, []string{"-h"}, io.Discard, &stderr), flag.ErrHelp)
	require.Contains(t, stderr.String(), "-addr")
	require.Error(t, run(ctx, []string{"-unknown"}, io.Discard, io.Discard))
	require.ErrorContains(t, run(ctx, []string{"-dir", t.TempDir()}, io.Discard, io.Discard), "package.json")

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	require.ErrorContains(t, run(ctx, []string{"-dir", dir, "-addr", taken.Addr().String()}, io.Discard, io.Discard), "listen")
}

// bounded returns the context of work that ends in time.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), await.Timeout)
	t.Cleanup(cancel)
	return ctx
}

func TestAddress(t *testing.T) {
	t.Parallel()
	listening := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8081}
	for asked, want := range map[string]string{
		":8080":          "http://localhost:8081",
		"[::]:8080":      "http://localhost:8081",
		"0.0.0.0:0":      "http://localhost:8081",
		"localhost:0":    "http://localhost:8081",
		"127.0.0.1:8081": "http://127.0.0.1:8081",
		"[::1]:8081":     "http://[::1]:8081",
	} {
		require.Equal(t, want, address(asked, listening), asked)
	}
}

func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string][]string{
		"localhost:8080":       {"localhost", "127.0.0.1", "[::1]", "localhost"},
		"chat.example:8080":    {"localhost", "127.0.0.1", "[::1]", "chat.example"},
		"[fe80::1]:8080":       {"localhost", "127.0.0.1", "[::1]", "[fe80::1]"},
		":8080":                nil,
		"0.0.0.0:8080":         nil,
		"[::]:8080":            nil,
		"not an address, then": nil,
	} {
		require.Equal(t, want, allowedHosts(asked), asked)
	}
}

func TestDefaultAddressIsOnLoopback(t *testing.T) {
	t.Parallel()
	addr, err := net.ResolveTCPAddr("tcp", defaultAddr)
	require.NoError(t, err)
	require.True(t, addr.IP.IsLoopback(), addr)
}

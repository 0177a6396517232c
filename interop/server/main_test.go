package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
)

func TestRunServesBothAddressesUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	output, stdout := io.Pipe()
	t.Cleanup(func() { _ = output.Close() })
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, nil, stdout, io.Discard)
		_ = stdout.Close()
	}()

	lines := bufio.NewScanner(output)
	scan := func(what string) bool {
		t.Helper()
		return await.Go(t, func() (bool, error) { return lines.Scan(), lines.Err() }, "%s", what)()
	}
	require.True(t, scan("the line with the addresses"))
	addresses, found := strings.CutPrefix(lines.Text(), "SERVER_URL=")
	require.True(t, found, lines.Text())
	secure, plain, found := strings.Cut(addresses, ";")
	require.True(t, found, addresses)

	client := http.Client{Timeout: await.Timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		ForceAttemptHTTP2: true,                                  // which browsers do, and which both listeners together can spoil
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // its certificate is of its own making
	}}
	for _, test := range []struct {
		scheme, address string
		version         int
	}{
		{"https://", secure, 2},
		{"http://", plain, 1},
	} {
		require.True(t, strings.HasPrefix(test.address, test.scheme), test.address)
		answer, err := client.Get(test.address + "/Deployment")
		require.NoError(t, err)
		require.Equal(t, test.version, answer.ProtoMajor, test.scheme)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.Contains(t, string(body), `"GoVersion"`)
	}

	stop()
	require.NoError(t, await.Receive(t, ended, "the end of the stopped server"))
	require.False(t, scan("the end of standard output"), "more than one line on standard output")
}

func TestRunReportsWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"unknown flag": {"-no-such-flag"},
		"bad address":  {"-http", "127.0.0.1:none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), await.Timeout)
			defer cancel()
			require.Error(t, run(ctx, args, io.Discard, io.Discard))
		})
	}
}

func shutdown(t *testing.T, tests *testServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	require.NoError(t, tests.shutdown(ctx), "shutdown of the test server")
}

package transports_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// nginxConfig makes nginx proxy to a backend below two prefixes: as its
// documentation tells for WebSockets, and as simple as can be. Responses are
// buffered, which is the default.
const nginxConfig = `
daemon off;
master_process off;
pid %[1]s/pid;
error_log %[1]s/error.log;
events { worker_connections 256; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	map $http_upgrade $connection_upgrade {
		default upgrade;
		'' '';
	}
	server {
		listen unix:%[1]s/socket;
		location /app/ {
			proxy_pass http://%[2]s/;
			proxy_http_version 1.1;
			proxy_set_header Host $host;
			proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection $connection_upgrade;
		}
		location /plain/ { proxy_pass http://%[2]s/; }
	}
}
`

// startNginx starts nginx in front of a backend and returns its site.
func startNginx(t *testing.T, backend string) *site {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not on PATH: nothing is tested behind it")
	}
	dir, err := os.MkdirTemp("", "nginx") // short: it holds a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "nginx.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, backend), 0o600))
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", config)
	require.NoError(t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		stop()
		await.Done(t, exited, "nginx to exit")
		if text, err := os.ReadFile(filepath.Join(dir, "error.log")); err == nil && t.Failed() {
			t.Logf("nginx says:\n%s", text)
		}
	})
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "socket"))
		},
	}
	s := newSite(t, "http://nginx.example/app/chat", transport)
	await.Until(t, func() bool {
		conn, err := transport.DialContext(ctx, "", "")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, "nginx accepts connections")
	return s
}

func TestBehindNginx(t *testing.T) {
	t.Parallel()
	e := endpoint(t, echo)
	t.Cleanup(func() { verifyGone(t, e, nil) })
	backend := httptest.NewServer(e)
	t.Cleanup(backend.Close)
	front := startNginx(t, backend.Listener.Addr().String())
	for _, tt := range []struct {
		path  string
		kinds []transports.Kind
	}{
		{"/app/chat", allKinds},
		{"/plain/chat", []transports.Kind{transports.ServerSentEvents, transports.LongPolling}}, // speaks HTTP/1.0
	} {
		for _, kind := range tt.kinds {
			t.Run(tt.path+" "+kind.String(), func(t *testing.T) {
				s := front.at(tt.path)
				s.t = t
				requireEcho(s, kind)
			})
		}
	}
	t.Run("abandoned", func(t *testing.T) {
		s := front.at("/app/chat")
		s.t = t
		st := s.events(s.negotiate())
		c := s.dial("")
		before := e.Stats().Ended["connection_lost"]
		st.drop()
		c.drop()
		await.Equal(t, before+2, func() uint64 { return e.Stats().Ended["connection_lost"] }, "the number of lost connections")
	})
}

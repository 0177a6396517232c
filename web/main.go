// Command web serves a chat at http://localhost:8080, as a demonstration of the
// library. From the repository's root:
//
//	go run ./web
//
// The page has rooms. Clients that call only Send and listen to messageReceived
// can take part at /chat.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-signalr/signalr/hubs"
)

const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 10 * time.Second // longer than a client may take to answer a close
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("web", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", ":8080", "`address` to listen on; port 0 is any free port")
	dir := flags.String("dir", "", "`folder` with package.json and node_modules (default ./web or .)")
	if err := flags.Parse(args); err != nil {
		return err
	}

	folder, err := findFolder(*dir)
	if err != nil {
		return err
	}
	client, err := clientFiles(ctx, folder, stdout)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	rooms := newRooms(defaultLimits(), "lobby", "help", "random")
	hub, err := hubs.New(&ChatHub{rooms: rooms, logger: logger}, hubs.WithLogger(logger))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "listening on", address(listener.Addr()))
	return serve(ctx, listener, hub, newHandler(hub, client), logger)
}

// serve serves until ctx is done. Then it tells the hub's clients to come back
// later and waits for what is going on, but not for long.
func serve(ctx context.Context, listener net.Listener, hub *hubs.Hub, handler http.Handler, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	logger.Info("shutting down")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	return errors.Join(hub.Shutdown(ctx), server.Shutdown(ctx))
}

// address returns the URL by which a browser on this machine reaches a listener.
func address(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

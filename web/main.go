// Command web serves a chat at http://localhost:8080, as a demonstration of the
// library. From the repository's root:
//
//	go run ./web
//
// The page has rooms. Clients that call only Send and listen to messageReceived
// can take part at /chat. Clients of ASP.NET SignalR 2.x take part at /signalr, as
// the page /classic.html does.
//
// It bounds what one visitor, which is everybody with one address, can take up: with a
// reverse proxy before it, give -behind-proxy. Without that, and unless it listens on all
// interfaces, requests must be addressed to this machine or to the host of -addr.
//
// Several processes are one chat if they have the same Redis, as farm.sh shows:
//
//	go run ./web -addr :9090 -redis localhost:6379
//	go run ./web -addr :9091 -redis localhost:6379
package main

import (
	"cmp"
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
	"strings"
	"sync"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/scaleout/redis"
	"github.com/go-signalr/signalr/transports"
)

// defaultAddr is on the loopback interface: a demonstration should not be open to
// the network unless somebody says so.
const defaultAddr = "localhost:8080"

const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second // transports are not bound by it
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 10 * time.Second // longer than a client may take to answer a close

	// outage is how long somebody whose network has failed is still in their
	// rooms. The page comes back as the same connection at once or not at all:
	// then it joins again, and should not be seen twice for long.
	outage = 5 * time.Second
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
	addr := flags.String("addr", defaultAddr, "`address` to listen on; without a host, all interfaces; port 0 is any free port")
	dir := flags.String("dir", "", "`folder` with package.json and node_modules (default ./web or .)")
	redisAddr := flags.String("redis", "", "`address` of the Redis by which several processes are one chat (default none)")
	proxy := flags.Bool("behind-proxy", false, "take the addresses of visitors from the last X-Forwarded-For, which a reverse proxy has set")
	name := flags.String("name", "", "`name` that the page shows for this process, with -redis (default the port)")
	if err := flags.Parse(args); err != nil {
		return err
	}

	folder, err := findFolder(*dir)
	if err != nil {
		return err
	}
	modules, err := clientFiles(ctx, folder, stdout)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	chat := &ChatHub{logger: logger, visitors: newVisitors(*proxy)}
	opts := []hubs.Option{
		hubs.WithLogger(logger),
		hubs.WithFilters(chat.visitors.filter()),
		hubs.WithStatefulReconnect(),
		hubs.WithEndpoint(transports.WithDisconnectTimeout(outage)),
	}
	if hosts := allowedHosts(*addr); hosts != nil && !*proxy {
		opts = append(opts, hubs.WithEndpoint(transports.WithAllowedHosts(hosts...)))
	}
	var classicOpts []classic.Option
	var kept store = &memory{}
	if *redisAddr != "" {
		client := goredis.NewClient(&goredis.Options{Addr: *redisAddr})
		defer client.Close()
		kept = newRedisStore(client, logger)
		bus, err := redis.New(client, redis.WithPrefix(redisPrefix), redis.WithLogger(logger))
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		opts = append(opts, hubs.WithBus(bus))
		chat.node = cmp.Or(*name, port(listener.Addr()))
		key, err := sharedKey(ctx, client)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		classicOpts = append(classicOpts, classic.WithKey(key))
	}
	chat.rooms = newRooms(defaultLimits(), kept, "lobby", "help", "random")
	hub, err := hubs.New(chat, opts...)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	old, err := classic.New(hub, classicOpts...)
	if err != nil {
		return errors.Join(err, hub.Shutdown(ctx), listener.Close())
	}

	ctx, cancel := context.WithCancel(ctx)
	var tidying sync.WaitGroup
	defer tidying.Wait()
	defer cancel()
	tidying.Go(func() { (&tidier{chat: chat, hub: hub, logger: logger}).run(ctx) })
	fmt.Fprintln(stdout, "listening on", address(*addr, listener.Addr()))
	return serve(ctx, listener, newHandler(hub, old, modules), logger, old, hub)
}

// serve serves until ctx is done. Then it shuts the parts down, one after the
// other, which tells their clients to come back later, and waits for what is
// going on, but not for long.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, logger *slog.Logger, parts ...shutdowner) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
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
	server.SetKeepAlivesEnabled(false) // the next requests are to reach another process
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	var errs []error
	for _, part := range append(parts, server) {
		errs = append(errs, part.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

type shutdowner interface{ Shutdown(context.Context) error }

// allowedHosts returns the hosts by which pages may address a demonstration that is not
// open to the network: any page could take part in the chat otherwise, by a name of its
// own that leads to this machine. It is nil for one that listens on all interfaces.
func allowedHosts(asked string) []string {
	host, _, err := net.SplitHostPort(asked)
	if ip := net.ParseIP(host); err != nil || host == "" || ip.IsUnspecified() {
		return nil
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return []string{"localhost", "127.0.0.1", "[::1]", host}
}

// address returns the URL by which a browser on this machine reaches a listener that
// was asked for at an address.
func address(asked string, listening net.Addr) string {
	host, _, err := net.SplitHostPort(asked)
	if ip := net.ParseIP(host); err != nil || host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port(listening))
}

// port returns the port of a listener.
func port(addr net.Addr) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return port
}

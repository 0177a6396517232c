// Command server is the server that the official clients' functional tests talk to. It keeps the functional-test
// contract, whose sections the comments name as "contract 5.1", and that of the classic clients, ASP.NET SignalR 2.x
// ("classic contract 4"), and offers hubs of the project's own beside them.
//
// It listens on one HTTP and one HTTPS address, prints the single line
//
//	SERVER_URL={https-url};{http-url}
//
// when both are ready, logs to standard error, and stops cleanly on SIGTERM and SIGINT: hubs first, so that clients
// are told to reconnect, listeners after.
package main

import (
	"context"
	"crypto/tls"
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

	"github.com/go-signalr/signalr/scaleout/redis"
)

// shutdownTimeout bounds the clean stop: the hubs' and the listeners' share of it together. net/http alone waits 5 s for
// connections that a browser has opened for a request to come.
const shutdownTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends or a listener fails.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	level := new(slog.LevelVar)
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	flags := flag.NewFlagSet("server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	httpAddress := flags.String("http", "127.0.0.1:0", "`address` of the HTTP listener")
	httpsAddress := flags.String("https", "127.0.0.1:0", "`address` of the HTTPS listener")
	static := flags.String("static", "", "`folder` with the files of the browser run; empty serves none")
	redisAddress := flags.String("redis", "", "`address` of the Redis that joins this server with others; empty joins none")
	redisPrefix := flags.String("redis-prefix", redis.DefaultPrefix, "`name` of the application in that Redis")
	contested := flags.Bool("classic", false, "give the paths that both contracts claim to the classic one")
	flags.TextVar(level, "log", level, "`level` of the log: DEBUG, INFO, WARN or ERROR")
	key := flags.String("key", "", "`text` that the servers of a farm sign the tokens of classic clients with; empty signs with a random one")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}

	certificate, err := selfSigned(time.Now())
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", *httpAddress)
	if err != nil {
		return err
	}
	defer plain.Close()
	secure, err := net.Listen("tcp", *httpsAddress)
	if err != nil {
		return err
	}
	defer secure.Close()
	tests, err := newTestServer(log, *static, "http://"+plain.Addr().String())
	if err != nil {
		return err
	}

	farm, err := tests.addFarm(*redisAddress, *redisPrefix)
	if err != nil {
		return err
	}
	if err := tests.addClassic(farm, []byte(*key), *contested); err != nil {
		return err
	}

	server := &http.Server{
		Handler: tests.handler,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			// A server that serves plain HTTP first sets HTTP/2 up only if it is named, and offers it over TLS all the
			// same.
			NextProtos: []string{"h2", "http/1.1"},
		},
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(plain) }()
	go func() { failed <- server.ServeTLS(secure, "", "") }()
	if _, err := fmt.Fprintf(stdout, "SERVER_URL=https://%s;http://%s\n", secure.Addr(), plain.Addr()); err != nil {
		return err
	}

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return errors.Join(tests.shutdown(deadline), server.Shutdown(deadline))
}

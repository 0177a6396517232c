// Command server is the hub that load generators measure: /hub with Echo,
// Broadcast, JoinGroup, SendGroup and Counter, which push to the client method
// Recv, and counters of the process at /debug/bench of the admin address, beside
// net/http/pprof.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"iter"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/protocol"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:0", "address of the hub")
	admin := flag.String("admin", "", "address of the counters and of pprof; none by default")
	flag.Parse()
	if err := run(*addr, *admin); err != nil {
		slog.Error("the server failed", "error", err)
		os.Exit(1)
	}
}

var recv = hubs.NewEvent1[string]("Recv")

// newHub registers the methods as typed functions, as one does where speed
// matters.
func newHub() (*hubs.Hub, error) {
	return hubs.New(nil,
		hubs.WithName("bench"),
		hubs.WithLogger(slog.New(slog.DiscardHandler)),
		hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
		hubs.WithClientTimeout(time.Hour), // the clients do not ping
		hubs.Handle1("Echo", func(_ *hubs.Context, s string) (string, error) { return s, nil }),
		hubs.HandleVoid1("Broadcast", func(c *hubs.Context, s string) error { return recv.Send(c, c.Clients().All(), s) }),
		hubs.HandleVoid1("JoinGroup", func(c *hubs.Context, group string) error {
			return c.Groups().Add(c, c.ConnectionID(), group)
		}),
		hubs.HandleVoid2("SendGroup", func(c *hubs.Context, group, s string) error {
			return recv.Send(c, c.Clients().Group(group), s)
		}),
		hubs.HandleStream1("Counter", func(_ *hubs.Context, n int) (iter.Seq2[int, error], error) {
			return func(yield func(int, error) bool) {
				for i := range n {
					if !yield(i, nil) {
						return
					}
				}
			}, nil
		}))
}

func run(addr, admin string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hub, err := newHub()
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/hub", hub)
	mux.Handle("/hub/", hub)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	if admin != "" {
		http.HandleFunc("/debug/bench", counters)
		go func() { slog.Error("the admin address failed", "error", http.ListenAndServe(admin, nil)) }()
	}
	go func() {
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = hub.Shutdown(deadline)
		_ = server.Shutdown(deadline)
	}()
	slog.Info("listening", "url", "http://"+listener.Addr().String()+"/hub")
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// counters answers with what the runtime knows of the process; with ?gc=1 after
// a collection.
func counters(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("gc") {
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]uint64{
		"goroutines":  uint64(runtime.NumGoroutine()),
		"mallocs":     m.Mallocs,
		"alloc_bytes": m.TotalAlloc,
		"heap_alloc":  m.HeapAlloc,
		"stack_inuse": m.StackInuse,
		"gc":          uint64(m.NumGC),
	})
}

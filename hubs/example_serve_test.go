package hubs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// tenantKey is the key of a value in the contexts of requests.
type tenantKey struct{}

// A hub below a path prefix, beneath middleware whose values its methods see. With
// chi, r.Mount("/chat", hub) serves both paths.
func Example_middleware() {
	hub, err := hubs.New(nil, hubs.Handle0("Tenant", func(c *hubs.Context) (string, error) {
		tenant, _ := c.Value(tenantKey{}).(string)
		return tenant, nil
	}))
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/chat", hub)
	mux.Handle("/api/chat/", hub)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), tenantKey{}, r.URL.Query().Get("tenant"))
		mux.ServeHTTP(w, r.WithContext(ctx))
	})

	t := new(hubtest.Example)
	defer t.End()
	client := hubtest.NewServer(t, handler).Connect(hubtest.WithURL("/api/chat?tenant=acme"))
	fmt.Println(hubtest.Invoke[string](client, "Tenant"))
	// Output: acme <nil>
}

// The hub first tells its clients to reconnect, perhaps to another server, and lets
// running calls return; then the server stops.
func ExampleHub_Shutdown() {
	hub, err := hubs.New(nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/chat", hub)
	mux.Handle("/chat/", hub)
	server := &http.Server{Addr: "127.0.0.1:0", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()

	// In a program the signal is waited for here, with signal.NotifyContext.

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	server.SetKeepAlivesEnabled(false) // the next requests are to reach another process
	fmt.Println(errors.Join(hub.Shutdown(ctx), server.Shutdown(ctx)))
	fmt.Println(<-failed)
	// Output:
	// <nil>
	// http: Server closed
}

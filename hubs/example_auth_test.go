package hubs_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/transports"
)

// claims are what a token says, once its signature has been checked.
type claims struct {
	user    string
	admin   bool
	expires time.Time
}

// verify takes the place of a library for JSON web tokens.
func verify(token string) (claims, error) {
	if token != "token-of-ada" {
		return claims{}, transports.ErrUnauthenticated
	}
	return claims{user: "ada", expires: time.Now().Add(time.Hour)}, nil
}

// Clients send their token in a header or, from browsers' WebSockets, in the query:
// BearerToken knows where. Every request is checked; a connection ends when its
// token expires.
func ExampleWithAuthorization() {
	of := func(r *http.Request) (claims, error) { return verify(hubs.BearerToken(r)) }
	hub, err := hubs.New(nil,
		hubs.WithAuthorization(func(r *http.Request) error { _, err := of(r); return err }),
		hubs.WithUserID(func(r *http.Request) string { c, _ := of(r); return c.user }),
		hubs.WithExpiration(func(r *http.Request) time.Time { c, _ := of(r); return c.expires }),
		hubs.WithMethodAuthorization(func(c *hubs.Context) error {
			if who, err := of(c.Request()); err != nil || !who.admin {
				return fmt.Errorf("%q is no admin", c.UserID())
			}
			return nil
		}, "Reset"),
		hubs.Handle0("WhoAmI", func(c *hubs.Context) (string, error) { return c.UserID(), nil }),
		hubs.HandleVoid0("Reset", func(*hubs.Context) error { return nil }))
	if err != nil {
		panic(err)
	}

	t := new(hubtest.Example)
	defer t.End()
	server := hubtest.NewServer(t, hub)
	_, err = server.Dial()
	fmt.Println(err)
	ada := server.Connect(hubtest.WithHeader("Authorization", "Bearer token-of-ada"))
	fmt.Println(hubtest.Invoke[string](ada, "WhoAmI"))
	fmt.Println(ada.Invoke("Reset"))
	// Output:
	// hubtest: the server answered 401 Unauthorized
	// ada <nil>
	// Failed to invoke 'Reset' because user is unauthorized
}

package main

import (
	"net/http"

	"github.com/go-signalr/signalr/hubs"
)

// VisitorHub is not part of the contract. It shows whose connection one is, and whose cookie the transport's first request
// had.
type VisitorHub struct{}

// visitorCookie has the name of a visitor.
const visitorCookie = "visitor"

func visitor(r *http.Request) string {
	cookie, err := r.Cookie(visitorCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// visitorHubs are the hubs that pages of other sites attack, by their paths: one that knows its users, and one that does
// not and only looks at the request.
var visitorHubs = map[string][]hubs.Option{
	"/visitorhub":         {hubs.WithUserID(visitor)},
	"/visitorhub-no-user": nil,
}

// Who returns the user and the visitor of the connection.
func (*VisitorHub) Who(c *hubs.Context) string { return c.UserID() + "/" + visitor(c.Request()) }

package main

import "github.com/go-signalr/signalr/hubs"

// UncreatableHub is the hub of contract 5.3. In the reference server its construction fails; here that is the step
// clients see the same answer from.
type UncreatableHub struct{}

// OnConnected refuses every connection.
func (*UncreatableHub) OnConnected(*hubs.Context) error {
	return InvalidOperationException{"Unable to resolve service for type 'System.Object' while attempting to activate " +
		"'FunctionalTests.UncreatableHub'."}
}

// AuthorizedHub is the hub of contract 5.4.
type AuthorizedHub struct{}

// Echo returns its argument.
func (*AuthorizedHub) Echo(_ *hubs.Context, text string) string { return text }

// GetUserNameIdentifier returns the caller's user name.
func (*AuthorizedHub) GetUserNameIdentifier(c *hubs.Context) string { return c.UserID() }

// GetUserClaim returns one claim of the caller's token, empty if it has none of that type.
func (*AuthorizedHub) GetUserClaim(c *hubs.Context, kind string) string {
	identity := claimsOf(c.Request())
	switch kind {
	case "nameid":
		return identity.NameIdentifier
	case "iss":
		return identity.Issuer
	case "aud":
		return identity.Audience
	case "scope":
		return identity.Scope
	}
	return ""
}

// Package classic serves hubs to the clients of ASP.NET SignalR 2.x, such as
// jquery.signalR, beside those of today. The same methods, groups and users are
// there for both, and one Send reaches both:
//
//	chat, err := hubs.New(&Chat{})
//	old, err := classic.New(chat)
//	mux.Handle("/chat", chat)
//	mux.Handle("/chat/", chat)
//	server.Handler = classic.Mount("/signalr", old, mux)
//
// Pages load the generated script from "/signalr/hubs" and call
// $.connection.chat.server.send(…), as they always did. A hub that was given a
// name by [hubs.WithName] has it there as it is; else it is that of its type with
// a small first letter. A variadic method takes the place of overloads.
//
// # What differs from today's clients
//
// A connection does not belong to a process. Its client carries a cursor, what it
// has received of the streams of the hub's bus, and tokens that say who it is and
// which groups it is in; with both, it comes back to any process of the farm that
// has the same [WithKey], and gets what it has missed, in order and once, as far
// as the bus's log reaches back. What a connection keeps in its Items stays behind.
// A client that comes back runs the hub's OnReconnected:
//
//	OnReconnected(c *hubs.Context) error
//
// OnConnected runs when the client says that it has started. Calls do not wait
// for it: clients call hubs that they do not listen to, for which no OnConnected
// runs at all. So it does not guard a hub's methods here. What does are
// [hubs.WithAuthorization], [hubs.WithMethodAuthorization] and filters.
//
// # Coming back
//
// The cursor is signed for the connection and for the groups token that its client has
// got with it or before. Both together are what was true once, and the log tells what has
// happened since: a client that comes back is in the groups of today, however old what it
// brings is, and gets nothing that was sent to a group while it was no member. If they do
// not belong together, or the log does not reach back to the cursor (a minute, by default,
// and 8 MiB in memory), the connection goes on from what the process knows of it. One
// that does not know it sends the client away: it is shown an error and does not
// reconnect, and its application can start a new connection. So do processes with a bus in
// memory after a restart. To a client that the application has not accepted yet this does
// not happen: it begins anew, without groups.
//
// Clients that are connected get another cursor with a keep-alive or, where these are off
// and by long polling, after 15 s, if anything was published meanwhile. So a log that
// keeps a minute reaches back to whoever is away for less than half of that.
//
// What is read in the log for a connection that comes back is limited to 32 MiB, which it
// has again after 16 s. When more was read for it, it is refused with 503 until a part is
// there again. Clients try again by themselves.
//
// The groups token lists the names of all groups of the client: it takes 4/3 of their
// bytes, and 2 for each group. Clients send it in the URL when they reconnect by
// WebSockets or Server-Sent Events. A proxy must accept request lines of that length:
// the 8 KiB that nginx allows by default (large_client_header_buffers) are enough for
// about 150 groups with names of 36 letters, beyond which every reconnect fails with
// 414. The server itself accepts tokens of 256 KiB; [hubs.Groups.Add] fails with
// [hubs.ErrTooManyGroups] instead of making a longer one. The token is needed even
// where the client's last node still knows its groups: the cursor goes with the groups
// that the client was in there, not with those of today.
//
// # The end of a connection
//
// A connection that its client has stopped or that the application has ended stays
// ended: every node refuses its requests, also those that were under way. Each node
// remembers the latest 32,768 of either kind for a day, but not over a restart. A node
// that began later finds an Abort in the log, as long as that reaches back, and a client
// that comes back behind the end of the log is sent away. Such a node knows nothing of
// calls: a client that was ended can have it run methods, if no node that remembers gets
// the request, and it can always start a new connection. Only authorization keeps a user
// out for good ([hubs.WithAuthorization]), and [WithTokenLifetime] limits what a
// connection token is good for.
//
// To stop its connection a client needs the connection token and the connection's user,
// or no user at all: one who has logged out still stops. The original server refuses
// that, and takes the client for lost after the disconnect timeout. A request of another
// user is refused.
//
// OnDisconnected runs with nil when the client has stopped, with [hubs.ErrAborted] when
// the application has ended it, and with [hubs.ErrClientTimeout] when it did not come
// back in time, or [hubs.ErrExpired] if that was when its authentication had expired. A
// connection that breaks, or that the client does not read, is no end by itself, as the
// client may come back. It does not run when the client has gone on to another process,
// nor after Shutdown. A client that every process has lost counts as gone where it was
// last.
//
// Streams and client results do not exist in this protocol: methods with streams
// are not there for these clients.
//
// # Behind a proxy
//
// Every response that waits, JSONP polls included, gets something by the keep-alive:
// by default each 10 s, which proxies that end silent responses after 60 s, as nginx
// does by default, let pass. Without keep-alives polls and streams end after 50 s
// ([DefaultSilentTimeout]) instead of 110 s. Event streams and forever frames begin
// with 4 KiB of padding, for proxies that hold back the first few KiB. All of this is
// more than the original server does.
//
// # Behind middleware
//
// Where an http.ResponseWriter cannot be flushed or hijacked, such as that of
// [net/http.TimeoutHandler] or of middleware without an Unwrap method, the transports that
// need it are refused with 501, and clients take long polling. The log warns of it once
// an hour.
package classic

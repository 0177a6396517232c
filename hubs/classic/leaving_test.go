package classic_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
	"github.com/go-signalr/signalr/transports"
)

// leavers are who may ask for the end of a connection of the user ann, and the outcome.
var leavers = map[string]struct {
	change url.Values
	status int
}{
	"the user":              {nil, http.StatusOK},
	"nobody":                {url.Values{"user": {""}}, http.StatusOK},
	"nobody, not known":     {url.Values{"user": {""}, "guard": {"who"}}, http.StatusOK},
	"nobody, not allowed":   {url.Values{"user": {""}, "guard": {"role"}}, http.StatusOK},
	"another user":          {url.Values{"user": {"eve"}}, http.StatusForbidden},
	"nobody, without token": {url.Values{"user": {""}, "connectionToken": {""}}, http.StatusBadRequest},
	"nobody, bad token":     {url.Values{"user": {""}, "connectionToken": {"garbage"}}, http.StatusBadRequest},
}

// requireLeaving asks for the end of a connection.
func (c *client) requireLeaving(change url.Values, status int) {
	c.t.Helper()
	resp, err := bounded.PostForm(c.url("/abort", change), nil)
	require.NoError(c.t, err)
	require.NoError(c.t, resp.Body.Close())
	require.Equal(c.t, status, resp.StatusCode)
}

// TestConnectionTokenSufficesToLeave: a user who has logged out has no more than that.
func TestConnectionTokenSufficesToLeave(t *testing.T) {
	t.Parallel()
	for name, leaver := range leavers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTransport(t, func(t *testing.T, transport string) {
				n := newNodeOf(t, []hubs.Option{hubs.WithAuthorization(guard)}, longAway)
				c := newClient(t, n, "user=ann&transport="+transport)
				c.connect()
				c.requireLeaving(leaver.change, leaver.status)
				if leaver.status == http.StatusOK {
					n.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
				} else {
					require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Void","I":1}`), "the connection goes on")
				}
			})
		})
	}
}

// TestNothingElseCanBeDoneWithoutTheUser: the token alone is for leaving.
func TestNothingElseCanBeDoneWithoutTheUser(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, longAway)
	c := newClient(t, n, "user=ann&transport=serverSentEvents")
	c.connect()
	for _, op := range []string{"/connect", "/reconnect", "/poll", "/start", "/send"} {
		resp, err := bounded.Get(c.url(op, url.Values{"user": {""}}))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusForbidden, resp.StatusCode, op)
	}
	n.chat.requireNoEvent(t)
}

// TestUserLeavesAnotherNode: also if the client lists, before those that it was allowed, a hub that it was not.
func TestUserLeavesAnotherNode(t *testing.T) {
	t.Parallel()
	for name, leaver := range leavers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bus := scaleout.NewMemory()
			var nodes []*node
			for range 2 {
				admin, err := hubs.New(newChat(), hubs.WithName("admin"), hubs.WithUserID(user), hubs.WithLogger(quiet()), hubs.WithBus(bus),
					hubs.WithAuthorization(func(*http.Request) error { return errors.New("the role is missing") }))
				require.NoError(t, err)
				nodes = append(nodes, newNodeOf(t, []hubs.Option{hubs.WithAuthorization(guard), hubs.WithBus(bus)},
					classic.WithKey(key), classic.WithHubs(admin), longAway))
				t.Cleanup(func() { classic.ShutDown(t, admin) })
			}
			c := newClient(t, nodes[0], url.Values{
				"user": {"ann"}, "transport": {"serverSentEvents"}, "connectionData": {`[{"name":"admin"},{"name":"chat"}]`},
			}.Encode())
			c.connect()
			c.other(nodes[1]).requireLeaving(leaver.change, leaver.status)
			if leaver.status == http.StatusOK {
				nodes[0].chat.requireEvent(t, "disconnected "+c.id+" <nil>")
			} else {
				require.False(t, classic.HasEnded(nodes[1].endpoint, c.id))
				require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Void","I":1}`), "the connection goes on")
			}
		})
	}
}

func TestUserLeavesARawConnection(t *testing.T) {
	t.Parallel()
	for name, leaver := range leavers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 1)
			n := newRawNode(t, classic.RawHandler{Disconnected: func(_ *classic.RawConn, cause error) { ended <- cause }},
				classic.WithPolicy(transports.WithAuthorization(guard)), longAway)
			c := newClient(t, n, "user=ann&transport=serverSentEvents&connectionData=")
			c.startRaw()
			c.requireLeaving(leaver.change, leaver.status)
			if leaver.status == http.StatusOK {
				require.NoError(t, await.Receive(t, ended, "the end of the connection"))
			} else {
				require.False(t, classic.HasEnded(n.endpoint, c.id))
			}
		})
	}
}

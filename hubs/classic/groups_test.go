package classic_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
)

// TestClientKeepsAsManyGroupsAsItMayJoin: its token is taken back, so that it is in all of them after it has come back.
func TestClientKeepsAsManyGroupsAsItMayJoin(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		for _, length := range []int{10_000, 100_000} {
			a, b := newFarm(t)
			c := newClient(t, a, "transport="+transport)
			c.connect()
			name := func(i int) string { return fmt.Sprintf("%0*d", length, i) }
			joined := 0
			var err error
			for ; err == nil; joined++ {
				before := c.resume().Get("groupsToken")
				if err = a.hub.Groups().Add(t.Context(), c.id, name(joined)); err == nil {
					await.Until(t, func() bool { return c.resume().Get("groupsToken") != before }, "a groups token comes with group %d", joined)
				}
			}
			joined--
			require.ErrorIs(t, err, hubs.ErrTooManyGroups)
			require.Greater(t, (joined+1)*length, 190_000, "the token is nearly as long as it may be")

			c.close()
			c.drain()
			c.node = b
			c.open("/reconnect")
			b.chat.requireEvent(t, "reconnected "+c.id)
			for _, i := range []int{0, joined - 1, joined} {
				require.NoError(t, a.hub.Clients().Group(name(i)).Send(t.Context(), "say", fmt.Sprint(i)))
			}
			require.NoError(t, a.hub.Clients().Client(c.id).Send(t.Context(), "say", "end"))
			var got []string
			for range 3 {
				got = append(got, c.nextMessage())
			}
			require.ElementsMatch(t, []string{said("0"), said(fmt.Sprint(joined - 1)), said("end")}, got, "nothing of the group that was refused")
			require.ErrorIs(t, b.hub.Groups().Add(t.Context(), c.id, name(joined)), hubs.ErrTooManyGroups, "the same on this node")
		}
	})
}

// TestHubsShareTheGroupsToken: what all hubs of a connection allow fits into one token.
func TestHubsShareTheGroupsToken(t *testing.T) {
	t.Parallel()
	other, err := hubs.New(newChat(), hubs.WithName("other"), hubs.WithUserID(user), hubs.WithLogger(quiet()))
	require.NoError(t, err)
	t.Cleanup(func() { classic.ShutDown(t, other) })
	n := newNode(t, nil, classic.WithHubs(other))
	c := newClient(t, n, url.Values{"transport": {"serverSentEvents"}, "connectionData": {`[{"name":"chat"},{"name":"other"}]`}}.Encode())
	c.connect()
	names := map[*hubs.Hub]string{n.hub: "", other: ""}
	for h := range names {
		for i := 0; ; i++ {
			before := c.resume().Get("groupsToken")
			name := fmt.Sprintf("%020000d", i)
			if err := h.Groups().Add(t.Context(), c.id, name); err != nil {
				require.ErrorIs(t, err, hubs.ErrTooManyGroups)
				break
			}
			names[h] = name
			await.Until(t, func() bool { return c.resume().Get("groupsToken") != before }, "a groups token comes with group %d", i)
		}
	}
	c.close()
	c.drain()
	c.open("/reconnect")
	n.chat.requireEvent(t, "reconnected "+c.id)
	for h, name := range names {
		require.NoError(t, h.Clients().Group(name).Send(t.Context(), "say", "hi"))
		require.Contains(t, c.nextMessage(), `"A":["hi"]`)
	}
}

// TestUserIDThatNoTokenHolds: the client is refused at once instead of by every request after the negotiation.
func TestUserIDThatNoTokenHolds(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	longest := ""
	for length := 2900; ; length++ {
		c := newClient(t, n, "transport=longPolling&user="+strings.Repeat("u", length))
		status, body := c.ask("/negotiate", nil)
		if status != http.StatusOK {
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, "The user id is too long.", body)
			break
		}
		longest = c.query.Get("user")
	}
	require.Greater(t, len(longest), 2900)
	newClient(t, n, "transport=longPolling&user="+longest).connect()
}

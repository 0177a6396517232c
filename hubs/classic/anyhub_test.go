package classic_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
)

// A client that listed no hub got a connection that no hub would have given it.
func TestRequestsWithoutHubsAreAuthorizedByOne(t *testing.T) {
	t.Parallel()
	none := url.Values{"connectionData": {"[]"}}
	for name, test := range map[string]struct {
		guard string
		open  bool // there is a hub for everybody
		want  int
	}{
		"nobody":                      {"who", false, http.StatusUnauthorized},
		"a user without the role":     {"role", false, http.StatusForbidden},
		"a user":                      {"", false, http.StatusOK},
		"nobody, and a hub for these": {"who", true, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var opts []classic.Option
			if test.open {
				other, err := hubs.New(newChat(), hubs.WithName("open"), hubs.WithUserID(user), hubs.WithLogger(quiet()))
				require.NoError(t, err)
				t.Cleanup(func() { classic.ShutDown(t, other) })
				opts = append(opts, classic.WithHubs(other))
			}
			n := newNodeOf(t, []hubs.Option{hubs.WithAuthorization(guard)}, opts...)
			c := newClient(t, n, url.Values{"guard": {test.guard}, "transport": {"longPolling"}, "connectionData": {"[]"}}.Encode())
			for _, op := range []string{"/negotiate", "/hubs", "/ping"} {
				want := test.want
				if op != "/negotiate" { // which carry nothing
					want = http.StatusOK
				}
				require.Equal(t, want, c.askAs(http.MethodGet, op, none, nil), op)
			}
			if test.want != http.StatusOK {
				for _, op := range []string{"/connect", "/reconnect", "/poll", "/start", "/send"} {
					require.Equal(t, test.want, c.askAs(http.MethodPost, op, none, nil), op)
				}
			}
		})
	}
}

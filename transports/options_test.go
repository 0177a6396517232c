package transports_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/optionlist"
	"github.com/go-signalr/signalr/transports"
)

// badOptions are the values that an option does not take, and what the error says.
var badOptions = map[string][]struct {
	option transports.Option
	why    string
}{
	"WithTransports": {
		{transports.WithTransports(), "at least one transport"},
		{transports.WithTransports(0), "unknown transport 0"},
		{transports.WithTransports(4), "unknown transport 4"},
		{transports.WithTransports(transports.WebSockets, 99), "unknown transport 99"},
	},
	"WithAllowedOrigins": { // TestListedOrigins has more
		{transports.WithAllowedOrigins(), "must not be empty"},
		{transports.WithAllowedOrigins("app.example"), "is not an origin"},
	},
	"WithAuthorization":     {{transports.WithAuthorization(nil), "the authorization must not be nil"}},
	"WithIdentity":          {{transports.WithIdentity(nil), "the identity must not be nil"}},
	"WithExpiration":        {{transports.WithExpiration(nil), "the expiration must not be nil"}},
	"WithSendTimeout":       {{transports.WithSendTimeout(0), "the send timeout must be positive, not 0s"}, {transports.WithSendTimeout(-1), "the send timeout"}},
	"WithCloseTimeout":      {{transports.WithCloseTimeout(0), "the close timeout must be positive"}, {transports.WithCloseTimeout(-1), "the close timeout"}},
	"WithDisconnectTimeout": {{transports.WithDisconnectTimeout(0), "the disconnect timeout must be positive"}, {transports.WithDisconnectTimeout(-1), "the disconnect timeout"}},
	"WithPollTimeout":       {{transports.WithPollTimeout(0), "the poll timeout must be positive"}, {transports.WithPollTimeout(-1), "the poll timeout"}},
	"WithBufferSize":        {{transports.WithBufferSize(0), "the buffer size must be positive"}, {transports.WithBufferSize(-1), "the buffer size"}},
	"WithOutboxLimit": {
		{transports.WithOutboxLimit(0), "the outbox limit must be positive"},
		{transports.WithOutboxLimit(-1), "the outbox limit must be positive"},
		{transports.WithOutboxLimit(10), "the outbox limit must be at least the buffer size, 65536, not 10"},
		{transports.WithOutboxLimit(transports.DefaultBufferSize - 1), "at least the buffer size"},
	},
	"WithMaxConnections": {{transports.WithMaxConnections(0), "the limit on connections must be positive"}, {transports.WithMaxConnections(-1), "the limit on connections"}},
	"WithSubProtocol":    {{transports.WithSubProtocol(nil), "the choice of sub-protocols must not be nil"}},
	"WithAllowedHosts": {
		{transports.WithAllowedHosts(), "must not be empty"},
		{transports.WithAllowedHosts("localhost", ""), `"" is not a host`},
		{transports.WithAllowedHosts("http://localhost"), `"http://localhost" is not a host`},
		{transports.WithAllowedHosts("localhost/"), `"localhost/" is not a host`},
		{transports.WithAllowedHosts("*.example"), `"*.example" is not a host`},
		{transports.WithAllowedHosts("localhost:"), `"localhost:" is not a host`},
		{transports.WithAllowedHosts("::1"), `"::1" is not a host`},
		{transports.WithAllowedHosts("me@localhost"), `"me@localhost" is not a host`},
	},
	"WithMinimumProtocolVersion": {
		{transports.WithMinimumProtocolVersion(2), "negotiate versions are 0 to 1, not 2"},
		{transports.WithMinimumProtocolVersion(-1), "negotiate versions are 0 to 1, not -1"},
	},
	"WithRedirect":          {{transports.WithRedirect(nil), "the redirect must not be nil"}},
	"WithLogger":            {{transports.WithLogger(nil), "the logger must not be nil"}},
	"WithNode":              nil, // every value is good
	"WithStatefulReconnect": nil,
	"none":                  {{nil, "an option must not be nil"}},
}

func TestOptionsWithBadValues(t *testing.T) {
	t.Parallel()
	var all []transports.Option
	var every []string
	for name, bad := range badOptions {
		for _, tt := range bad {
			_, err := transports.NewEndpoint(newApp(t), tt.option)
			require.ErrorContains(t, err, "transports: ", name)
			require.ErrorContains(t, err, tt.why, name)
			all, every = append(all, tt.option), append(every, tt.why)
		}
	}
	for _, handler := range []transports.Handler{nil, transports.ConnectionHandler(nil)} {
		_, err := transports.NewEndpoint(handler, all...)
		require.ErrorContains(t, err, "the handler must not be nil")
		for _, why := range every {
			if !strings.Contains(why, "at least the buffer size") { // of one limit, the last one given
				require.ErrorContains(t, err, why, "all are reported")
			}
		}
	}
}

// TestEveryOptionHasItsBadValues keeps the table complete.
func TestEveryOptionHasItsBadValues(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, slices.Collect(maps.Keys(badOptions)), append(optionlist.Of(t), "none"))
}

// TestOptionsOfOneTransport: they are errors where that is not enabled. The order does not
// matter.
func TestOptionsOfOneTransport(t *testing.T) {
	t.Parallel()
	noChoice := func([]string) string { return "" }
	for _, tt := range []struct {
		name   string
		option transports.Option
		kind   transports.Kind
	}{
		{"WithStatefulReconnect", transports.WithStatefulReconnect(), transports.WebSockets},
		{"WithSubProtocol", transports.WithSubProtocol(noChoice), transports.WebSockets},
		{"WithCloseTimeout", transports.WithCloseTimeout(time.Second), transports.WebSockets},
		{"WithPollTimeout", transports.WithPollTimeout(time.Second), transports.LongPolling},
	} {
		_, err := transports.NewEndpoint(newApp(t), tt.option)
		require.NoError(t, err, tt.name)
		for _, kind := range []transports.Kind{transports.WebSockets, transports.ServerSentEvents, transports.LongPolling} {
			only := transports.WithTransports(kind)
			for _, opts := range [][]transports.Option{{tt.option, only}, {only, tt.option}} {
				e, err := transports.NewEndpoint(newApp(t), opts...)
				if kind == tt.kind {
					require.NoError(t, err, tt.name)
					require.Equal(t, []transports.Kind{kind}, e.Transports())
					require.Equal(t, tt.name == "WithStatefulReconnect", e.StatefulReconnect())
				} else {
					require.EqualError(t, err, fmt.Sprintf("transports: %s has no effect without the transport %v", tt.name, tt.kind))
				}
			}
		}
	}
}

// TestOutboxLimitAndBufferSize: their order does not matter, and the default limit
// makes room for the buffer.
func TestOutboxLimitAndBufferSize(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]transports.Option{
		{transports.WithBufferSize(10), transports.WithOutboxLimit(10)},
		{transports.WithOutboxLimit(10), transports.WithBufferSize(10)},
		{transports.WithBufferSize(2 * transports.DefaultOutboxLimit)},
		{transports.WithOutboxLimit(transports.DefaultBufferSize)},
	} {
		_, err := transports.NewEndpoint(newApp(t), opts...)
		require.NoError(t, err)
	}
	for _, opts := range [][]transports.Option{
		{transports.WithBufferSize(11), transports.WithOutboxLimit(10)},
		{transports.WithOutboxLimit(10), transports.WithBufferSize(11)},
		{transports.WithBufferSize(2 * transports.DefaultOutboxLimit), transports.WithOutboxLimit(transports.DefaultOutboxLimit)},
	} {
		_, err := transports.NewEndpoint(newApp(t), opts...)
		require.ErrorContains(t, err, "at least the buffer size")
	}
}

package classic_test

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/optionlist"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// badOption is a value that an option does not take, and what the error says.
type badOption struct {
	option classic.Option
	why    string
}

// badOptions are such values of each option.
var badOptions = map[string][]badOption{
	"WithHubs": {{classic.WithHubs(nil), "a hub must not be nil"}},
	"WithPath": { // TestPathsThatAreNone has more
		{classic.WithPath(""), `the path must be one such as /app/signalr, not ""`},
		{classic.WithPath("/signalr/"), `not "/signalr/"`},
	},
	"WithKey": {
		{classic.WithKey(nil), "the key must have at least 32 bytes, not 0"},
		{classic.WithKey(key[:31]), "the key must have at least 32 bytes, not 31"},
	},
	"WithTokenLifetime":  {{classic.WithTokenLifetime(0), "the lifetime of tokens must be positive, not 0s"}, {classic.WithTokenLifetime(-1), "the lifetime of tokens must be positive, not -1ns"}},
	"WithDetailedErrors": nil, // they take no value
	"WithJSONP":          nil,
	"WithKeepAlive": {
		{classic.WithKeepAlive(-1), "the keep-alive must be 0 or from 2s to a third of the disconnect timeout, 10s, not -1ns"},
		{classic.WithKeepAlive(2*time.Second - 1), "the keep-alive must be 0 or from 2s to a third of the disconnect timeout, 10s, not 1.999999999s"},
		{classic.WithKeepAlive(10*time.Second + 1), "the keep-alive must be 0 or from 2s to a third of the disconnect timeout, 10s, not 10.000000001s"},
	},
	"WithDisconnectTimeout": {
		{classic.WithDisconnectTimeout(0), "the disconnect timeout must be at least 6s, not 0s"},
		{classic.WithDisconnectTimeout(6*time.Second - 1), "the disconnect timeout must be at least 6s, not 5.999999999s"},
	},
	"WithConnectionTimeout": {
		{classic.WithConnectionTimeout(0), "the connection timeout must be positive, not 0s"},
		{classic.WithConnectionTimeout(-1), "the connection timeout must be positive, not -1ns"},
	},
	"WithTransportConnectTimeout": {
		{classic.WithTransportConnectTimeout(0), "the transport connect timeout must be positive, not 0s"},
		{classic.WithTransportConnectTimeout(-1), "the transport connect timeout must be positive, not -1ns"},
	},
	"WithLongPollDelay": {
		{classic.WithLongPollDelay(-1), "the delay of long polls must be at least 1ms, not -1ns"},
		{classic.WithLongPollDelay(0), "the delay of long polls must be at least 1ms, not 0s"},
		{classic.WithLongPollDelay(time.Millisecond - 1), "the delay of long polls must be at least 1ms, not 999.999µs"},
	},
	"WithSendTimeout":          {{classic.WithSendTimeout(0), "the send timeout must be positive, not 0s"}, {classic.WithSendTimeout(-1), "the send timeout must be positive, not -1ns"}},
	"WithMaximumMessageSize":   {{classic.WithMaximumMessageSize(0), "the maximum message size must be positive, not 0"}, {classic.WithMaximumMessageSize(-1), "the maximum message size must be positive, not -1"}},
	"WithMaximumParallelCalls": {{classic.WithMaximumParallelCalls(0), "the limit on parallel calls must be positive, not 0"}, {classic.WithMaximumParallelCalls(-1), "the limit on parallel calls must be positive, not -1"}},
	"WithMaximumConnections":   {{classic.WithMaximumConnections(0), "the limit on connections must be positive, not 0"}, {classic.WithMaximumConnections(-1), "the limit on connections must be positive, not -1"}},
	"WithLogger":               {{classic.WithLogger(nil), "the logger must not be nil"}},
	"WithPolicy":               {{classic.WithPolicy(transports.WithIdentity(user), nil), "an option of WithPolicy must not be nil"}},
	"none":                     {{nil, "an option must not be nil"}},
}

func TestOptionsWithBadValues(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(newChat(), hubs.WithName("Chat"))
	require.NoError(t, err)
	defer classic.ShutDown(t, hub)
	for name, bad := range badOptions {
		for _, tt := range bad {
			_, err := classic.New(hub, tt.option)
			require.ErrorContains(t, err, "classic: ", name)
			require.ErrorContains(t, err, tt.why, name)
			_, err = classic.NewConnections(echo(), tt.option)
			require.ErrorContains(t, err, tt.why, name)
		}
	}
}

// TestBadOptionsAreReportedTogether: one round of corrections is enough.
func TestBadOptionsAreReportedTogether(t *testing.T) {
	t.Parallel()
	hub, err := hubs.New(newChat(), hubs.WithName("Chat"))
	require.NoError(t, err)
	same, err := hubs.New(newChat(), hubs.WithName("CHAT"))
	require.NoError(t, err)
	binary, err := hubs.New(newChat(), hubs.WithProtocols(protocol.NewMessagePack()))
	require.NoError(t, err)
	defer classic.ShutDown(t, hub, same, binary)
	var all []classic.Option
	var every []string
	for _, bad := range badOptions {
		for _, tt := range bad {
			all = append(all, tt.option)
			if !strings.Contains(tt.why, "keep-alive") { // of one value, the last one given
				every = append(every, tt.why)
			}
		}
	}
	all = append(all, classic.WithKeepAlive(time.Nanosecond))
	every = append(every, "the keep-alive must be 0 or from 2s to a third of the disconnect timeout, 10s, not 1ns")

	_, err = classic.New(hub, append(all, classic.WithHubs(same, binary), classic.WithPolicy(transports.WithIdentity(nil)))...)
	ofHubs := append([]string{`there are two hubs "CHAT"`, "JSON", "WithPolicy is for raw connections: a hub has its own"}, every...)
	_, err2 := classic.NewConnections(echo(), append(all, classic.WithHubs(same), classic.WithDetailedErrors(), classic.WithPolicy(transports.WithIdentity(nil)))...)
	ofRaw := append([]string{"WithHubs is for endpoints of hubs", "WithDetailedErrors is for endpoints of hubs", "the identity must not be nil"}, every...)
	_, err3 := classic.New(nil, all...)
	ofNone := append([]string{"a hub must not be nil"}, every...)
	for _, tt := range []struct {
		err  error
		says []string
	}{{err, ofHubs}, {err2, ofRaw}, {err3, ofNone}} {
		for _, says := range tt.says {
			require.ErrorContains(t, tt.err, says)
		}
		for line := range strings.Lines(tt.err.Error()) {
			require.Regexp(t, "^(classic|hubs|transports): ", line)
		}
	}
}

// TestKeepAliveAndDisconnectTimeout: their order does not matter.
func TestKeepAliveAndDisconnectTimeout(t *testing.T) {
	t.Parallel()
	for _, opts := range [][]classic.Option{
		{classic.WithKeepAlive(20 * time.Second), classic.WithDisconnectTimeout(time.Minute)},
		{classic.WithDisconnectTimeout(time.Minute), classic.WithKeepAlive(20 * time.Second)},
		{classic.WithDisconnectTimeout(6 * time.Second)},
		{classic.WithDisconnectTimeout(6 * time.Second), classic.WithKeepAlive(0)},
	} {
		_, err := classic.NewConnections(echo(), opts...)
		require.NoError(t, err)
	}
	_, err := classic.NewConnections(echo(), classic.WithKeepAlive(3*time.Second), classic.WithDisconnectTimeout(6*time.Second))
	require.ErrorContains(t, err, "a third of the disconnect timeout, 2s, not 3s")
}

// TestUnlimitedMessageSize: the largest limit there is overflows nothing.
func TestUnlimitedMessageSize(t *testing.T) {
	t.Parallel()
	for _, transport := range allTransports {
		n := newNode(t, nil, classic.WithMaximumMessageSize(math.MaxInt))
		c := newClient(t, n, "transport="+transport)
		c.connect()
		long := strings.Repeat("x", 100_000)
		require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"Echo","A":["`+long+`"],"I":1}`), transport)
		c.requireMessages(`{"H":"Chat","M":"echo","A":["` + long + `"]}`)
	}
}

// TestEveryOptionHasItsBadValues keeps the table complete.
func TestEveryOptionHasItsBadValues(t *testing.T) {
	t.Parallel()
	require.ElementsMatch(t, slices.Collect(maps.Keys(badOptions)), append(optionlist.Of(t), "none"))
}

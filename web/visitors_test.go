package main

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs/hubtest"
)

func TestVisitorOfARequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		remote      string
		forwarded   []string
		behindProxy bool
		want        string
	}{
		"IPv4":                        {remote: "192.0.2.1:1234", want: "192.0.2.1"},
		"a network of IPv6":           {remote: "[2001:db8:1:2:3:4:5:6]:1234", want: "2001:db8:1:2::/64"},
		"IPv4 as IPv6":                {remote: "[::ffff:192.0.2.1]:1234", want: "192.0.2.1"},
		"with a zone":                 {remote: "[fe80::1%eth0]:1234", want: "fe80::/64"},
		"no address":                  {remote: "pipe", want: "pipe"},
		"what anybody can say":        {remote: "192.0.2.1:1234", forwarded: []string{"192.0.2.7"}, want: "192.0.2.1"},
		"what the proxy says":         {remote: "127.0.0.1:1", forwarded: []string{"192.0.2.7"}, behindProxy: true, want: "192.0.2.7"},
		"what it says last":           {remote: "127.0.0.1:1", forwarded: []string{"1.1.1.1, 2.2.2.2", "3.3.3.3,192.0.2.7"}, behindProxy: true, want: "192.0.2.7"},
		"a proxy that says nothing":   {remote: "127.0.0.1:1", behindProxy: true, want: "127.0.0.1"},
		"a proxy that says something": {remote: "127.0.0.1:1", forwarded: []string{"unknown"}, behindProxy: true, want: "unknown"},
	} {
		r := httptest.NewRequest("GET", "/chat", nil)
		r.RemoteAddr = test.remote
		for _, value := range test.forwarded {
			r.Header.Add("X-Forwarded-For", value)
		}
		require.Equal(t, test.want, newVisitors(test.behindProxy).of(r), name)
	}
}

func TestCallsOfAVisitorAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := newVisitors(false)
	v.now = func() time.Time { return now }
	allowed := func(visitor string) (n int) {
		for v.allow(visitor) {
			n++
		}
		return n
	}
	require.Equal(t, callsAtOnce, allowed("a"))
	require.Equal(t, callsAtOnce, allowed("b"), "visitors do not share")
	now = now.Add(2 * time.Second)
	require.Equal(t, 2*callsPerSecond, allowed("a"))
	now = now.Add(time.Hour)
	require.Equal(t, callsAtOnce, allowed("a"))
	now = now.Add(time.Hour)
	require.True(t, v.allow("c"))
	require.Len(t, v.buckets, 1, "who calls nothing is forgotten")
}

// from connects as a visitor.
func from(server *hubtest.Server, visitor string) *hubtest.Client {
	return server.Connect(hubtest.WithHeader("X-Forwarded-For", visitor))
}

// One bored visitor neither takes all rooms, nor fills one, nor keeps the others from
// being heard.
func TestABoredVisitor(t *testing.T) {
	t.Parallel()
	server := serveChat(t)
	limits := defaultLimits()
	var bored []*hubtest.Client
	for range limits.ConnectionsPerVisitor {
		bored = append(bored, from(server, "192.0.2.1"))
	}
	_, err := server.Dial(hubtest.WithHeader("X-Forwarded-For", "192.0.2.1"))
	require.ErrorContains(t, err, "There are too many connections from your address.")
	bored[0].Close()
	from(server, "192.0.2.1").Receive("welcome", new(Welcome))

	made := 0
	for i, c := range bored[1:] {
		for room := range limits.RoomsPerPerson {
			if _, err := hubtest.Invoke[View](c, "Join", "Bored", fmt.Sprintf("room-%d-%d", i, room)); err == nil {
				made++
			}
		}
	}
	require.Equal(t, limits.RoomsPerVisitor, made)
	require.ErrorContains(t, bored[1].Invoke("Send", "x"), errTooFast.Error())

	ann := from(server, "192.0.2.2")
	_, err = hubtest.Invoke[View](ann, "Join", "Ann", "my-own")
	require.NoError(t, err)
	require.NoError(t, ann.Invoke("Say", "my-own", "hello"))
}

package hubs_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/scaleout"
)

// serveFarm starts several hubs of one name on one bus, as several nodes.
func serveFarm(t *testing.T, n int, opts ...hubs.Option) []*server {
	t.Helper()
	bus := scaleout.NewMemory()
	nodes := make([]*server, n)
	for i := range nodes {
		nodes[i] = serve(t, callHub{}, append([]hubs.Option{hubs.WithBus(bus), hubs.WithUserID(userHeader)}, opts...)...)
	}
	return nodes
}

// heard checks how often each client of a farm hears a message, before one to all
// that each node sends to its own client after it.
func heard(t *testing.T, nodes []*server, members []member, send func() error, times ...int) {
	t.Helper()
	require.NoError(t, send())
	require.NoError(t, nodes[0].Clients().All().Send(context.Background(), "end"))
	for i, m := range members {
		for range times[i] {
			m.expect(`{"type":1,"target":"m","arguments":[1,"two"]}`)
		}
		m.expect(`{"type":1,"target":"end","arguments":[]}`)
	}
}

func TestSelectorsOverNodes(t *testing.T) {
	t.Parallel()
	nodes := serveFarm(t, 3)
	ms := append(crowd(t, nodes[0], "ada", "bob"), crowd(t, nodes[1], "ada", "carol")...)
	ctx := context.Background()
	// From any node, for connections of any node.
	require.NoError(t, nodes[0].Groups().Add(ctx, ms[0].id, "g"))
	require.NoError(t, nodes[0].Groups().Add(ctx, ms[2].id, "g"))
	require.NoError(t, nodes[2].Groups().Add(ctx, ms[3].id, "g"))
	require.NoError(t, nodes[2].Groups().Remove(ctx, ms[3].id, "g"))
	require.NoError(t, nodes[1].Groups().Add(ctx, ms[3].id, "h"))
	require.NoError(t, nodes[1].Groups().Add(ctx, "nobody", "h"))
	for _, from := range nodes {
		cl := from.Clients()
		for _, tt := range []struct {
			name   string
			target hubs.Target
			times  []int
		}{
			{"All", cl.All(), []int{1, 1, 1, 1}},
			{"AllExcept", cl.AllExcept(ms[0].id, ms[3].id), []int{0, 1, 1, 0}},
			{"Client", cl.Client(ms[2].id), []int{0, 0, 1, 0}},
			{"Client unknown", cl.Client("nobody"), []int{0, 0, 0, 0}},
			{"Clients", cl.Clients(ms[0].id, ms[3].id), []int{1, 0, 0, 1}},
			{"Group", cl.Group("g"), []int{1, 0, 1, 0}},
			{"Groups", cl.Groups("g", "h"), []int{1, 0, 1, 1}},
			{"GroupExcept", cl.GroupExcept("g", ms[2].id), []int{1, 0, 0, 0}},
			{"User", cl.User("ada"), []int{1, 0, 1, 0}},
			{"Users", cl.Users("bob", "carol"), []int{0, 1, 0, 1}},
		} {
			heard(t, nodes, ms, func() error { return tt.target.Send(ctx, "m", 1, "two") }, tt.times...)
		}
	}
}

func TestPresenceOverNodes(t *testing.T) {
	t.Parallel()
	nodes := serveFarm(t, 3)
	ms := append(crowd(t, nodes[0], "ada"), crowd(t, nodes[1], "ada", "bob")...)
	ctx := context.Background()
	require.NoError(t, nodes[0].Groups().Add(ctx, ms[0].id, "g"))
	require.NoError(t, nodes[0].Groups().Add(ctx, ms[2].id, "g"))
	for _, from := range nodes {
		cl := from.Clients()
		ids, err := cl.User("ada").Connections(ctx)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{ms[0].id, ms[1].id}, ids)
		ids, err = cl.Group("g").Connections(ctx)
		require.NoError(t, err)
		require.ElementsMatch(t, []string{ms[0].id, ms[2].id}, ids)
		n, err := cl.AllExcept(ms[0].id).Count(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		n, err = cl.Client(ms[2].id).Count(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = cl.Group("none").Count(ctx)
		require.NoError(t, err)
		require.Zero(t, n)
		farm, err := from.Nodes(ctx)
		require.NoError(t, err)
		require.ElementsMatch(t, []hubs.Node{{ID: nodes[0].NodeID(), Connections: 1},
			{ID: nodes[1].NodeID(), Connections: 2}, {ID: nodes[2].NodeID()}}, farm)
	}
	// A node that leaves takes its connections along.
	require.NoError(t, nodes[1].Shutdown(ctx))
	n, err := nodes[2].Clients().All().Count(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestAbortOverNodes(t *testing.T) {
	t.Parallel()
	nodes := serveFarm(t, 2)
	ms := append(crowd(t, nodes[0], "ada", "bob"), crowd(t, nodes[1], "ada")...)
	require.NoError(t, nodes[0].Clients().User("ada").Abort(context.Background(), nil), nil)
	ms[0].expect(`{"type":7}`)
	ms[2].expect(`{"type":7}`)
	require.NoError(t, nodes[1].Clients().Client(ms[1].id).Abort(context.Background(), nil), nil)
	ms[1].expect(`{"type":7}`)
}

func TestClientResultsOverNodes(t *testing.T) {
	t.Parallel()
	nodes := serveFarm(t, 3)
	ms := crowd(t, nodes[1], "", "")
	ctx := context.Background()
	to := func(i int) hubs.Target { return nodes[0].Clients().Client(ms[i].id) }
	for _, tt := range []struct {
		completion string
		value      int
		error      string
	}{
		{`"result":42`, 42, ""},
		{`"error":"no"`, 0, "no"},
		{`"result":"many"`, 0, "Error trying to deserialize result to int."},
		{`"headers":{}`, 0, "Client didn't provide a result."},
	} {
		id, outcome := ask(t, ctx, to(0), ms[0].client)
		ms[0].send(`{"type":3,"invocationId":"` + id + `",` + tt.completion + `}`)
		got := await.Receive(t, outcome, "the client's result")
		require.Equal(t, tt.value, got.value)
		if tt.error == "" {
			require.NoError(t, got.err)
		} else {
			require.ErrorContains(t, got.err, tt.error)
		}
	}

	// Somebody else answers.
	id, outcome := ask(t, ctx, to(0), ms[0].client)
	ms[1].send(`{"type":3,"invocationId":"` + id + `","result":666}`)
	ms[1].expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)

	// The asker gives up; a late answer is ignored.
	cancelled, cancel := context.WithCancel(ctx)
	late, given := ask(t, cancelled, to(0), ms[0].client)
	cancel()
	require.ErrorIs(t, await.Receive(t, given, "the result of the call that was given up").err, context.Canceled)
	ms[0].send(`{"type":3,"invocationId":"` + late + `","result":1}`)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, ms[0].call("Echo", `"x"`))

	// The connection is lost.
	ms[0].drop()
	require.EqualError(t, await.Receive(t, outcome, "the client's result").err, "Connection '"+ms[0].id+"' disconnected.")
	_, err := hubs.Invoke[int](ctx, to(0), "ask")
	require.EqualError(t, err, "Connection '"+ms[0].id+"' does not exist.")

	// What cannot be asked, or not of that client, is forgotten at once.
	_, err = hubs.Invoke[int](ctx, to(1), "ask", make(chan int))
	require.ErrorContains(t, err, "chan int")
	_, err = hubs.Invoke[int](ctx, nodes[0].Clients().Client("nobody"), "ask")
	require.EqualError(t, err, "Connection 'nobody' does not exist.")
	require.Zero(t, nodes[0].Stats().Bus.Pending)

	// The owner leaves.
	last := crowd(t, nodes[1], "")[0]
	_, outcome = ask(t, ctx, nodes[0].Clients().Client(last.id), last.client)
	require.NoError(t, nodes[1].Shutdown(ctx))
	require.EqualError(t, await.Receive(t, outcome, "the client's result").err, "Connection '"+last.id+"' disconnected.")
	_, err = hubs.Invoke[int](ctx, nodes[0].Clients().Client(last.id), "ask")
	require.EqualError(t, err, "Connection '"+last.id+"' does not exist.")
}

// A client of one node gets messages of another in its own protocol.
func TestProtocolsOverNodes(t *testing.T) {
	t.Parallel()
	nodes := serveFarm(t, 2, hubs.WithProtocols(protocol.NewMessagePack(), protocol.NewJSON()))
	c := nodes[1].connect()
	require.NoError(t, nodes[0].Clients().All().Send(context.Background(), "m", 1, "two"))
	c.expect(`{"type":1,"target":"m","arguments":[1,"two"]}`)
}

// The messages of a topic have one order on all nodes, whoever sends them.
func TestOneOrderOverNodes(t *testing.T) {
	t.Parallel()
	nodes := serveFarm(t, 3)
	var clients []*client
	for _, n := range nodes {
		clients = append(clients, n.connect())
	}
	const each = 200
	var senders sync.WaitGroup
	for i, n := range nodes {
		senders.Go(func() {
			for j := range each {
				_ = n.Clients().All().Send(context.Background(), "m", fmt.Sprintf("%d/%d", i, j))
			}
		})
	}
	await.Group(t, &senders, "the senders")
	var want []string
	for range each * len(nodes) {
		record, err := clients[0].next()
		require.NoError(t, err)
		want = append(want, record)
	}
	for _, c := range clients[1:] {
		c.expect(want...)
	}
}

// Hubs of different names on one bus are different farms.
func TestHubsDoNotMix(t *testing.T) {
	t.Parallel()
	bus := scaleout.NewMemory()
	a := serve(t, callHub{}, hubs.WithBus(bus), hubs.WithName("a"))
	b := serve(t, callHub{}, hubs.WithBus(bus), hubs.WithName("b"))
	ca, cb := a.connect(), b.connect()
	require.NoError(t, a.Clients().All().Send(context.Background(), "m", "a"))
	require.NoError(t, b.Clients().All().Send(context.Background(), "m", "b"))
	ca.expect(`{"type":1,"target":"m","arguments":["a"]}`)
	cb.expect(`{"type":1,"target":"m","arguments":["b"]}`)
}

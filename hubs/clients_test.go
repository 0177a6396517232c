package hubs_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// member is a connected client with its id.
type member struct {
	*client
	id string
}

// crowd connects clients as the users named.
func crowd(t *testing.T, s *server, users ...string) []member {
	t.Helper()
	var members []member
	for _, user := range users {
		c := s.connectAs(user)
		c.send(`{"type":1,"invocationId":"id","target":"ID","arguments":[]}`)
		record, err := c.next()
		require.NoError(t, err)
		const head = `{"type":3,"invocationId":"id","result":"`
		require.Contains(t, record, head)
		members = append(members, member{c, record[len(head) : len(record)-2]})
	}
	return members
}

// expectHeard checks how often each client hears a message sent by send, before
// one to all that follows.
func expectHeard(t *testing.T, s *server, members []member, send func() error, times ...int) {
	t.Helper()
	require.NoError(t, send())
	require.NoError(t, s.Clients().All().Send(context.Background(), "end"))
	for i, m := range members {
		for range times[i] {
			m.expect(`{"type":1,"target":"m","arguments":[1,"two"]}`)
		}
		m.expect(`{"type":1,"target":"end","arguments":[]}`)
	}
}

func TestSelectorsFromOutside(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithUserID(userHeader))
	ms := crowd(t, s, "ada", "ada", "bob", "")
	ctx := context.Background()
	groups := s.Groups()
	for _, add := range []struct {
		group string
		who   int
	}{{"g", 0}, {"g", 2}, {"g", 2}, {"h", 2}, {"h", 3}, {"G", 1}} {
		require.NoError(t, groups.Add(ctx, ms[add.who].id, add.group))
	}
	require.NoError(t, groups.Add(ctx, ms[1].id, "g"))
	require.NoError(t, groups.Remove(ctx, ms[1].id, "g"))
	require.NoError(t, groups.Remove(ctx, ms[1].id, "never"))
	require.NoError(t, groups.Add(ctx, "nobody", "g"))
	require.NoError(t, groups.Remove(ctx, "nobody", "g"))
	require.Error(t, groups.Add(ctx, ms[0].id, ""))
	require.Error(t, groups.Remove(ctx, ms[0].id, ""))

	cl := s.Clients()
	for _, tt := range []struct {
		name   string
		target hubs.Target
		times  []int
	}{
		{"All", cl.All(), []int{1, 1, 1, 1}},
		{"AllExcept", cl.AllExcept(ms[0].id, ms[3].id, "nobody"), []int{0, 1, 1, 0}},
		{"Client", cl.Client(ms[1].id), []int{0, 1, 0, 0}},
		{"Client unknown", cl.Client("nobody"), []int{0, 0, 0, 0}},
		{"Clients, each once", cl.Clients(ms[1].id, ms[2].id, ms[1].id), []int{0, 1, 1, 0}},
		{"Group", cl.Group("g"), []int{1, 0, 1, 0}},
		{"Group in another case", cl.Group("G"), []int{0, 1, 0, 0}},
		{"Group unknown", cl.Group("none"), []int{0, 0, 0, 0}},
		{"Groups, twice for two", cl.Groups("g", "h"), []int{1, 0, 2, 1}},
		{"GroupExcept", cl.GroupExcept("g", ms[0].id), []int{0, 0, 1, 0}},
		{"User", cl.User("ada"), []int{1, 1, 0, 0}},
		{"User in another case", cl.User("Ada"), []int{0, 0, 0, 0}},
		{"User without a name", cl.User(""), []int{0, 0, 0, 0}},
		{"Users", cl.Users("ada", "bob", "ada"), []int{1, 1, 1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectHeard(t, s, ms, func() error { return tt.target.Send(ctx, "m", 1, "two") }, tt.times...)
		})
	}
}

func TestSelectorsFromACall(t *testing.T) {
	t.Parallel()
	contexts := make(chan *hubs.Context, 1)
	release := make(chan struct{})
	s := serve(t, callHub{}, hubs.HandleVoid0("lend", func(c *hubs.Context) error {
		contexts <- c
		<-release
		return nil
	}))
	ms := crowd(t, s, "", "", "")
	ms[0].send(`{"type":1,"target":"lend","arguments":[]}`)
	c := await.Receive(t, contexts, "the context of the call")
	defer close(release)
	require.NoError(t, c.Groups().Add(c, ms[0].id, "g"))
	require.NoError(t, c.Groups().Add(c, ms[1].id, "g"))
	for _, tt := range []struct {
		name   string
		target hubs.Target
		times  []int
	}{
		{"Caller", c.Clients().Caller(), []int{1, 0, 0}},
		{"Others", c.Clients().Others(), []int{0, 1, 1}},
		{"OthersInGroup", c.Clients().OthersInGroup("g"), []int{0, 1, 0}},
		{"All", c.Clients().All(), []int{1, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			expectHeard(t, s, ms, func() error { return tt.target.Send(c, "m", 1, "two") }, tt.times...)
		})
	}
}

func TestSendErrors(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	ctx := context.Background()
	require.Error(t, hubs.Target{}.Send(ctx, "m"))
	require.Error(t, hubs.Target{}.Abort(ctx, nil))
	require.Error(t, s.Clients().All().Send(ctx, ""))
	require.Error(t, s.Clients().All().Send(ctx, "m", func() {}), "also when nobody is there")
}

// A connection that has ended is in no group any more.
func TestGroupsEndWithTheConnection(t *testing.T) {
	t.Parallel()
	d := newDiary()
	s := serve(t, callHub{}, hubs.WithOnDisconnected(d.onDisconnected))
	ms := crowd(t, s, "", "")
	ctx := context.Background()
	for _, m := range ms {
		require.NoError(t, s.Groups().Add(ctx, m.id, "g"))
	}
	ms[0].drop()
	d.expect(t, lostEntry)
	require.NoError(t, s.Groups().Add(ctx, ms[0].id, "h"))
	expectHeard(t, s, ms[1:], func() error { return s.Clients().Groups("g", "h").Send(ctx, "m", 1, "two") }, 1)
}

func TestAbortOfAUserEndsAllItsConnections(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithUserID(userHeader))
	ms := crowd(t, s, "ada", "bob", "ada")
	require.NoError(t, s.Clients().User("ada").Abort(context.Background(), nil), nil)
	ms[0].expect(`{"type":7}`)
	ms[2].expect(`{"type":7}`)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, ms[1].call("Echo", `"x"`))
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{})
	c := s.connect()
	ctx, all := context.Background(), s.Clients().All()
	e2 := hubs.NewEvent2[string, []int]("e2")
	require.Equal(t, "e2", e2.Name())
	require.NoError(t, hubs.NewEvent0("e0").Send(ctx, all))
	require.NoError(t, hubs.NewEvent1[bool]("e1").Send(ctx, all, true))
	require.NoError(t, e2.Send(ctx, all, "a", []int{1}))
	require.NoError(t, hubs.NewEvent3[int, int, int]("e3").Send(ctx, all, 1, 2, 3))
	require.NoError(t, hubs.NewEvent4[int, *int, int, point]("e4").Send(ctx, all, 1, nil, 3, point{4, 5}))
	c.expect(
		`{"type":1,"target":"e0","arguments":[]}`,
		`{"type":1,"target":"e1","arguments":[true]}`,
		`{"type":1,"target":"e2","arguments":["a",[1]]}`,
		`{"type":1,"target":"e3","arguments":[1,2,3]}`,
		`{"type":1,"target":"e4","arguments":[1,null,3,{"X":4,"Y":5}]}`,
	)
}

// Connections come and go while others send to all of them.
func TestSendsDuringConnectsAndDisconnects(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{})
	ctx, cancel := context.WithCancel(context.Background())
	var senders sync.WaitGroup
	for range 2 {
		senders.Go(func() {
			for ctx.Err() == nil {
				_ = s.Clients().All().Send(ctx, "m", 1, "two")
				_ = s.Clients().Group("g").Send(ctx, "m", 1, "two")
			}
		})
	}
	for range 20 {
		c := s.dial(nil)
		c.send(`{"protocol":"json","version":1}`)
		c.expect(`{}`, `{"type":1,"target":"m","arguments":[1,"two"]}`)
		c.drop()
	}
	cancel()
	await.Group(t, &senders, "the senders")
}

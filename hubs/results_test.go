package hubs_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// answer is the outcome of an Invoke.
type answer struct {
	value int
	err   error
}

// ask invokes a client method in the background, and returns the id of the
// invocation that the client then sees.
func ask(t *testing.T, ctx context.Context, target hubs.Target, c *client) (id string, outcome chan answer) {
	t.Helper()
	outcome = make(chan answer, 1)
	go func() {
		n, err := hubs.Invoke[int](ctx, target, "ask", "x")
		outcome <- answer{n, err}
	}()
	record, err := c.next()
	require.NoError(t, err)
	const head, tail = `{"type":1,"invocationId":"`, `","target":"ask","arguments":["x"]}`
	require.Greater(t, len(record), len(head)+len(tail))
	id = record[len(head) : len(record)-len(tail)]
	require.Equal(t, head+id+tail, record)
	return id, outcome
}

func TestClientResults(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{})
	m := crowd(t, s, "")[0]
	for _, tt := range []struct {
		name, completion string
		value            int
		error            string
	}{
		{"result", `"result":42`, 42, ""},
		{"null", `"result":null`, 0, ""},
		{"error", `"error":"no"`, 0, "no"},
		{"wrong type", `"result":"many"`, 0, "Error trying to deserialize result to int."},
		{"nothing", `"headers":{}`, 0, "Client didn't provide a result."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, outcome := ask(t, context.Background(), s.Clients().Client(m.id), m.client)
			m.send(`{"type":3,"invocationId":"` + id + `",` + tt.completion + `}`)
			got := await.Receive(t, outcome, "the client's result")
			if tt.error == "" {
				require.NoError(t, got.err)
				require.Equal(t, tt.value, got.value)
				return
			}
			require.ErrorContains(t, got.err, tt.error)
			var hubError *hubs.Error
			require.Equal(t, tt.name != "wrong type", errors.As(got.err, &hubError), "whether the text is for clients")
		})
	}
}

// The names of Go types reached the client whose call had asked another one.
func TestTypesOfResultsAreNothingForClients(t *testing.T) {
	t.Parallel()
	asking := hubs.Handle0("asking", func(c *hubs.Context) (int, error) { return hubs.Invoke[int](c, c.Clients().Caller(), "ask") })
	for name, test := range map[string]struct {
		opts []hubs.Option
		want string
	}{
		"by default": {nil, ""},
		"in detail": {[]hubs.Option{hubs.WithDetailedErrors()},
			" HubException: Error trying to deserialize result to int. json: cannot unmarshal string into Go value of type int"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, nil, append(test.opts, asking)...).connect()
			c.send(`{"type":1,"invocationId":"1","target":"asking","arguments":[]}`)
			record, err := c.next()
			require.NoError(t, err)
			var question struct{ InvocationID string }
			require.NoError(t, json.Unmarshal([]byte(record), &question))
			c.send(`{"type":3,"invocationId":"` + question.InvocationID + `","result":"many"}`)
			c.expect(`{"type":3,"invocationId":"1","error":"An unexpected error occurred invoking 'asking' on the server.` + test.want + `"}`)
		})
	}
}

func TestClientResultsWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{})
	ms := crowd(t, s, "", "", "")
	ctx := context.Background()

	_, err := hubs.Invoke[int](ctx, s.Clients().Client("nobody"), "ask")
	require.EqualError(t, err, "Connection 'nobody' does not exist.")
	for _, target := range []hubs.Target{s.Clients().All(), s.Clients().Group("g"), s.Clients().User("u"),
		s.Clients().Clients(ms[0].id, ms[1].id), s.Clients().AllExcept()} {
		_, err = hubs.Invoke[int](ctx, target, "ask")
		require.ErrorContains(t, err, "one connection")
	}
	_, err = hubs.Invoke[int](ctx, hubs.Target{}, "ask")
	require.Error(t, err)
	_, err = hubs.Invoke[int](ctx, s.Clients().Client(ms[0].id), "")
	require.Error(t, err)
	_, err = hubs.Invoke[int](ctx, s.Clients().Client(ms[0].id), "ask", func() {})
	require.Error(t, err)

	// The context is done first: nothing is sent, and a late answer is ignored.
	cancelled, cancel := context.WithCancelCause(ctx)
	id, outcome := ask(t, cancelled, s.Clients().Client(ms[0].id), ms[0].client)
	reason := errors.New("changed my mind")
	cancel(reason)
	got := await.Receive(t, outcome, "the client's result")
	require.ErrorIs(t, got.err, reason)
	require.ErrorContains(t, got.err, "Invocation canceled by the server")
	ms[0].send(`{"type":3,"invocationId":"` + id + `","result":1}`)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, ms[0].call("Echo", `"x"`))

	// The connection is lost first.
	_, outcome = ask(t, ctx, s.Clients().Client(ms[0].id), ms[0].client)
	ms[0].drop()
	got = await.Receive(t, outcome, "the client's result")
	require.EqualError(t, got.err, "Connection '"+ms[0].id+"' disconnected.")
	var gone *hubs.NotConnectedError
	require.ErrorAs(t, got.err, &gone)

	// Somebody else answers: that ends the offender's connection, and the
	// call goes on.
	id, outcome = ask(t, ctx, s.Clients().Client(ms[1].id), ms[1].client)
	ms[2].send(`{"type":3,"invocationId":"` + id + `","result":666}`)
	ms[2].expect(`{"type":7,"error":"Connection closed with an error.","allowReconnect":true}`)
	ms[1].send(`{"type":3,"invocationId":"` + id + `","result":1}`)
	require.Equal(t, answer{value: 1}, await.Receive(t, outcome, "the client's result"))
}

// A method that waits for its caller does not hold up the caller's other calls,
// so that the caller may need them to find its answer.
func TestClientResultsInsideCalls(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.Handle0("question", func(c *hubs.Context) (int, error) {
		ctx, cancel := context.WithTimeout(c, await.Timeout)
		defer cancel()
		return hubs.Invoke[int](ctx, c.Clients().Caller(), "ask", "x")
	}))
	c := s.connect()
	const calls = 10
	for range calls {
		c.send(`{"type":1,"invocationId":"q","target":"question","arguments":[]}`)
	}
	var ids []string
	for range calls {
		record, err := c.next()
		require.NoError(t, err)
		const head = `{"type":1,"invocationId":"`
		ids = append(ids, record[len(head):len(record)-len(`","target":"ask","arguments":["x"]}`)])
	}
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
	for _, id := range ids {
		c.send(`{"type":3,"invocationId":"` + id + `","result":7}`)
	}
	for range calls {
		c.expect(`{"type":3,"invocationId":"q","result":7}`)
	}
	// The slots are as before: calls run one at a time again.
	require.Equal(t, `{"type":3,"invocationId":"call","result":"y"}`, c.call("Echo", `"y"`))
}

// A client that answers nothing has no more calls at once by that than streams.
func TestTooManyCallsThatWaitForClients(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := servePipes(t, callHub{}, hubs.WithMaximumStreams(2), hubs.Handle0("question", func(c *hubs.Context) (int, error) {
			return hubs.Invoke[int](c, c.Clients().Caller(), "ask")
		})).connect()
		question := func(id string) {
			c.send(`{"type":1,"invocationId":"` + id + `","target":"question","arguments":[]}`)
		}
		asked := func(id string) {
			c.expect(`{"type":1,"invocationId":"` + id + `","target":"ask","arguments":[]}`)
		}
		refused := func(id string) {
			c.expect(`{"type":3,"invocationId":"` + id + `","error":"An unexpected error occurred invoking 'question' on the server. ` +
				`HubException: There are too many calls that wait for clients: 2 at most."}`)
		}
		question("1")
		asked("s1") // calls that have asked go on beside each other: the second one could be first
		question("2")
		asked("s2")
		question("3")
		refused("3")
		require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, c.call("Echo", `"x"`))
		question("4")
		refused("4")
		c.send(`{"type":3,"invocationId":"s1","result":7}`)
		c.expect(`{"type":3,"invocationId":"1","result":7}`)
		synctest.Wait() // a call counts until just after its answer
		require.Equal(t, `{"type":3,"invocationId":"call","result":"y"}`, c.call("Echo", `"y"`))
		question("5")
		asked("s3")
		question("6")
		refused("6")
	})
}

func TestClientResultsInOnConnectedAreRefused(t *testing.T) {
	t.Parallel()
	outcome := make(chan error, 1)
	s := serve(t, nil, hubs.WithOnConnected(func(c *hubs.Context) error {
		_, err := hubs.Invoke[int](c, c.Clients().Caller(), "ask")
		outcome <- err
		return nil
	}))
	s.connect()
	require.ErrorIs(t, await.Receive(t, outcome, "the client's result"), hubs.ErrInOnConnected)
}

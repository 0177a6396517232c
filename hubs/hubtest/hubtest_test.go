package hubtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/protocol"
	"github.com/go-signalr/signalr/transports"
)

// TestMain fails when a test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chat has what the tests need of a hub.
type chat struct{ diary chan string }

type line struct {
	User string    `json:"user"`
	Text string    `json:"text"`
	At   time.Time `json:"at"`
}

func (h *chat) OnConnected(c *hubs.Context) error {
	if c.UserID() == "mallory" {
		return hubs.NewError("you again")
	}
	return c.Groups().Add(c, c.ConnectionID(), "lobby")
}

func (h *chat) OnDisconnected(c *hubs.Context, _ error) {
	if h.diary != nil {
		h.diary <- "disconnected " + c.UserID()
	}
}

func (h *chat) Send(c *hubs.Context, text string) error {
	return c.Clients().Group("lobby").Send(c, "messageReceived", c.UserID(), text)
}

func (h *chat) SendLine(c *hubs.Context, l line) error {
	return c.Clients().All().Send(c, "line", l, map[string]int{"a": 1, "b": 2, "c": 3}, int64(1)<<53+1)
}

func (h *chat) ID(c *hubs.Context) string                  { return c.ConnectionID() }
func (h *chat) Path(c *hubs.Context) string                { return c.Request().URL.Path }
func (h *chat) Query(c *hubs.Context) string               { return c.Request().URL.Query().Get("room") }
func (h *chat) Remote(c *hubs.Context) string              { return c.Request().RemoteAddr }
func (h *chat) Add(_ *hubs.Context, a, b int) int          { return a + b }
func (h *chat) Fail(*hubs.Context) error                   { return hubs.NewError("out of tea") }
func (h *chat) Abort(c *hubs.Context)                      { c.Abort(nil) }
func (h *chat) Wait(c *hubs.Context) error                 { <-c.Done(); return hubs.Errorf("%w", context.Cause(c)) }
func (h *chat) Echo(_ *hubs.Context, v any) any            { return v }
func (h *chat) EchoBytes(_ *hubs.Context, b []byte) []byte { return b }

func (h *chat) Ask(c *hubs.Context, question string) (string, error) {
	answer, err := hubs.Invoke[string](c, c.Clients().Caller(), "answer", question, 3)
	if err != nil {
		return "", hubs.Errorf("asked: %w", err)
	}
	return answer, nil
}

func (h *chat) Count(c *hubs.Context, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				if h.diary != nil {
					h.diary <- "cancelled"
				}
				return
			}
		}
		yield(0, hubs.NewError("that is all"))
	}
}

func (h *chat) Sum(_ *hubs.Context, first int, numbers iter.Seq2[int, error]) (int, error) {
	for n, err := range numbers {
		if err != nil {
			return 0, hubs.Errorf("after %d: %w", first, err)
		}
		first += n
	}
	return first, nil
}

func (h *chat) First(_ *hubs.Context, numbers <-chan int) int { return <-numbers }

// newHub returns a hub that is shut down at the end of the test: connections
// that were negotiated but never opened would keep it busy for a while.
func newHub(t testing.TB, impl any, opts ...hubs.Option) *hubs.Hub {
	t.Helper()
	hub, err := hubs.New(impl, append([]hubs.Option{
		hubs.WithLogger(slog.New(slog.DiscardHandler)),
		hubs.WithProtocols(protocol.NewJSON(), protocol.NewMessagePack()),
		hubs.WithUserID(func(r *http.Request) string { return r.Header.Get("User") }),
	}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { shutdown(t, hub) })
	return hub
}

func shutdown(t testing.TB, hub *hubs.Hub) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	require.NoError(t, hub.Shutdown(ctx), "shutdown of the hub")
}

// protocols runs a test with each protocol.
func protocols(t *testing.T, test func(t *testing.T, connect func(user string) *hubtest.Client, h *chat)) {
	for _, p := range []protocol.Protocol{protocol.NewJSON(), protocol.NewMessagePack()} {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			h := &chat{diary: make(chan string, 10)}
			server := hubtest.NewServer(t, newHub(t, h))
			test(t, func(user string) *hubtest.Client {
				t.Helper()
				return server.Connect(hubtest.WithProtocol(p), hubtest.WithHeader("User", user))
			}, h)
		})
	}
}

func TestCalls(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, connect func(string) *hubtest.Client, _ *chat) {
		c := connect("ada")
		sum, err := hubtest.Invoke[int](c, "Add", 1, 2)
		require.NoError(t, err)
		require.Equal(t, 3, sum)

		id, err := hubtest.Invoke[string](c, "ID")
		require.NoError(t, err)
		require.Equal(t, c.ID(), id)

		bytes, err := hubtest.Invoke[[]byte](c, "EchoBytes", []byte{1, 2})
		require.NoError(t, err)
		require.Equal(t, []byte{1, 2}, bytes)

		null, err := hubtest.Invoke[*line](c, "Echo", nil)
		require.NoError(t, err)
		require.Nil(t, null)

		_, err = hubtest.Invoke[int](c, "Echo", "text")
		require.Error(t, err, "a result of another type")

		err = c.Invoke("Fail")
		failure := (*hubtest.Error)(nil)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "An unexpected error occurred invoking 'Fail' on the server. HubException: out of tea", failure.Text)
		require.Error(t, c.Invoke("Echo", func() {}), "an argument that cannot be encoded")
	})
}

func TestMessagesAreReceived(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, connect func(string) *hubtest.Client, _ *chat) {
		ada, bob := connect("ada"), connect("bob")
		ada.ExpectNothing()
		for _, text := range []string{"one", "two", "three"} {
			require.NoError(t, ada.Invoke("Send", text))
		}
		var user, text string
		bob.Receive("MESSAGEreceived", &user, &text)
		require.Equal(t, "ada one", user+" "+text)
		bob.Expect("messageReceived", "ada", "two")
		bob.Expect("messageReceived", "ada", "three")
		bob.ExpectNothing()

		at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		bob.Send("SendLine", line{"bob", "hi", at})
		ada.Expect("line", line{"bob", "hi", at}, map[string]int{"c": 3, "b": 2, "a": 1}, int64(1)<<53+1)
		ada.ExpectNothing("line")
	})
}

func TestClientResults(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, connect func(string) *hubtest.Client, _ *chat) {
		c := connect("ada")
		ask := func() string {
			answer, err := hubtest.Invoke[string](c, "Ask", "why?")
			if err != nil {
				return err.Error()
			}
			return answer
		}
		require.Contains(t, ask(), "asked: Client didn't provide a result.")
		c.Handle("answer", func(question string, times int) string { return fmt.Sprint(question, times) })
		require.Equal(t, "why?3", ask())
		c.Handle("Answer", func(string, int) (string, error) { return "", errors.New("no idea") })
		require.Contains(t, ask(), "asked: no idea")
		c.Handle("answer", func(string) string { return "" })
		require.Contains(t, ask(), "the function takes 1 arguments, not 2")
		c.Handle("answer", func(int, int) string { return "" })
		require.Contains(t, ask(), "asked: ")
	})
}

// The typed questions of package hubs reach the client with all their arguments.
func TestQueries(t *testing.T) {
	t.Parallel()
	hub := newHub(t, nil)
	c := hubtest.NewServer(t, hub).Connect()
	to := hub.Clients().Client(c.ID())
	c.Handle("q0", func() int { return 0 })
	c.Handle("q1", func(a int) int { return a })
	c.Handle("q2", func(a, b int) int { return a + b })
	c.Handle("q3", func(a, b, c int) int { return a + b + c })
	c.Handle("q4", func(a, b, c, d int) int { return a + b + c + d })
	for i, ask := range []func(context.Context) (int, error){
		func(ctx context.Context) (int, error) { return hubs.NewQuery0[int]("q0").Ask(ctx, to) },
		func(ctx context.Context) (int, error) { return hubs.NewQuery1[int, int]("q1").Ask(ctx, to, 1) },
		func(ctx context.Context) (int, error) { return hubs.NewQuery2[int, int, int]("q2").Ask(ctx, to, 1, 1) },
		func(ctx context.Context) (int, error) {
			return hubs.NewQuery3[int, int, int, int]("q3").Ask(ctx, to, 1, 1, 1)
		},
		func(ctx context.Context) (int, error) {
			return hubs.NewQuery4[int, int, int, int, int]("q4").Ask(ctx, to, 1, 1, 1, 1)
		},
	} {
		answer, err := ask(t.Context())
		require.NoError(t, err)
		require.Equal(t, i, answer)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, connect func(string) *hubtest.Client, h *chat) {
		c := connect("ada")
		var got []int
		var failure error
		for n, err := range hubtest.Stream[int](c, "Count", 3) {
			if err != nil {
				failure = err
				break
			}
			got = append(got, n)
		}
		require.Equal(t, []int{0, 1, 2}, got)
		require.EqualError(t, failure, "An error occurred on the server while streaming results. HubException: that is all")

		for n, err := range hubtest.Stream[int](c, "Count", 1<<60) {
			require.NoError(t, err)
			if n == 5 {
				break
			}
		}
		require.Equal(t, "cancelled", await.Receive(t, h.diary, "the end of the stream that was not read to its end"))

		for _, err := range hubtest.Stream[string](c, "Count", 1<<60) {
			require.Error(t, err, "an item of another type")
		}
		require.Equal(t, "cancelled", await.Receive(t, h.diary, "the end of the stream that was not read to its end"))

		for _, err := range hubtest.Stream[int](c, "Add", 1, 2) {
			require.ErrorContains(t, err, "non-streaming")
		}
	})
}

func TestUploads(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, connect func(string) *hubtest.Client, _ *chat) {
		c := connect("ada")
		sum, err := hubtest.Invoke[int](c, "Sum", slices.Values([]int{1, 2, 3}), 4)
		require.NoError(t, err)
		require.Equal(t, 10, sum)

		numbers := make(chan int, 3)
		for n := range 3 {
			numbers <- n
		}
		close(numbers)
		sum, err = hubtest.Invoke[int](c, "Sum", 0, numbers)
		require.NoError(t, err)
		require.Equal(t, 3, sum)

		_, err = hubtest.Invoke[int](c, "Sum", 0, iter.Seq2[int, error](func(yield func(int, error) bool) {
			_ = yield(1, nil) && yield(0, errors.New("no more"))
		}))
		require.ErrorContains(t, err, "after 1: no more")

		_, err = hubtest.Invoke[int](c, "Sum", 0, slices.Values([]any{1, func() {}}))
		require.ErrorContains(t, err, "after 1: ")
	})

	t.Run("ends with the call", func(t *testing.T) {
		t.Parallel()
		c := hubtest.NewServer(t, newHub(t, &chat{})).Connect()
		endless := func(yield func(int) bool) {
			for yield(7) {
			}
		}
		first, err := hubtest.Invoke[int](c, "First", endless)
		require.NoError(t, err)
		require.Equal(t, 7, first)
		numbers := make(chan int, 1)
		numbers <- 8 // and never another
		first, err = hubtest.Invoke[int](c, "First", numbers)
		require.NoError(t, err)
		require.Equal(t, 8, first)
	})
}

func TestCallsOverlap(t *testing.T) {
	t.Parallel()
	c := hubtest.NewServer(t, newHub(t, &chat{}, hubs.WithMaximumParallelInvocations(2))).Connect()
	cut, cancelled := c.Start("Wait"), c.Start("Wait")
	cancelled.Cancel()
	require.ErrorContains(t, cancelled.Wait(nil), "the client has cancelled the call")
	require.NoError(t, c.Invoke("Add", 1, 2))
	c.Drop()
	require.ErrorAs(t, cut.Wait(nil), new(*hubtest.ClosedError))
	require.ErrorAs(t, c.Invoke("Add", 1, 2), new(*hubtest.ClosedError))
	c.ExpectNothing()
}

func TestRequestsAreReal(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	hub := newHub(t, &chat{})
	mux.Handle("/chat", hub)
	mux.Handle("/chat/", hub)
	s := hubtest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User") == "eve" {
			http.Error(w, "not you", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	c := s.Connect(hubtest.WithURL("/chat?room=a%26b"))
	for method, want := range map[string]string{"Path": "/chat", "Query": "a&b", "Remote": "192.0.2.1:1234"} {
		got, err := hubtest.Invoke[string](c, method)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}

	_, err := s.Dial(hubtest.WithURL("/chat"), hubtest.WithHeader("User", "eve"))
	status := (*hubtest.StatusError)(nil)
	require.ErrorAs(t, err, &status)
	require.Equal(t, http.StatusUnauthorized, status.Code)
	require.Equal(t, "not you\n", status.Body)
	require.EqualError(t, err, "hubtest: the server answered 401 Unauthorized: not you")
	_, err = s.Dial(hubtest.WithURL("/elsewhere"))
	require.ErrorAs(t, err, &status)
	require.Equal(t, http.StatusNotFound, status.Code)
	_, err = s.Dial(hubtest.WithURL("/chat"), hubtest.WithHeader("Origin", "https://evil.example"))
	require.EqualError(t, err, "hubtest: the server answered 403 Forbidden")
	_, err = s.Dial(hubtest.WithURL(":"))
	require.Error(t, err)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	_, err := hubtest.NewServer(t, newHub(t, nil, hubs.WithProtocols(protocol.NewJSON()))).
		Dial(hubtest.WithProtocol(protocol.NewMessagePack()))
	refused := (*protocol.HandshakeError)(nil)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "The protocol 'messagepack' is not supported.", refused.Text)

	_, err = hubtest.NewServer(t, newHub(t, nil, hubs.WithEndpoint(transports.WithTransports(transports.LongPolling)))).Dial()
	require.ErrorContains(t, err, "no WebSockets")

	_, err = hubtest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<html>")
	})).Dial()
	require.ErrorContains(t, err, "no hub")
}

func TestEndings(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, connect func(string) *hubtest.Client, h *chat) {
		c := connect("ada")
		c.Close()
		require.Equal(t, "disconnected ada", await.Receive(t, h.diary, "OnDisconnected of the client that closed"))
		require.Equal(t, &hubtest.ClosedError{}, c.Closed())
		c.Close()

		c = connect("bob")
		c.Send("Abort")
		require.Equal(t, &hubtest.ClosedError{}, c.Closed())
		require.Equal(t, "disconnected bob", await.Receive(t, h.diary, "OnDisconnected of the client that was aborted"))

		c = connect("cid")
		c.Drop()
		require.Equal(t, "disconnected cid", await.Receive(t, h.diary, "OnDisconnected of the client that dropped its connection"))
	})
	hub := newHub(t, &chat{})
	c := hubtest.NewServer(t, hub).Connect()
	shutdown(t, hub)
	require.Equal(t, &hubtest.ClosedError{AllowReconnect: true}, c.Closed())
}

// The client timeout takes half a minute, which is no time at all in a bubble.
// The server's pings do not disturb anybody meanwhile.
func TestTimeIsFakeInBubbles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := hubtest.NewServer(t, newHub(t, &chat{}, hubs.WithDetailedErrors()))
		lively, silent := server.Connect(), server.Connect(hubtest.WithoutPings())
		start := time.Now()
		time.Sleep(20 * time.Second)
		silent.Ping()
		time.Sleep(20 * time.Second)
		require.NoError(t, silent.Invoke("Add", 1, 2))
		last := time.Now()
		require.Equal(t, &hubtest.ClosedError{
			Text:           "Connection closed with an error. OperationCanceledException: " + hubs.ErrClientTimeout.Error(),
			AllowReconnect: true,
		}, silent.Closed())
		const spare = time.Second // a tick
		require.InDelta(t, hubs.DefaultClientTimeout+spare, time.Since(last), float64(2*time.Second))
		time.Sleep(time.Hour)
		require.NoError(t, lively.Invoke("Add", 1, 2))
		require.Greater(t, time.Since(start), time.Hour)
	})
}

package hubs_test

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// streamHub has streams of every shape, in both directions.
type streamHub struct{}

func (streamHub) Seq(_ *hubs.Context, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (streamHub) Chan(_ *hubs.Context, n int) (<-chan int, error) {
	ch := make(chan int, n)
	for i := range n {
		ch <- i
	}
	close(ch)
	return ch, nil
}

func (streamHub) Both(*hubs.Context) chan string {
	ch := make(chan string, 1)
	ch <- "x"
	close(ch)
	return ch
}

func (streamHub) FailsBefore(*hubs.Context) (iter.Seq2[int, error], error) {
	return nil, errors.New("too early")
}

func (streamHub) FailsWithin(_ *hubs.Context, open bool) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if !yield(1, nil) {
			return
		}
		if open {
			yield(0, hubs.NewError("so far"))
		} else {
			yield(0, errors.New("secret"))
		}
	}
}

func (streamHub) Panics(*hubs.Context) iter.Seq2[int, error] {
	return func(func(int, error) bool) { panic("boom") }
}
func (streamHub) Unencodable(*hubs.Context) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) { yield(func() {}, nil) }
}
func (streamHub) NilSeq(*hubs.Context) iter.Seq2[int, error] { return nil }
func (streamHub) NilChan(*hubs.Context) (<-chan int, error)  { return nil, nil }
func (streamHub) Plain(*hubs.Context) int                    { return 1 }
func (streamHub) Waits(c *hubs.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		<-c.Done()
		yield(0, c.Err())
	}
}

func (streamHub) Concat(_ *hubs.Context, in iter.Seq2[string, error], end string) (string, error) {
	var all strings.Builder
	for s, err := range in {
		if err != nil {
			return "", err
		}
		all.WriteString(s)
	}
	return all.String() + end, nil
}

func (streamHub) Two(_ *hubs.Context, a <-chan int, factor int, b <-chan int) int {
	total := 0
	for a != nil || b != nil {
		select {
		case n, ok := <-a:
			if !ok {
				a = nil
			}
			total += n
		case n, ok := <-b:
			if !ok {
				b = nil
			}
			total += n * factor
		}
	}
	return total
}

func (streamHub) First(_ *hubs.Context, in iter.Seq2[int, error]) (int, error) {
	for n, err := range in {
		return n, err
	}
	return 0, io.EOF
}

// Double streams in both directions at once.
func (streamHub) Double(_ *hubs.Context, in iter.Seq2[int, error]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for n, err := range in {
			if !yield(2*n, err) {
				return
			}
		}
	}
}

func TestStreamsToTheClient(t *testing.T) {
	t.Parallel()
	c := serve(t, streamHub{}).connect()
	item := func(json string) string { return `{"type":2,"invocationId":"1","item":` + json + `}` }
	const end = `{"type":3,"invocationId":"1"}`
	failed := func(text string) string { return `{"type":3,"invocationId":"1","error":"` + text + `"}` }
	for _, tt := range []struct {
		method, args string
		want         []string
	}{
		{"Seq", `3`, []string{item(`0`), item(`1`), item(`2`), end}},
		{"Seq", `0`, []string{end}},
		{"Chan", `2`, []string{item(`0`), item(`1`), end}},
		{"Both", ``, []string{item(`"x"`), end}},
		{"FailsBefore", ``, []string{failed("An unexpected error occurred invoking 'FailsBefore' on the server.")}},
		{"FailsWithin", `false`, []string{item(`1`), failed("An error occurred on the server while streaming results.")}},
		{"FailsWithin", `true`, []string{item(`1`), failed("An error occurred on the server while streaming results. HubException: so far")}},
		{"Panics", ``, []string{failed("An error occurred on the server while streaming results.")}},
		{"Unencodable", ``, []string{failed("An error occurred on the server while streaming results.")}},
		{"NilSeq", ``, []string{failed("The streaming method 'NilSeq' returned nil instead of a stream.")}},
		{"NilChan", ``, []string{failed("The streaming method 'NilChan' returned nil instead of a stream.")}},
		{"Plain", ``, []string{failed("The client attempted to invoke the non-streaming 'Plain' method with a streaming invocation.")}},
		{"Missing", ``, []string{failed("Failed to invoke 'Missing' due to an error on the server. HubException: Method does not exist.")}},
	} {
		c.send(`{"type":4,"invocationId":"1","target":"` + tt.method + `","arguments":[` + tt.args + `]}`)
		c.expect(tt.want...)
	}
	require.Equal(t, `{"type":3,"invocationId":"call","error":"The client attempted to invoke the streaming 'Seq' method with a non-streaming invocation."}`, c.call("seq", `1`))
}

// A cancelled stream ends without error, whatever its producer does.
func TestCancelOfAStream(t *testing.T) {
	t.Parallel()
	c := serve(t, streamHub{}).connect()
	for i := range 100 { // a cancel works every time
		id := fmt.Sprint(i)
		c.send(`{"type":4,"invocationId":"`+id+`","target":"Waits","arguments":[]}`, `{"type":5,"invocationId":"`+id+`"}`)
		c.expect(`{"type":3,"invocationId":"` + id + `"}`)
	}
}

func TestCancelOfAPlainCall(t *testing.T) {
	t.Parallel()
	g := newGate()
	s := serve(t, nil, g.handler(), hubs.Handle0("wait", func(c *hubs.Context) (string, error) {
		g.entered <- 0
		<-c.Done()
		return "cancelled", nil
	}))
	c := s.connect()
	c.send(`{"type":1,"invocationId":"1","target":"wait","arguments":[]}`, `{"type":1,"invocationId":"2","target":"wait","arguments":[]}`)
	await.Receive(t, g.entered, "the start of a call")
	c.send(`{"type":5,"invocationId":"2"}`, `{"type":5,"invocationId":"1"}`) // one waits, one runs
	c.expect(`{"type":3,"invocationId":"1","result":"cancelled"}`, `{"type":3,"invocationId":"2","result":"cancelled"}`)
}

func TestStreamIDInUse(t *testing.T) {
	t.Parallel()
	c := serve(t, streamHub{}).connect()
	c.send(`{"type":4,"invocationId":"1","target":"Waits","arguments":[]}`, `{"type":4,"invocationId":"1","target":"Waits","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"1","error":"Invocation ID '1' is already in use."}`)
	c.send(`{"type":1,"invocationId":"2","target":"First","arguments":[],"streamIds":["u"]}`,
		`{"type":1,"invocationId":"3","target":"First","arguments":[],"streamIds":["u"]}`)
	c.expect(`{"type":3,"invocationId":"3","error":"An unexpected error occurred invoking 'First' on the server. HubException: Stream ID 'u' is already in use."}`)
	c.send(`{"type":1,"invocationId":"4","target":"Two","arguments":[1],"streamIds":["a","a"]}`)
	c.expect(`{"type":3,"invocationId":"4","error":"An unexpected error occurred invoking 'Two' on the server. HubException: Stream ID 'a' is already in use."}`)
	c.send(`{"type":2,"invocationId":"u","item":7}`)
	c.expect(`{"type":3,"invocationId":"2","result":7}`)
}

// An answered stream's id is free for the client's next one at once.
func TestStreamIDsAreFreeAfterTheAnswer(t *testing.T) {
	t.Parallel()
	c := serve(t, streamHub{}).connect()
	for range 1000 {
		c.send(`{"type":4,"invocationId":"1","target":"Seq","arguments":[1]}`)
		c.expect(`{"type":2,"invocationId":"1","item":0}`, `{"type":3,"invocationId":"1"}`)
	}
}

func TestStreamsFromTheClient(t *testing.T) {
	t.Parallel()
	c := serve(t, streamHub{}).connect()
	// Mixed with a plain argument; arguments and streams in any order.
	c.send(`{"type":1,"invocationId":"1","target":"Concat","arguments":["!"],"streamIds":["u"]}`,
		`{"type":2,"invocationId":"u","item":"a"}`, `{"item":"b","invocationId":"u","type":2}`, `{"type":3,"invocationId":"u"}`)
	c.expect(`{"type":3,"invocationId":"1","result":"ab!"}`)
	// Two at once.
	c.send(`{"type":1,"invocationId":"2","target":"Two","arguments":[10],"streamIds":["a","b"]}`,
		`{"type":2,"invocationId":"b","item":1}`, `{"type":2,"invocationId":"a","item":2}`, `{"type":3,"invocationId":"b"}`,
		`{"type":2,"invocationId":"a","item":3}`, `{"type":3,"invocationId":"a"}`)
	c.expect(`{"type":3,"invocationId":"2","result":15}`)
	// In both directions.
	c.send(`{"type":4,"invocationId":"3","target":"Double","arguments":[],"streamIds":["u"]}`, `{"type":2,"invocationId":"u","item":21}`)
	c.expect(`{"type":2,"invocationId":"3","item":42}`)
	c.send(`{"type":3,"invocationId":"u"}`)
	c.expect(`{"type":3,"invocationId":"3"}`)
	// The method has returned: late items are ignored.
	c.send(`{"type":1,"invocationId":"4","target":"First","arguments":[],"streamIds":["u"]}`, `{"type":2,"invocationId":"u","item":1}`)
	c.expect(`{"type":3,"invocationId":"4","result":1}`)
	c.send(`{"type":2,"invocationId":"u","item":"late"}`, `{"type":3,"invocationId":"u","error":"late"}`)
	// Wrong number of streams.
	c.send(`{"type":1,"invocationId":"5","target":"First","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"5","error":"An unexpected error occurred invoking 'First' on the server. HubException: Client sent 0 stream(s), Hub method expects 1."}`)
}

// A stream that the client fails, or that does not decode, fails its call and
// not the connection.
func TestStreamsFromTheClientThatFail(t *testing.T) {
	t.Parallel()
	c := serve(t, streamHub{}, hubs.WithDetailedErrors()).connect()
	for i, tt := range []struct{ method, args, item, end, text string }{
		{"Concat", `""`, `"a"`, `,"error":"Something bad"`, "HubException: Something bad"},
		{"Concat", `""`, `1`, ``, "InvalidDataException: Failed to bind Stream message. Argument 1 (string): json: cannot unmarshal number into Go value of type string"},
		{"Two", `1`, `1`, `,"error":"Something bad"`, "HubException: Something bad"},
		{"Two", `1`, `"one"`, ``, "InvalidDataException: Failed to bind Stream message. Argument 1 (int): json: cannot unmarshal string into Go value of type int"},
	} {
		streams := `"u"`
		if tt.method == "Two" {
			streams = `"u","v"`
		}
		c.send(fmt.Sprintf(`{"type":1,"invocationId":"%d","target":"%s","arguments":[%s],"streamIds":[%s]}`, i, tt.method, tt.args, streams),
			`{"type":2,"invocationId":"u","item":`+tt.item+`}`, `{"type":3,"invocationId":"v"}`, `{"type":3,"invocationId":"u"`+tt.end+`}`)
		c.expect(fmt.Sprintf(`{"type":3,"invocationId":"%d","error":"An unexpected error occurred invoking '%s' on the server. %s"}`, i, tt.method, tt.text))
	}
}

// Streams in both directions end with the connection.
func TestStreamsEndWithTheConnection(t *testing.T) {
	t.Parallel()
	d := newDiary()
	s := serve(t, streamHub{}, hubs.WithMaximumStreams(2000), hubs.WithOnDisconnected(d.onDisconnected),
		hubs.HandleVoid1("drain", func(_ *hubs.Context, in iter.Seq2[int, error]) error {
			for _, err := range in {
				if err != nil {
					d <- "upload failed"
					return err
				}
			}
			d <- "upload ended"
			return nil
		}))
	c := s.connect()
	for i := range 1000 {
		c.send(fmt.Sprintf(`{"type":4,"invocationId":"%d","target":"Waits","arguments":[]}`, i))
	}
	c.send(`{"type":1,"target":"drain","arguments":[],"streamIds":["u"]}`, `{"type":2,"invocationId":"u","item":1}`)
	require.Equal(t, `{"type":3,"invocationId":"call","result":1}`, c.call("Plain"))
	c.drop()
	d.expect(t, "upload failed")
	d.expect(t, lostEntry) // after the calls
}

func TestTooManyStreams(t *testing.T) {
	t.Parallel()
	c := serve(t, streamHub{}, hubs.WithMaximumStreams(2)).connect()
	c.send(`{"type":4,"invocationId":"1","target":"Waits","arguments":[]}`,
		`{"type":1,"invocationId":"2","target":"First","arguments":[],"streamIds":["u"]}`,
		`{"type":4,"invocationId":"3","target":"Waits","arguments":[]}`)
	c.expect(`{"type":3,"invocationId":"3","error":"An unexpected error occurred invoking 'Waits' on the server. HubException: There are too many streams: 2 at most."}`)
	c.send(`{"type":5,"invocationId":"1"}`)
	c.expect(`{"type":3,"invocationId":"1"}`)
	c.send(`{"type":4,"invocationId":"3","target":"Seq","arguments":[0]}`)
	c.expect(`{"type":3,"invocationId":"3"}`)
}

// A slow consumer holds back its own stream and nothing else, while the buffers
// last; then the client is held back, and nothing is lost.
func TestSlowConsumerOfAStream(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := serve(t, streamHub{}, hubs.WithStreamBufferCapacity(5), hubs.WithInputBufferSize(10_000),
		hubs.Handle1("slow", func(_ *hubs.Context, in iter.Seq2[string, error]) (int, error) {
			<-release
			n := 0
			for _, err := range in {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}))
	c := s.connect()
	c.send(`{"type":1,"invocationId":"slow","target":"slow","arguments":[],"streamIds":["u"]}`)
	item := `{"type":2,"invocationId":"u","item":"` + strings.Repeat("x", 1000) + `"}`
	for range 10 {
		c.send(item)
	}
	require.Equal(t, `{"type":3,"invocationId":"call","result":1}`, c.call("Plain"))
	sent := await.Go(t, func() (struct{}, error) {
		for range 1_000 {
			if err := c.trySend(item); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, c.trySend(`{"type":3,"invocationId":"u"}`)
	}, "the items to be sent")
	close(release)
	c.expect(`{"type":3,"invocationId":"slow","result":1010}`)
	sent()
}

// A stream waits for a slow client instead of growing.
func TestStreamToASlowClientHoldsMemoryFlat(t *testing.T) {
	t.Parallel()
	const items = 1_000_000
	produced := make(chan int, 1)
	s := serve(t, nil, hubs.Handle0("fast", func(*hubs.Context) (iter.Seq2[string, error], error) {
		text := strings.Repeat("x", 100)
		return func(yield func(string, error) bool) {
			for i := range items {
				if !yield(text, nil) {
					produced <- i
					return
				}
			}
			produced <- items
		}, nil
	}))
	c := s.connect()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.send(`{"type":4,"invocationId":"1","target":"fast","arguments":[]}`)
	for range 1000 { // reads a little, and then no more
		_, err := c.next()
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(64<<20))
	c.drop()
	require.Less(t, await.Receive(t, produced, "the end of the producer"), items, "the producer was held back")
}

package transports_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

const (
	soakClients  = 300
	soakDuration = 5 * time.Second
	// soakVariable names a duration such as 10m that replaces soakDuration.
	soakVariable = "SIGNALR_SOAK"
	// soakGrowth is how much the heap may have grown in the end. A record that
	// leaks has at least a kilobyte, and there are thousands.
	soakGrowth = 4 << 20
)

// TestSoak: clients come over all transports at once, leave without a word, poll
// twice at a time and send while they are being disposed of. In the end nothing
// may be left of them: no record, goroutine or memory. It runs alone.
func TestSoak(t *testing.T) {
	duration := soakDuration
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		duration, err = time.ParseDuration(text)
		require.NoError(t, err, soakVariable)
	} else if testing.Short() {
		duration = time.Second
	}
	runSoak(t, 200*time.Millisecond) // fills pools and caches
	before := heap()
	visits, ended := runSoak(t, duration)
	for _, expected := range []string{"normal_closure", "connection_lost", "timeout", "aborted"} {
		require.NotZero(t, ended[expected], "ends by %s", expected)
	}
	require.Less(t, heap(), before+soakGrowth, "memory after %d visits", visits)
}

func heap() uint64 {
	var stats runtime.MemStats
	for range 3 { // what finalizers and pools hold goes later
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// runSoak lets clients visit an endpoint for some time and returns how many
// visits there were, and how the connections ended.
func runSoak(t *testing.T, duration time.Duration) (visits int64, ended map[string]uint64) {
	leaks := goleak.IgnoreCurrent()
	e := endpoint(t, transports.ConnectionHandler(obey),
		transports.WithDisconnectTimeout(time.Second),
		transports.WithPollTimeout(100*time.Millisecond),
		transports.WithSendTimeout(5*time.Second),
		transports.WithCloseTimeout(5*time.Second),
		transports.WithBufferSize(4<<10),
	)
	var panics atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				panics.Add(1)
				panic(v)
			}
		}()
		e.ServeHTTP(w, r)
	}))
	transport := &http.Transport{MaxIdleConnsPerHost: soakClients}
	v := &visitors{t: t, address: server.URL + "/chat", client: &http.Client{Transport: transport, Timeout: await.Timeout},
		hasty: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: await.Timeout}}
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	for i := range soakClients {
		v.running.Go(func() { v.visit(ctx, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		v.running.Wait()
	}()
	select {
	case <-left:
	case <-time.After(duration + await.Timeout):
		require.FailNow(t, "timed out waiting for the visitors to leave")
	}
	transport.CloseIdleConnections()

	// Those who left without a word are noticed by themselves.
	await.Done(t, e.Empty(), "all connections to end")
	require.Zero(t, e.Records())
	verifyGone(t, e, nil)
	server.Close()
	require.Zero(t, panics.Load())
	goleak.VerifyNone(t, leaks)
	ended = e.Stats().Ended
	t.Logf("%d visits; connections ended by %v", v.visits.Load(), ended)
	return v.visits.Load(), ended
}

// obey echoes, and does what clients ask for.
func obey(c *transports.RawConn) error {
	buffer := make([]byte, 1<<10)
	for {
		n, err := c.Read(buffer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		switch request := buffer[:n]; {
		case bytes.HasSuffix(request, []byte("abort")):
			c.Connection().Abort()
		case bytes.HasSuffix(request, []byte("close")):
			_ = c.Close()
		case bytes.HasSuffix(request, []byte("fail")):
			return errors.New("as asked for")
		case bytes.HasSuffix(request, []byte("flood")):
			for range 100 {
				if _, err := c.Write(buffer); err != nil {
					return err
				}
			}
		default:
			if _, err := c.Write(request); err != nil {
				return err
			}
		}
	}
}

// visitors are clients of a soak test. They check what an unhurt connection must
// do and that all answers are in the table of the reference.
type visitors struct {
	t       *testing.T
	address string
	client  *http.Client
	hasty   *http.Client // for requests that are broken off: net/http can tell their end to the next user of their connection
	running sync.WaitGroup
	visits  atomic.Int64
}

func (v *visitors) visit(ctx context.Context, random *rand.Rand) {
	kinds := []func(*visitors, *rand.Rand){(*visitors).bySocket, (*visitors).byEvents, (*visitors).byPolls, (*visitors).byPolls}
	for ctx.Err() == nil && !v.t.Failed() {
		kinds[random.IntN(len(kinds))](v, random)
		v.visits.Add(1)
	}
}

var wishes = []string{"abort", "close", "fail", "flood", "echo", "echo", "echo"}

func wish(random *rand.Rand) string { return wishes[random.IntN(len(wishes))] }

// check reports what should not be. The visitor cannot end the test itself.
func (v *visitors) check(ok bool, format string, args ...any) {
	if !ok {
		v.t.Errorf(format, args...)
	}
}

// do sends a request, or breaks it off after a moment.
func (v *visitors) do(method, id, body string, moment time.Duration) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	if moment > 0 {
		ctx, cancel = context.WithTimeout(ctx, moment)
		defer cancel()
	}
	r, err := http.NewRequestWithContext(ctx, method, v.address+"?id="+id, strings.NewReader(body))
	v.check(err == nil, "%v", err)
	client := v.client
	if moment > 0 {
		client = v.hasty
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err.Error() // broken off, or the connection was ended by force
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	v.check(slices.Contains([]int{200, 202, 204, 400, 404, 409, 500}, resp.StatusCode), "%s: %s", method, resp.Status)
	if err != nil {
		return 0, ""
	}
	return resp.StatusCode, string(answer)
}

func (v *visitors) negotiate() string {
	resp, err := v.client.Post(v.address+"/negotiate?negotiateVersion=1", "", nil)
	if err != nil {
		v.check(false, "%v", err)
		return ""
	}
	defer resp.Body.Close()
	var g grant
	err = json.NewDecoder(resp.Body).Decode(&g)
	v.check(err == nil && g.ConnectionToken != "", "%s: %v", resp.Status, err)
	return g.ConnectionToken
}

func moment(random *rand.Rand) time.Duration {
	return time.Duration(random.IntN(10_000)) * time.Microsecond
}

func (v *visitors) bySocket(random *rand.Rand) {
	address := "ws" + strings.TrimPrefix(v.address, "http")
	if random.IntN(2) == 0 {
		address += "?id=" + v.negotiate()
	}
	socket, resp, err := websocket.DefaultDialer.Dial(address, nil)
	if resp != nil && resp.StatusCode == http.StatusNotFound {
		return // the machine is so busy that the disconnect timeout has passed
	}
	if err != nil {
		v.check(false, "%v", err)
		return
	}
	defer socket.Close()
	deadline := time.Now().Add(await.Timeout)
	_, _ = socket.SetReadDeadline(deadline), socket.SetWriteDeadline(deadline)
	for range random.IntN(4) {
		if err = socket.WriteMessage(websocket.TextMessage, []byte("hello")); err == nil {
			var answer []byte
			_, answer, err = socket.ReadMessage()
			v.check(string(answer) == "hello", "echo: %q", answer)
		}
		v.check(err == nil, "%v", err)
	}
	switch random.IntN(3) {
	case 0: // leaves without a word
	case 1:
		_ = socket.WriteControl(websocket.CloseMessage, nil, time.Now().Add(await.Timeout))
		_, _, err := socket.ReadMessage()
		v.check(websocket.IsCloseError(err, websocket.CloseNormalClosure), "%v", err)
	case 2:
		_ = socket.WriteMessage(websocket.TextMessage, []byte(wish(random)))
		_, _, _ = socket.ReadMessage()
	}
}

func (v *visitors) byEvents(random *rand.Rand) {
	id := v.negotiate()
	ctx, leave := context.WithTimeout(context.Background(), await.Timeout)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.address+"?id="+id, nil)
	v.check(err == nil, "%v", err)
	r.Header.Set("Accept", "text/event-stream")
	if random.IntN(3) == 0 {
		go v.do(http.MethodPost, id, wish(random), 0) // races with the first GET
		defer v.do(http.MethodPost, id, wish(random), 0)
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.check(false, "%v", err)
		return
	}
	defer resp.Body.Close()
	v.do(http.MethodPost, id, wish(random), 0)
	buffer := make([]byte, 1<<10)
	for range random.IntN(3) {
		if _, err := resp.Body.Read(buffer); err != nil {
			return
		}
	}
}

func (v *visitors) byPolls(random *rand.Rand) {
	id := v.negotiate()
	if random.IntN(8) == 0 {
		return // never used
	}
	if random.IntN(4) == 0 {
		v.do(http.MethodPost, id, "too early", 0)
	}
	status, body := v.do(http.MethodGet, id, "", 0)
	if status == http.StatusNotFound {
		return // the machine is so busy that the disconnect timeout has passed
	}
	v.check(status == http.StatusOK && body == "", "first poll: %d %q", status, body)
	var all sync.WaitGroup
	defer all.Wait()
	for range 1 + random.IntN(4) {
		method, body, moments := http.MethodGet, "", time.Duration(0)
		switch random.IntN(6) {
		case 0:
			method = http.MethodPost
			body = wish(random)
		case 1:
			moments = moment(random) // breaks the poll off
		case 2:
			method = http.MethodDelete
		}
		all.Go(func() { v.do(method, id, body, moments) }) // polls twice at a time too
		if random.IntN(2) == 0 {
			v.do(http.MethodPost, id, "hello", moments)
		}
	}
	switch random.IntN(3) {
	case 0: // leaves without a word
	default:
		v.do(http.MethodDelete, id, "", 0)
	}
}

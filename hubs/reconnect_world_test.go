package hubs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// world is a hub that allows stateful reconnect, behind an HTTP server without a
// network: in a bubble of testing/synctest, where time is fake and synctest.Wait
// tells that the server has noticed a loss.
type world struct {
	*hubs.Hub
	hub    *travelHub
	diary  diary
	t      *testing.T
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// inWorld runs a test in a bubble.
func inWorld(t *testing.T, opts []hubs.Option, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, opts)) })
}

// newWorld starts a hub in a bubble, which is shut down at the end of the test.
func newWorld(t *testing.T, opts []hubs.Option) *world {
	t.Helper()
	w := &world{
		hub:    &travelHub{release: make(chan string), feed: make(chan int), got: make(chan int, 1000)},
		diary:  newDiary(),
		t:      t,
		accept: make(chan net.Conn),
		closed: make(chan struct{}),
	}
	all := append(w.diary.options(),
		hubs.WithLogger(slog.New(slog.DiscardHandler)),
		hubs.WithDetailedErrors(),
		hubs.WithUserID(userHeader),
		hubs.WithStatefulReconnect())
	hub, err := hubs.New(w.hub, append(all, opts...)...)
	require.NoError(t, err)
	w.Hub = hub
	mux := http.NewServeMux()
	mux.Handle("/hub", hub)
	mux.Handle("/hub/", hub)
	server := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(w) // it ends with http.ErrServerClosed
	}()
	t.Cleanup(func() {
		shutDown(t, hub)
		require.NoError(t, server.Close())
		await.Done(t, served, "the end of the HTTP server")
	})
	return w
}

func (w *world) Accept() (net.Conn, error) {
	select {
	case c := <-w.accept:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *world) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *world) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

func (w *world) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case w.accept <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// web returns an HTTP client.
func (w *world) web() *http.Client {
	transport := &http.Transport{DialContext: w.dial, DisableKeepAlives: true}
	return &http.Client{Transport: transport, Timeout: await.Timeout}
}

// grant is what negotiate answers.
type grant struct {
	ConnectionID, ConnectionToken string
	UseStatefulReconnect          *bool
}

func (w *world) negotiate(query, user string) grant {
	w.t.Helper()
	return w.askNegotiate("?negotiateVersion=1"+query, user)
}

func (w *world) askNegotiate(query, user string) grant {
	w.t.Helper()
	request, err := http.NewRequest(http.MethodPost, "http://192.0.2.1/hub/negotiate"+query, nil)
	require.NoError(w.t, err)
	request.Header.Set("User", user)
	response, err := w.web().Do(request)
	require.NoError(w.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(w.t, err)
	var g grant
	require.NoError(w.t, json.Unmarshal(body, &g))
	return g
}

// traveller is a client that changes its WebSocket. It skips acknowledgements,
// unless it is asked for them.
type traveller struct {
	*client
	world *world
	grant grant
	user  string
}

// arrive negotiates stateful reconnect and connects.
func (w *world) arrive(user string) *traveller {
	w.t.Helper()
	c := &traveller{world: w, grant: w.negotiate("&useStatefulReconnect=true", user), user: user}
	require.NotNil(w.t, c.grant.UseStatefulReconnect)
	require.True(w.t, *c.grant.UseStatefulReconnect)
	c.open()
	c.send(`{"protocol":"json","version":2}`, `{"type":6}`)
	c.expect(`{}`)
	w.diary.expect(w.t, "connected")
	return c
}

// attempt asks for a WebSocket and returns the answer's status.
func (c *traveller) attempt() (int, *websocket.Conn) {
	c.world.t.Helper()
	status, socket, err := c.tryAttempt(c.world.dial)
	require.NoError(c.world.t, err)
	return status, socket
}

// tryAttempt is attempt for goroutines that are not the test's, with sub-protocols if
// there are any. Its error says that no answer has come.
func (c *traveller) tryAttempt(dial dial, subProtocols ...string) (int, *websocket.Conn, error) {
	dialer := &websocket.Dialer{NetDialContext: dial, HandshakeTimeout: await.Timeout, Subprotocols: subProtocols}
	address := "ws://192.0.2.1/hub"
	if c.grant.ConnectionToken != "" {
		address += "?id=" + c.grant.ConnectionToken
	}
	socket, response, err := dialer.Dial(address, http.Header{"User": {c.user}})
	if response == nil {
		return 0, nil, err
	}
	return response.StatusCode, socket, nil
}

// dial connects to a server.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// knock is a request for a WebSocket that may have to wait.
type knock struct {
	c        *traveller
	conn     net.Conn
	answered chan struct{} // closed when there is an answer, or none will come
	status   int
	socket   *websocket.Conn
	err      error // there is no answer
}

// knock asks for a WebSocket, and returns when the request is answered or waits.
func (c *traveller) knock(subProtocols ...string) *knock {
	k := &knock{c: c, answered: make(chan struct{})}
	go func() {
		defer close(k.answered)
		k.status, k.socket, k.err = c.tryAttempt(func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := c.world.dial(ctx, network, address)
			k.conn = conn
			return conn, err
		}, subProtocols...)
	}()
	synctest.Wait()
	return k
}

func (k *knock) expectWaiting() {
	k.c.world.t.Helper()
	synctest.Wait()
	select {
	case <-k.answered:
		require.FailNow(k.c.world.t, "the request does not wait", "status %d, error %v", k.status, k.err)
	default:
	}
}

// expect waits for the status of the answer.
func (k *knock) expect(status int) {
	k.c.world.t.Helper()
	await.Done(k.c.world.t, k.answered, "an answer to the request for a WebSocket")
	require.NoError(k.c.world.t, k.err)
	require.Equal(k.c.world.t, status, k.status)
}

// enter makes the WebSocket the client's.
func (k *knock) enter() {
	k.c.world.t.Helper()
	k.expect(http.StatusSwitchingProtocols)
	k.c.client = &client{t: k.c.world.t, socket: k.socket}
	k.c.world.t.Cleanup(k.c.client.drop)
}

// leave ends the request, or the WebSocket, which the server has noticed when it
// returns.
func (k *knock) leave() {
	_ = k.conn.Close()
	synctest.Wait()
}

// poll makes a request of the other transports and returns the answer's body.
func (c *traveller) poll(method string, records ...string) string {
	c.world.t.Helper()
	body := strings.NewReader(strings.Join(records, "\x1e") + "\x1e")
	request, err := http.NewRequest(method, "http://192.0.2.1/hub?id="+c.grant.ConnectionToken, body)
	require.NoError(c.world.t, err)
	response, err := c.world.web().Do(request)
	require.NoError(c.world.t, err)
	defer response.Body.Close()
	require.Less(c.world.t, response.StatusCode, 300)
	text, err := io.ReadAll(response.Body)
	require.NoError(c.world.t, err)
	return string(text)
}

// open makes a WebSocket the client's.
func (c *traveller) open() {
	c.world.t.Helper()
	status, socket := c.attempt()
	require.Equal(c.world.t, http.StatusSwitchingProtocols, status)
	c.client = &client{t: c.world.t, socket: socket}
	c.world.t.Cleanup(c.client.drop)
}

// refused asks for a WebSocket that it must not get.
func (c *traveller) refused(status int) {
	c.world.t.Helper()
	got, _ := c.attempt()
	require.Equal(c.world.t, status, got)
	synctest.Wait() // a connection that has just ended is then counted
}

// lose breaks the WebSocket, which the server has noticed when it returns.
func (c *traveller) lose() {
	c.drop()
	synctest.Wait()
}

var isAck = regexp.MustCompile(`^\{"type":8,"sequenceId":(\d+)\}$`)

// expect reads messages that are not acknowledgements and compares them.
func (c *traveller) expect(records ...string) {
	c.t.Helper()
	for _, want := range records {
		got, err := c.next()
		for err == nil && isAck.MatchString(got) {
			got, err = c.next()
		}
		require.NoError(c.t, err, "waiting for %s", want)
		require.Equal(c.t, want, got)
	}
}

// expectLost reads the end of a WebSocket that breaks.
func (c *traveller) expectLost() {
	c.t.Helper()
	for {
		if got, err := c.next(); err != nil {
			closed := (*websocket.CloseError)(nil)
			require.False(c.t, errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure, "%v", err)
			return
		} else {
			require.Regexp(c.t, isAck, got)
		}
	}
}

func (c *traveller) id() string { return c.grant.ConnectionID }

// What the tests send and receive.
func sequence(number int) string { return fmt.Sprintf(`{"type":9,"sequenceId":%d}`, number) }
func ack(number int) string      { return fmt.Sprintf(`{"type":8,"sequenceId":%d}`, number) }
func result(id, value string) string {
	return fmt.Sprintf(`{"type":3,"invocationId":%q,"result":%s}`, id, value)
}
func item(id string, value any) string {
	return fmt.Sprintf(`{"type":2,"invocationId":%q,"item":%v}`, id, value)
}
func event(target string, value any) string {
	return fmt.Sprintf(`{"type":1,"target":%q,"arguments":[%v]}`, target, value)
}
func invoke(id, target, args string) string {
	return fmt.Sprintf(`{"type":1,"invocationId":%q,"target":%q,"arguments":[%s]}`, id, target, args)
}

// travelHub has methods that outlast a WebSocket.
type travelHub struct {
	release chan string
	feed    chan int
	got     chan int
}

func (*travelHub) Echo(_ *hubs.Context, text string) string { return text }

func (h *travelHub) Note(_ *hubs.Context, n int) { h.got <- n }

func (*travelHub) Nap(*hubs.Context) { time.Sleep(200 * time.Millisecond) }

func (h *travelHub) Wait(c *hubs.Context) (string, error) {
	select {
	case text := <-h.release:
		return text, nil
	case <-c.Done():
		return "", c.Err()
	}
}

func (h *travelHub) Feed(c *hubs.Context) <-chan int { return h.feed }

// Flood yields until somebody stops it.
func (*travelHub) Flood(*hubs.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := 0; yield(i, nil); i++ {
		}
	}
}

func (h *travelHub) Sum(_ *hubs.Context, items iter.Seq2[int, error]) (int, error) {
	sum := 0
	for n, err := range items {
		if err != nil {
			return 0, err
		}
		sum += n
		h.got <- n
	}
	return sum, nil
}

func (*travelHub) Ask(c *hubs.Context) (string, error) {
	return hubs.Invoke[string](c, c.Clients().Caller(), "question")
}

func (*travelHub) Join(c *hubs.Context, group string) error {
	return c.Groups().Add(c, c.ConnectionID(), group)
}

func (*travelHub) Put(c *hubs.Context, text string) { c.Items().Store("text", text) }

func (*travelHub) Get(c *hubs.Context) any {
	text, _ := c.Items().Load("text")
	return text
}

func (*travelHub) Leave(c *hubs.Context) { c.Abort(nil) }

// seconds is how long something takes in a bubble.
func seconds(f func()) float64 {
	began := time.Now()
	f()
	return time.Since(began).Seconds()
}

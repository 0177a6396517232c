package classic_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/scaleout"
)

// bounded makes requests whose answers end by themselves.
var bounded = &http.Client{Timeout: await.Timeout}

// chat is the hub of the tests.
type chat struct {
	events chan string
	block  chan struct{} // holds up Block
}

func newChat() *chat { return &chat{events: make(chan string, 64), block: make(chan struct{})} }

func (h *chat) OnConnected(c *hubs.Context) error {
	h.events <- "connected " + c.ConnectionID()
	switch c.Request().URL.Query().Get("test") {
	case "refuse":
		return hubs.NewError("not you")
	case "greet":
		return c.Clients().Caller().Send(c, "greet", c.UserID())
	case "hold":
		<-h.block
	}
	return nil
}

func (h *chat) OnReconnected(c *hubs.Context) error {
	h.events <- "reconnected " + c.ConnectionID()
	return nil
}

func (h *chat) OnDisconnected(c *hubs.Context, cause error) {
	h.events <- fmt.Sprint("disconnected ", c.ConnectionID(), " ", cause)
}

func (*chat) Add(_ *hubs.Context, numbers ...int) int {
	sum := 0
	for _, n := range numbers {
		sum += n
	}
	return sum
}
func (*chat) Void(*hubs.Context)         {}
func (*chat) Fail(*hubs.Context) error   { return hubs.NewError("no seats") }
func (*chat) Secret(*hubs.Context) error { return fmt.Errorf("the password is 1234") }
func (*chat) FailWithData(*hubs.Context) error {
	return classic.WithData(hubs.NewError("no seats"), map[string]int{"left": 0})
}
func (*chat) Panic(*hubs.Context) { panic("oh") }
func (*chat) Join(c *hubs.Context, group string) error {
	return c.Groups().Add(c, c.ConnectionID(), group)
}
func (*chat) Leave(c *hubs.Context, group string) error {
	return c.Groups().Remove(c, c.ConnectionID(), group)
}
func (*chat) Say(c *hubs.Context, group, text string) error {
	return c.Clients().Group(group).Send(c, "say", text)
}
func (*chat) Shout(c *hubs.Context, text string) error { return c.Clients().All().Send(c, "say", text) }
func (*chat) Echo(c *hubs.Context, text string) error {
	return c.Clients().Caller().Send(c, "echo", text)
}
func (*chat) Bye(c *hubs.Context) { c.Abort(nil) }
func (h *chat) Block(c *hubs.Context) int {
	h.events <- "blocked"
	select {
	case <-h.block:
	case <-c.Done():
		h.events <- "unblocked"
	}
	return 1
}

// Cause tells why its connection has ended.
func (h *chat) Cause(c *hubs.Context) {
	h.events <- "waiting"
	<-c.Done()
	h.events <- "ended by " + context.Cause(c).Error()
}

// WaitAndFail fails when its connection has ended.
func (h *chat) WaitAndFail(c *hubs.Context) error {
	h.events <- "waiting"
	<-c.Done()
	return c.Err()
}

// Hold does not end with its connection.
func (h *chat) Hold(*hubs.Context) {
	h.events <- "holding"
	<-h.block
}

// HoldAndEcho returns after what it has sent to its caller.
func (h *chat) HoldAndEcho(c *hubs.Context) (string, error) {
	h.events <- "holding"
	<-h.block
	return "done", c.Clients().Caller().Send(c, "echo", "late")
}
func (h *chat) Late(c *hubs.Context) {
	ctx := context.WithoutCancel(c)
	go func() {
		for {
			if err := classic.Progress(ctx, 1); err != nil {
				h.events <- err.Error()
				return
			}
		}
	}()
}
func (*chat) RenameAndTell(c *hubs.Context, name string) error {
	if err := classic.State(c).Set("name", name); err != nil {
		return err
	}
	return c.Clients().Caller().Send(c, "renamed")
}
func (*chat) Work(c *hubs.Context) (string, error) {
	for i := range 3 {
		if err := classic.Progress(c, i); err != nil {
			return "", err
		}
	}
	return "done", nil
}
func (*chat) Rename(c *hubs.Context, name string) (string, error) {
	var before string
	if _, err := classic.State(c).Get("name", &before); err != nil {
		return "", err
	}
	return before, classic.State(c).Set("name", name)
}

// requireEvent waits for the next event of the hub.
func (h *chat) requireEvent(t *testing.T, want string) {
	t.Helper()
	require.Equal(t, want, await.Receive(t, h.events, "the event %q", want))
}

func (h *chat) requireNoEvent(t *testing.T) {
	t.Helper()
	select {
	case got := <-h.events:
		require.Fail(t, "something happened", got)
	default:
	}
}

// node is one process of a farm.
type node struct {
	chat     *chat
	hub      *hubs.Hub
	endpoint *classic.Endpoint
	server   *httptest.Server
	stop     func()
}

// user is who makes a request, in the tests.
func user(r *http.Request) string { return r.URL.Query().Get("user") }

var key = []byte("0123456789abcdef0123456789abcdef")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// newNode starts a node; bus may be nil.
func newNode(t *testing.T, bus scaleout.Bus, opts ...classic.Option) *node {
	t.Helper()
	if bus == nil {
		return newNodeOf(t, nil, opts...)
	}
	return newNodeOf(t, []hubs.Option{hubs.WithBus(bus)}, opts...)
}

// newNodeOf starts a node whose hub has options.
func newNodeOf(t *testing.T, hubOpts []hubs.Option, opts ...classic.Option) *node {
	t.Helper()
	n := newUnservedNode(t, hubOpts, opts...)
	n.serve(t)
	return n
}

// newNodeBehind starts a node behind middleware.
func newNodeBehind(t *testing.T, middleware func(http.Handler) http.Handler, opts ...classic.Option) *node {
	t.Helper()
	n := newUnservedNode(t, nil, opts...)
	n.serveBehind(t, middleware)
	return n
}

func newUnservedNode(t *testing.T, hubOpts []hubs.Option, opts ...classic.Option) *node {
	t.Helper()
	n := &node{chat: newChat()}
	var err error
	n.hub, err = hubs.New(n.chat, append([]hubs.Option{hubs.WithName("Chat"), hubs.WithUserID(user), hubs.WithLogger(quiet())}, hubOpts...)...)
	require.NoError(t, err)
	n.endpoint, err = classic.New(n.hub, opts...)
	require.NoError(t, err)
	return n
}

func (n *node) serve(t *testing.T) {
	n.serveBehind(t, func(next http.Handler) http.Handler { return next })
}

func (n *node) serveBehind(t *testing.T, middleware func(http.Handler) http.Handler) {
	n.server = httptest.NewServer(middleware(classic.Mount("/signalr", n.endpoint, http.NewServeMux())))
	n.stop = sync.OnceFunc(func() {
		classic.ShutDown(t, n.endpoint)
		if n.hub != nil {
			classic.ShutDown(t, n.hub)
		}
		n.server.CloseClientConnections()
		n.server.Close()
	})
	t.Cleanup(n.stop)
}

// client speaks the protocol by hand.
type client struct {
	t       *testing.T
	node    *node
	nodes   []*node      // to poll in turn, if there are
	http    *http.Client // of requests that are answered at once
	streams *http.Client // of those that last until they are canceled
	query   url.Values   // of all requests
	prefix  string       // of all paths
	id      string
	token   string

	mu     sync.Mutex
	cursor string
	groups string
	input  chan map[string]json.RawMessage // responses and results; closed at the end of the stream
	close  func()
	socket *websocket.Conn
	polls  atomic.Uint64
	ready  []string // messages that have come and were not asked for yet
}

func newClient(t *testing.T, n *node, query string) *client {
	t.Helper()
	q, err := url.ParseQuery(query)
	require.NoError(t, err)
	if !q.Has("connectionData") {
		q.Set("connectionData", `[{"name":"chat"}]`)
	}
	if !q.Has("clientProtocol") {
		q.Set("clientProtocol", "2.1")
	}
	transport := &http.Transport{}
	c := &client{
		t: t, node: n, query: q, prefix: "/signalr",
		http: &http.Client{Transport: transport, Timeout: await.Timeout}, streams: &http.Client{Transport: transport},
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// url returns the client's URL of an operation.
func (c *client) url(op string, more url.Values) string {
	q := url.Values{}
	for key := range c.query {
		q.Set(key, c.query.Get(key))
	}
	if q.Get("transport") == "foreverFrame" {
		q.Set("frameId", "7")
	}
	if c.token != "" && op != "/ping" {
		q.Set("connectionToken", c.token)
	}
	for key := range more {
		q.Set(key, more.Get(key))
	}
	n := c.node
	if op == "/poll" && len(c.nodes) > 0 {
		n = c.nodes[int(c.polls.Load())%len(c.nodes)]
	}
	return n.server.URL + c.prefix + op + "?" + q.Encode()
}

// ask makes a request: with a form, a POST.
func (c *client) ask(op string, form url.Values) (status int, body string) {
	c.t.Helper()
	a := c.tryAsk(op, form)
	require.NoError(c.t, a.err)
	return a.status, a.body
}

// answer is the outcome of a request.
type answer struct {
	status int
	body   string
	err    error
}

func (c *client) tryAsk(op string, form url.Values) (a answer) {
	var resp *http.Response
	if form == nil {
		resp, a.err = c.http.Get(c.url(op, nil))
	} else {
		resp, a.err = c.http.PostForm(c.url(op, nil), form)
	}
	if a.err != nil {
		return a
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, string(b), err}
}

// requireAnswer waits for the outcome of a request that another goroutine makes.
func requireAnswer(t *testing.T, answers <-chan answer, what string) (status int, body string) {
	t.Helper()
	a := await.Receive(t, answers, "%s", what)
	require.NoError(t, a.err, what)
	return a.status, a.body
}

func (c *client) negotiate() {
	c.t.Helper()
	status, body := c.ask("/negotiate", nil)
	require.Equal(c.t, http.StatusOK, status, body)
	var n struct{ ConnectionId, ConnectionToken string }
	require.NoError(c.t, json.Unmarshal([]byte(body), &n))
	c.id, c.token = n.ConnectionId, n.ConnectionToken
}

func (c *client) start() {
	c.t.Helper()
	status, body := c.ask("/start", nil)
	require.Equal(c.t, http.StatusOK, status, body)
	require.JSONEq(c.t, `{"Response":"started"}`, body)
}

// note keeps what the client has to send back.
func (c *client) note(r map[string]json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r["C"] != nil {
		_ = json.Unmarshal(r["C"], &c.cursor)
	}
	if r["G"] != nil {
		_ = json.Unmarshal(r["G"], &c.groups)
	}
}

func (c *client) resume() url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := url.Values{"messageId": {c.cursor}}
	if c.groups != "" {
		q.Set("groupsToken", c.groups)
	}
	return q
}

// open opens a stream by the operation "/connect" or "/reconnect".
func (c *client) open(op string) {
	c.t.Helper()
	more := url.Values{}
	if op != "/connect" {
		more = c.resume()
	}
	c.input = make(chan map[string]json.RawMessage, 4096)
	switch c.query.Get("transport") {
	case "webSockets":
		c.openSocket(c.url(op, more))
	case "serverSentEvents":
		c.openLines(c.url(op, more), eventLines)
	case "foreverFrame":
		c.openLines(c.url(op, more), frameLines)
	default:
		c.openPolls(op)
	}
}

func (c *client) openSocket(address string) {
	c.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(address, "http"), nil)
	require.NoError(c.t, err)
	input := c.input
	c.close = sync.OnceFunc(func() { _ = ws.Close() })
	c.t.Cleanup(c.close)
	c.socket = ws
	go func() {
		defer close(input)
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				return
			}
			c.take(input, data)
		}
	}()
}

// send sends a text by the socket.
func (c *client) send(text string) {
	c.t.Helper()
	require.NoError(c.t, c.socket.SetWriteDeadline(time.Now().Add(await.Timeout)))
	require.NoError(c.t, c.socket.WriteMessage(websocket.TextMessage, []byte(text)))
}

// lineFormat is how a stream over HTTP carries responses, one a line.
type lineFormat struct{ contentType, first, before, after string }

var (
	eventLines = lineFormat{"text/event-stream", "data: initialized", "data: ", ""}
	frameLines = lineFormat{"text/html; charset=UTF-8", "<!DOCTYPE html>", "<script>r(c, ", ");</script>"}
)

func (c *client) openLines(address string, format lineFormat) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.t.Cleanup(cancel)
	late := time.AfterFunc(await.Timeout, cancel) // bounds the beginning of the stream
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	require.NoError(c.t, err)
	resp, err := c.streams.Do(r)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, resp.StatusCode)
	require.Equal(c.t, format.contentType, resp.Header.Get("Content-Type"))
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 8<<20)
	require.True(c.t, lines.Scan(), "the first line of the stream: %v", lines.Err())
	require.True(c.t, strings.HasPrefix(lines.Text(), format.first), lines.Text())
	late.Stop()
	input := c.input
	done := make(chan struct{})
	c.close = sync.OnceFunc(func() {
		cancel()
		await.Done(c.t, done, "the end of the canceled stream")
	})
	c.t.Cleanup(c.close)
	go func() {
		defer close(done)
		defer close(input)
		defer resp.Body.Close()
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), format.before); ok {
				c.take(input, []byte(strings.TrimSuffix(data, format.after)))
			}
		}
	}()
}

// openPolls polls until the client is closed or gets no answer.
func (c *client) openPolls(op string) {
	ctx, cancel := context.WithCancel(context.Background())
	input := c.input
	done := make(chan struct{})
	c.close = sync.OnceFunc(func() {
		cancel()
		await.Done(c.t, done, "the end of the canceled polls")
	})
	c.t.Cleanup(c.close)
	go func() {
		defer close(done)
		defer close(input)
		for ctx.Err() == nil {
			form := url.Values{}
			if op != "/connect" {
				form = c.resume()
			}
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, c.url(op, nil), strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			c.polls.Add(1)
			resp, err := c.streams.Do(r)
			if err != nil {
				return
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK {
				return
			}
			answer := c.take(input, body)
			op = "/poll"
			if answer["T"] != nil || answer["E"] != nil {
				return
			}
		}
	}()
}

// take takes a response, or the result of a call.
func (c *client) take(input chan<- map[string]json.RawMessage, data []byte) map[string]json.RawMessage {
	var r map[string]json.RawMessage
	if err := json.Unmarshal(data, &r); err != nil {
		r = map[string]json.RawMessage{"broken": data}
	}
	c.note(r)
	input <- r
	return r
}

// receive waits for the next response, whatever it has, until late, which bounds all waits of its caller. At the end of
// the stream it returns false.
func (c *client) receive(late <-chan time.Time, what string) (map[string]json.RawMessage, bool) {
	c.t.Helper()
	select {
	case r, ok := <-c.input:
		return r, ok
	case <-late:
		require.FailNow(c.t, "timed out waiting for "+what)
		panic("unreachable")
	}
}

// next waits for the next response that has something.
func (c *client) next() map[string]json.RawMessage {
	c.t.Helper()
	late := time.After(await.Timeout)
	for {
		r, ok := c.receive(late, "a response that is not empty")
		require.True(c.t, ok, "the stream ended instead of bringing a response")
		if len(r) > 0 && (string(r["M"]) != "[]" || r["S"] != nil || r["E"] != nil || r["T"] != nil) {
			return r
		}
	}
}

// requireEnd waits until the stream has ended.
func (c *client) requireEnd() {
	c.t.Helper()
	late := time.After(await.Timeout)
	for ok := true; ok; {
		_, ok = c.receive(late, "the end of the stream")
	}
}

// requireMessages waits for these messages.
func (c *client) requireMessages(want ...string) {
	c.t.Helper()
	for len(c.ready) < len(want) {
		c.keep(c.next())
	}
	require.Equal(c.t, want, c.ready[:len(want)])
	c.ready = c.ready[len(want):]
}

// nextMessage waits for the next message.
func (c *client) nextMessage() string {
	c.t.Helper()
	for len(c.ready) == 0 {
		c.keep(c.next())
	}
	message := c.ready[0]
	c.ready = c.ready[1:]
	return message
}

// keep keeps the messages of a response.
func (c *client) keep(r map[string]json.RawMessage) {
	c.t.Helper()
	var messages []json.RawMessage
	require.NoError(c.t, json.Unmarshal(r["M"], &messages), "%s", r)
	for _, m := range messages {
		c.ready = append(c.ready, string(m))
	}
}

// drain keeps what a stream that was closed has still brought.
func (c *client) drain() {
	c.t.Helper()
	for _, r := range await.All(c.t, c.input, "the end of the closed stream") {
		if r["M"] != nil {
			c.keep(r)
		}
	}
}

// call calls a method, whatever the transport, and returns the answer.
func (c *client) call(invocation string) string {
	c.t.Helper()
	if c.query.Get("transport") == "webSockets" {
		c.send(invocation)
		return c.result()
	}
	status, body := c.ask("/send", url.Values{"data": {invocation}})
	require.Equal(c.t, http.StatusOK, status, body)
	return body
}

// result waits for the next result of a call by the socket.
func (c *client) result() string {
	c.t.Helper()
	for {
		r := c.next()
		if r["I"] != nil {
			b, _ := json.Marshal(r)
			return string(b)
		}
		c.keep(r)
	}
}

// other returns the client as it makes requests to another node.
func (c *client) other(n *node) *client {
	return &client{t: c.t, node: n, http: c.http, streams: c.streams, query: c.query, prefix: c.prefix, id: c.id, token: c.token}
}

// begin opens a connection, which is not started yet.
func (c *client) begin() {
	c.t.Helper()
	c.negotiate()
	c.open("/connect")
	c.requireInit()
}

// connect starts a connection.
func (c *client) connect() {
	c.t.Helper()
	c.begin()
	c.start()
	c.node.chat.requireEvent(c.t, "connected "+c.id)
	await.Until(c.t, func() bool { return c.resume().Has("groupsToken") }, "the client has a groups token, which shows that it was accepted")
}

// requireStream waits until the client has a stream: between polls there is none.
func (c *client) requireStream() {
	c.t.Helper()
	name := c.query.Get("transport")
	await.Until(c.t, func() bool {
		stats := c.node.endpoint.Stats()
		return stats.Streams[name] == 1 && (name != "longPolling" || stats.Opened[name] == c.polls.Load())
	}, "the client has a stream by %s", name)
}

func (c *client) requireInit() {
	c.t.Helper()
	r := c.next()
	require.Equal(c.t, "1", string(r["S"]), "%s", r)
	require.NotNil(c.t, r["M"])
	require.NotNil(c.t, r["C"])
}

func said(text string) string { return `{"H":"Chat","M":"say","A":["` + text + `"]}` }

// lines reads a body as it comes.
type lines struct {
	scanner *bufio.Reader
	seen    strings.Builder
}

func newLines(body io.Reader) *lines { return &lines{scanner: bufio.NewReader(body)} }

// until reads until a text has come.
func (l *lines) until(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(l.seen.String(), text) {
		b, err := l.scanner.ReadByte()
		require.NoError(t, err, "after %q", l.seen.String())
		l.seen.WriteByte(b)
	}
	rest := l.seen.String()
	rest = rest[strings.Index(rest, text)+len(text):]
	l.seen.Reset()
	l.seen.WriteString(rest)
}

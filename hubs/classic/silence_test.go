package classic_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/interop/await"
)

// proxyTimeout is for how long nginx lets a response be silent by default.
const proxyTimeout = 60 * time.Second

// proxied is a response as a proxy sees it.
type proxied struct {
	header  http.Header
	body    bytes.Buffer
	last    time.Time // when something came
	silence time.Duration
}

func newProxied() *proxied { return &proxied{header: http.Header{}, last: time.Now()} }

func (w *proxied) Header() http.Header { return w.header }
func (w *proxied) WriteHeader(int)     {}

func (w *proxied) Write(p []byte) (int, error) { return w.body.Write(p) }

// Flush lets the proxy see what was written.
func (w *proxied) Flush() {
	w.silence = max(w.silence, time.Since(w.last))
	w.last = time.Now()
}

// TestNoResponseIsSilentForLong: proxies would end it, by an error that clients see.
func TestNoResponseIsSilentForLong(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]classic.Option{
		"defaults":                {},
		"no keep-alive":           {classic.WithKeepAlive(0)},
		"no keep-alive, patient":  {classic.WithKeepAlive(0), classic.WithDisconnectTimeout(10 * time.Minute)},
		"long disconnect timeout": {classic.WithDisconnectTimeout(10 * time.Minute)},
		"long connection timeout": {classic.WithConnectionTimeout(5 * time.Minute)},
	} {
		for kind, query := range map[string]url.Values{
			"polls":         {"transport": {"longPolling"}},
			"JSONP polls":   {"transport": {"longPolling"}, "callback": {"f"}},
			"events":        {"transport": {"serverSentEvents"}},
			"forever frame": {"transport": {"foreverFrame"}, "frameId": {"1"}},
		} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					testSilence(t, query, append(opts, classic.WithJSONP()))
				})
			})
		}
	}
}

func testSilence(t *testing.T, query url.Values, opts []classic.Option) {
	p := newPage(t, opts)
	defer p.shutDown()
	p.negotiate(query)
	for requests, until := 1, time.Now().Add(10*time.Minute); time.Now().Before(until); requests++ {
		require.Less(t, p.receive().silence, proxyTimeout, "request %d", requests)
	}
}

// page is a client in a bubble, whose requests go straight to the endpoint.
type page struct {
	t     *testing.T
	hub   *hubs.Hub
	e     *classic.Endpoint
	op    string
	query url.Values
}

func newPage(t *testing.T, opts []classic.Option) *page {
	hub, err := hubs.New(newChat(), hubs.WithName("Chat"), hubs.WithLogger(quiet()))
	require.NoError(t, err)
	e, err := classic.New(hub, opts...)
	require.NoError(t, err)
	return &page{t, hub, e, "/connect", url.Values{"clientProtocol": {"2.1"}, "connectionData": {`[{"name":"chat"}]`}}}
}

func (p *page) shutDown() { classic.ShutDown(p.t, p.e, p.hub) }

func (p *page) serve(op string) *proxied {
	w := newProxied()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Minute)
	defer cancel()
	p.e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/signalr"+op+"?"+p.query.Encode(), nil).WithContext(ctx))
	w.Flush()
	return w
}

// negotiate prepares a connection, which starts by itself in a second.
func (p *page) negotiate(query url.Values) {
	var n struct{ ConnectionToken string }
	require.NoError(p.t, json.Unmarshal(p.serve("/negotiate").body.Bytes(), &n))
	p.query.Set("connectionToken", n.ConnectionToken)
	for key := range query {
		p.query.Set(key, query.Get(key))
	}
	time.AfterFunc(time.Second, func() { p.serve("/start") })
}

// receive makes the next request to receive by, and returns its response when that has ended.
func (p *page) receive() *proxied {
	w := p.serve(p.op)
	body := w.body.String()
	_, rest, found := strings.Cut(body, `"C":"`)
	require.True(p.t, found, body)
	cursor, _, _ := strings.Cut(rest, `"`)
	p.query.Set("messageId", cursor)
	p.op = "/reconnect"
	if p.query.Get("transport") == "longPolling" {
		p.op = "/poll"
	}
	return w
}

// TestKeepAliveOfPolls: what comes before the response, or before the call of the function, changes nothing.
func TestKeepAliveOfPolls(t *testing.T) {
	t.Parallel()
	for callback, want := range map[string]struct{ connect, poll string }{
		"":  {`^\{"C":"[^"]+","S":1,"M":\[\]\}$`, `^ {9,11}\{"C":"[^"]+","M":\[\]\}$`},
		"f": {`^f\(\{"C":"[^"]+","S":1,"M":\[\]\}\);$`, `^ {9,11}f\(\{"C":"[^"]+","M":\[\]\}\);$`},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPage(t, []classic.Option{classic.WithJSONP()})
			defer p.shutDown()
			p.negotiate(url.Values{"transport": {"longPolling"}, "callback": {callback}})
			require.Regexp(t, want.connect, p.receive().body.String())
			p.receive() // brings the groups token
			require.Regexp(t, want.poll, p.receive().body.String())
		})
	}
}

// TestStreamsBeginWithPadding: a proxy that holds back the first few KiB passes on the first message.
func TestStreamsBeginWithPadding(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	padding := strings.Repeat(" ", 4096)
	for transport, want := range map[string]struct{ head, first string }{
		"serverSentEvents": {"data: initialized\n\n:" + padding + "\n\n", `data: {"C":"`},
		"foreverFrame":     {"</script></head><body>\n" + padding + "\n", `<script>r(c, {"C":"`},
	} {
		c := newClient(t, n, "frameId=7&transport="+transport)
		c.negotiate()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		late := time.AfterFunc(await.Timeout, cancel)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url("/connect", nil), nil)
		require.NoError(t, err)
		resp, err := c.streams.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		var body strings.Builder
		for lines := bufio.NewReader(resp.Body); !strings.Contains(body.String(), `"S":1`); {
			line, err := lines.ReadString('\n')
			require.NoError(t, err, "after %q", body.String())
			body.WriteString(line)
		}
		late.Stop()
		head, rest, found := strings.Cut(body.String(), want.first)
		require.True(t, found, body.String())
		require.True(t, strings.HasSuffix(head, want.head), head)
		require.Contains(t, rest, `"M":[]}`)
	}
}

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
	hub, err := hubs.New(newChat(), hubs.WithName("Chat"), hubs.WithLogger(quiet()))
	require.NoError(t, err)
	e, err := classic.New(hub, opts...)
	require.NoError(t, err)
	defer classic.ShutDown(t, e, hub)
	q := url.Values{"clientProtocol": {"2.1"}, "connectionData": {`[{"name":"chat"}]`}}
	serve := func(op string) *proxied {
		w := newProxied()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/signalr"+op+"?"+q.Encode(), nil).WithContext(ctx))
		w.Flush()
		return w
	}
	var n struct{ ConnectionToken string }
	require.NoError(t, json.Unmarshal(serve("/negotiate").body.Bytes(), &n))
	q.Set("connectionToken", n.ConnectionToken)
	for key := range query {
		q.Set(key, query.Get(key))
	}
	time.AfterFunc(time.Second, func() { serve("/start") })
	op, until := "/connect", time.Now().Add(10*time.Minute)
	for requests := 1; time.Now().Before(until); requests++ {
		w := serve(op)
		require.Less(t, w.silence, proxyTimeout, "request %d", requests)
		body := w.body.String()
		_, rest, found := strings.Cut(body, `"C":"`)
		require.True(t, found, body)
		cursor, _, _ := strings.Cut(rest, `"`)
		q.Set("messageId", cursor)
		op = "/reconnect"
		if query.Get("transport") == "longPolling" {
			op = "/poll"
		}
	}
}

// TestKeepAliveOfJSONP: what comes before the call of the function changes nothing.
func TestKeepAliveOfJSONP(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithJSONP(), classic.WithShortTimes(time.Millisecond, time.Millisecond, time.Minute, 20*time.Millisecond))
	c := newClient(t, n, "transport=longPolling&callback=f")
	c.query.Del("callback")
	c.negotiate()
	c.query.Set("callback", "f")
	_, body := c.ask("/connect", nil)
	require.Regexp(t, `^ *f\(\{"C":"[^"]+","S":1,"M":\[\]\}\);$`, body)
	cursor, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimLeft(body, " "), `f({"C":"`), `"`)
	c.query.Set("messageId", cursor)
	_, body = c.ask("/poll", nil)
	require.Regexp(t, `^ +f\(\{"C":"[^"]+","M":\[\]\}\);$`, body)
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

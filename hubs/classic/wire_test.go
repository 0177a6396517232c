package classic_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/transports"
)

func TestNegotiate(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	resp, err := bounded.Get(n.server.URL + "/signalr/negotiate?clientProtocol=2.1&connectionData=" + url.QueryEscape(`[{"Name":"CHAT"}]`) + "&_=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "application/json; charset=UTF-8", resp.Header.Get("Content-Type"))
	require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-cache, no-store", resp.Header.Get("Cache-Control"))
	var answer map[string]any
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, answer["ConnectionId"])
	require.Regexp(t, `^[A-Za-z0-9_-]+$`, answer["ConnectionToken"])
	delete(answer, "ConnectionId")
	delete(answer, "ConnectionToken")
	require.Equal(t, map[string]any{
		"Url": "/signalr", "KeepAliveTimeout": 20.0, "DisconnectTimeout": 30.0, "ConnectionTimeout": 110.0, "TryWebSockets": true,
		"ProtocolVersion": "2.0", "TransportConnectTimeout": 5.0, "LongPollDelay": 0.0,
	}, answer)
}

func TestNegotiateVersions(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	for offered, answered := range map[string]string{
		"": "1.2", "1.2": "1.2", "1.1": "1.2", "1.3": "1.3", "1.4": "1.4", "1.5": "1.5", "2.0": "2.0", "2.1": "2.0", "9.9": "2.0",
		"1337": "1.2", "0.1337": "1.2", "x": "1.2", "1.x": "1.2", "-1.5": "1.2", "1.5.0": "1.5", "1.5.x": "1.2", "1.10": "1.10",
	} {
		_, body := newClient(t, n, "clientProtocol="+offered).ask("/negotiate", nil)
		require.Contains(t, body, `"ProtocolVersion":"`+answered+`"`, offered)
	}
}

func TestNegotiateTellsTheTimings(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithKeepAlive(0), classic.WithDisconnectTimeout(9*time.Second), classic.WithConnectionTimeout(time.Minute),
		classic.WithTransportConnectTimeout(7*time.Second), classic.WithLongPollDelay(1500*time.Millisecond))
	_, body := newClient(t, n, "").ask("/negotiate", nil)
	require.Contains(t, body, `"KeepAliveTimeout":null,"DisconnectTimeout":9,"ConnectionTimeout":60,`)
	require.Contains(t, body, `"TransportConnectTimeout":7,"LongPollDelay":1.5`)
	n = newNode(t, nil, classic.WithDisconnectTimeout(60*time.Second))
	_, body = newClient(t, n, "").ask("/negotiate", nil)
	require.Contains(t, body, `"KeepAliveTimeout":40,"DisconnectTimeout":60,`, "two thirds of the disconnect timeout")
}

// TestNothingIsStored: responses hold tokens and messages. The script holds neither.
func TestNothingIsStored(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithJSONP())
	c := newClient(t, n, "transport=longPolling")
	c.negotiate()
	for _, step := range []struct {
		op    string
		query url.Values
		want  string
	}{
		{"/hubs", nil, "no-cache"},
		{"/js", nil, "no-cache"},
		{"/negotiate", nil, "no-cache, no-store"},
		{"/ping", nil, "no-cache, no-store"},
		{"/connect", nil, "no-cache, no-store"},
		{"/start", nil, "no-cache, no-store"},
		{"/poll", nil, "no-cache, no-store"},
		{"/poll", url.Values{"callback": {"f"}}, "no-cache, no-store"},
		{"/reconnect", url.Values{"transport": {"serverSentEvents"}}, "no-cache, no-store"},
		{"/reconnect", url.Values{"transport": {"foreverFrame"}, "frameId": {"1"}}, "no-cache, no-store"},
		{"/send", url.Values{"data": {`{"H":"chat","M":"Void"}`}}, "no-cache, no-store"},
		{"/abort", nil, "no-cache, no-store"},
		{"/poll", nil, "no-cache, no-store"},
		{"/poll", nil, "no-cache, no-store"}, // refused
	} {
		resp, err := bounded.Get(c.url(step.op, step.query))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, []string{step.want}, resp.Header.Values("Cache-Control"), step.op)
	}
}

// TestOnlyTheEndOfThePathCounts: clients are configured with all kinds of URLs,
// also such that end in a slash.
func TestOnlyTheEndOfThePathCounts(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	for path, base := range map[string]string{
		"/signalr/negotiate":        "/signalr",
		"/signalr//negotiate":       "/signalr/",
		"/signalr/js/negotiate":     "/signalr/js",
		"/signalr/a%20b/NEGOTIATE":  "/signalr/a%20b",
		"/signalr/hubs/negotiate":   "/signalr/hubs",
		"/signalr///x//y/negotiate": "/signalr///x//y",
	} {
		resp, err := bounded.Get(n.server.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Contains(t, string(body), `"Url":"`+base+`"`, path)
	}
	for _, path := range []string{"/signalr/hubs", "/signalr/js", "/signalr/hubs/", "/signalr//JS//"} {
		resp, err := bounded.Get(n.server.URL + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "application/javascript; charset=UTF-8", resp.Header.Get("Content-Type"), path)
	}
}

func TestDoubleSlashes(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "transport="+transport)
		c.prefix = "/signalr/"
		c.connect()
		require.JSONEq(t, `{"R":6,"I":"0"}`, c.call(`{"H":"chat","M":"Add","A":[1,2,3],"I":0}`))
		c.close()
		c.drain()
		c.open("/reconnect")
		n.chat.requireEvent(t, "reconnected "+c.id)
	})
}

func TestMountLeavesOtherPathsAlone(t *testing.T) {
	t.Parallel()
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	mux := http.NewServeMux()
	mux.Handle("/", say("mux"))
	h := classic.Mount("/a/", say("a"), classic.Mount("/a/b", say("never"), classic.Mount("/b", say("b"), mux)))
	for path, want := range map[string]string{"/a": "a", "/a/": "a", "/a//connect": "a", "/ab": "mux", "/A": "mux", "/b/x": "b", "/": "mux"} {
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}})
		require.Equal(t, want, w.body.String(), path)
	}
}

type recorder struct {
	header http.Header
	body   strings.Builder
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(int)             {}
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }

func TestRefusals(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "user=ann&transport=longPolling")
	c.negotiate()
	for name, test := range map[string]struct {
		change url.Values
		status int
		body   string
	}{
		"no transport":        {url.Values{"transport": {""}}, 400, "Protocol error: Unknown transport."},
		"unknown transport":   {url.Values{"transport": {"pigeon"}}, 400, "Protocol error: Unknown transport."},
		"no token":            {url.Values{"connectionToken": {""}}, 400, "Protocol error: Missing connection token."},
		"garbage token":       {url.Values{"connectionToken": {"garbage"}}, 400, "The ConnectionId is in the incorrect format."},
		"tampered token":      {url.Values{"connectionToken": {tamper(c.token)}}, 400, "The ConnectionId is in the incorrect format."},
		"another user":        {url.Values{"user": {"eve"}}, 403, "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."},
		"nobody":              {url.Values{"user": {""}}, 403, "Unrecognized user identity.  The user identity cannot change during an active SignalR connection."},
		"unknown hub":         {url.Values{"connectionData": {`[{"name":"nohub"}]`}}, 400, "'nohub' Hub could not be resolved."},
		"duplicate hub":       {url.Values{"connectionData": {`[{"name":"chat"},{"name":"CHAT"}]`}}, 400, "Duplicate Hub names found."},
		"bad connection data": {url.Values{"connectionData": {`[{]`}}, 400, "The connection data is malformed."},
		"no list":             {url.Values{"connectionData": {`{"name":"chat"}`}}, 400, "The connection data is malformed."},
		"long data":           {url.Values{"connectionData": {`[` + strings.Repeat(" ", 20000) + `]`}}, 400, "The connection data is malformed."},
		"no socket":           {url.Values{"transport": {"webSockets"}}, 400, "Not a valid web socket request."},
		"JSONP":               {url.Values{"callback": {"f"}}, 403, ""},
		"no frame id":         {url.Values{"transport": {"foreverFrame"}}, 400, "The frame id is malformed."},
	} {
		resp, err := bounded.Get(c.url("/connect", test.change))
		require.NoError(t, err, name)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err, name)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, test.status, resp.StatusCode, name)
		require.Equal(t, test.body, string(body), name)
	}
	resp, err := bounded.Get(c.url("/reconnect", url.Values{"messageId": {"d-4F21A0C-B,0"}}))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "a cursor that is none")
	require.Zero(t, n.endpoint.Stats().Connections)
}

func tamper(token string) string {
	b := []byte(token)
	if middle := &b[len(b)/2]; *middle == 'A' {
		*middle = 'B'
	} else {
		*middle = 'A'
	}
	return string(b)
}

func TestPing(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	resp, err := bounded.Get(n.server.URL + "/signalr/ping?x=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, `{ "Response": "pong" }`, string(body))
}

func TestQueryKeysHaveNoCase(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=LONGPOLLING")
	c.negotiate()
	address := strings.NewReplacer("connectionToken", "CONNECTIONTOKEN", "connectionData", "connectiondata", "transport", "Transport").Replace(c.url("/connect", nil))
	resp, err := bounded.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

func TestJSONP(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil, classic.WithJSONP())
	c := newClient(t, n, "transport=longPolling")
	c.negotiate()
	get := func(op string, more url.Values) (int, string, string) {
		more.Set("callback", "jQuery1.cb_2")
		resp, err := bounded.Get(c.url(op, more))
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, resp.Header.Get("Content-Type"), string(body)
	}
	for op, want := range map[string]string{
		"/ping":      `^jQuery1\.cb_2\(\{ "Response": "pong" \}\);$`,
		"/negotiate": `^jQuery1\.cb_2\(\{"Url":.*\}\);$`,
		"/connect":   `^jQuery1\.cb_2\(\{"C":"[^"]+","S":1,"M":\[\]\}\);$`,
	} {
		status, contentType, body := get(op, url.Values{})
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "application/javascript; charset=UTF-8", contentType)
		require.Regexp(t, want, body)
	}
	_, _, body := get("/start", url.Values{})
	require.Equal(t, `jQuery1.cb_2({ "Response": "started" });`, body)
	_, _, body = get("/send", url.Values{"data": {`{"H":"chat","M":"Add","A":[1],"I":0}`}})
	require.Equal(t, `jQuery1.cb_2({"R":1,"I":"0"});`, body)
	for _, callback := range []string{"alert(1)", "a.", ".a", "a..b", "1a", "a-b", "window.if", "eval", "ä", strings.Repeat("a", 300), "a b", "<script>"} {
		resp, err := bounded.Get(c.url("/poll", url.Values{"callback": {callback}}))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, callback)
	}
}

func TestForeverFrame(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=foreverFrame")
	c.negotiate()
	resp, err := bounded.Get(c.url("/connect", url.Values{"frameId": {"7"}}))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/html; charset=UTF-8", resp.Header.Get("Content-Type"))
	read := newLines(resp.Body)
	read.until(t, "getConnection('7')")
	read.until(t, `"S":1,"M":[]});</script>`)
	c.start()
	require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "</script><b>"))
	read.until(t, `<script>r(c, {"C":"`)
	read.until(t, `"M":[{"H":"Chat","M":"say","A":["\u003c/script\u003e\u003cb\u003e"]}]});</script>`)
}

func TestOriginsAreThoseOfTheHub(t *testing.T) {
	t.Parallel()
	n := newNodeOf(t, []hubs.Option{hubs.WithAllowedOrigins("https://app.example:443", "null", "file://", "capacitor://localhost")})
	for name, tt := range map[string]struct {
		host, origin string // no host: the node's own
		socket, cors bool
	}{
		"listed":                    {"", "https://app.example", true, true},
		"listed, with its port":     {"", "https://app.example:443", true, true},
		"listed, null":              {"", "null", true, true},
		"listed, file":              {"", "file://", true, true},
		"listed, app":               {"", "capacitor://localhost", true, true},
		"not listed":                {"", "https://evil.example", false, false},
		"not listed, by the scheme": {"", "http://app.example", false, false},
		"own, https port in Host":   {"a.example:443", "https://a.example", true, false},
		"own, http port in Host":    {"a.example:80", "http://a.example", true, false},
		"own, port of the other":    {"a.example:80", "https://a.example", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, n, "transport=webSockets")
			r, err := http.NewRequest(http.MethodGet, c.url("/negotiate", nil), nil)
			require.NoError(t, err)
			r.Header.Set("Origin", tt.origin)
			resp, err := bounded.Do(r)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, map[bool]string{true: tt.origin}[tt.cors], resp.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, map[bool]string{true: "true"}[tt.cors], resp.Header.Get("Access-Control-Allow-Credentials"))

			c.negotiate()
			header := http.Header{"Origin": {tt.origin}}
			if tt.host != "" {
				header.Set("Host", tt.host)
			}
			ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(c.url("/connect", nil), "http"), header)
			if tt.socket {
				require.NoError(t, err)
				require.NoError(t, ws.Close())
				return
			}
			require.Error(t, err)
			require.Equal(t, http.StatusForbidden, resp.StatusCode)
		})
	}
}

// TestAuthorizationIsThatOfTheHubs: hubs that a client may not use are left out;
// if none is left, the request is refused.
func TestAuthorizationIsThatOfTheHubs(t *testing.T) {
	t.Parallel()
	guard := func(r *http.Request) error {
		switch user(r) {
		case "admin":
			return nil
		case "":
			return transports.ErrUnauthenticated
		default:
			return io.ErrUnexpectedEOF
		}
	}
	admin, err := hubs.New(newChat(), hubs.WithName("admin"), hubs.WithUserID(user), hubs.WithAuthorization(guard))
	require.NoError(t, err)
	t.Cleanup(func() { classic.ShutDown(t, admin) })
	n := newNode(t, nil, classic.WithHubs(admin))
	both, alone := `[{"name":"chat"},{"name":"admin"}]`, `[{"name":"admin"}]`
	for name, test := range map[string]struct {
		user, data string
		status     int
	}{
		"allowed": {"admin", both, 200}, "one left": {"bob", both, 200}, "none left": {"bob", alone, 403}, "unknown user": {"", alone, 401}, "no hubs": {"", "[]", 200},
	} {
		status, _ := newClient(t, n, url.Values{"user": {test.user}, "connectionData": {test.data}}.Encode()).ask("/negotiate", nil)
		require.Equal(t, test.status, status, name)
	}

	c := newClient(t, n, url.Values{"user": {"bob"}, "transport": {"webSockets"}, "connectionData": {both}}.Encode())
	c.connect()
	require.JSONEq(t, `{"I":"1","E":"There was an error invoking Hub method 'admin.Add'."}`, c.call(`{"H":"admin","M":"Add","A":[1],"I":1}`))
	require.NoError(t, admin.Clients().All().Send(t.Context(), "say", "secret"))
	require.NoError(t, n.hub.Clients().All().Send(t.Context(), "say", "hi"))
	c.requireMessages(said("hi"))
}

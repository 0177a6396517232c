package classic_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/classic"
	"github.com/go-signalr/signalr/protocol"
)

// breaking is what ends a script or, before ES2019, a line of it.
const breaking = "</script><!--\u2028\u2029"

// ownJSON encodes itself, and escapes nothing.
type ownJSON struct{}

func (ownJSON) MarshalJSON() ([]byte, error) { return []byte(`"` + breaking + `"`), nil }

// breakingValues are the kinds of values that come to the wire by different ways.
func breakingValues() map[string]any {
	quoted := json.RawMessage(`"` + breaking + `"`)
	var raw protocol.Raw
	if err := json.Unmarshal(quoted, &raw); err != nil {
		panic(err)
	}
	return map[string]any{
		"string": breaking, "RawMessage": quoted, "Raw": raw, "MarshalJSON": ownJSON{},
		"key": map[string]int{breaking: 1}, "key in a RawMessage": json.RawMessage(`{"` + breaking + `":1}`),
		"within": []any{map[string]any{"a": quoted}, struct{ Raw protocol.Raw }{raw}, &ownJSON{}},
	}
}

// scripts has methods whose values and errors could break a script.
type scripts struct{ value any }

func (h *scripts) OnConnected(c *hubs.Context) error { return h.Tell(c) }
func (h *scripts) Tell(c *hubs.Context) error        { return c.Clients().Caller().Send(c, "tell", h.value) }
func (h *scripts) Return(*hubs.Context) any          { return h.value }
func (h *scripts) Fail(*hubs.Context) error {
	return classic.WithData(hubs.NewError(breaking), h.value)
}
func (h *scripts) Progress(c *hubs.Context) error { return classic.Progress(c, h.value) }
func (h *scripts) State(c *hubs.Context) error    { return classic.State(c).Set("key", h.value) }

// newScriptNode starts an endpoint that sends a value, of hubs or of raw connections.
func newScriptNode(t *testing.T, value any, raw bool) *node {
	t.Helper()
	if raw {
		tell := func(c *classic.RawConn) error { return c.Send(value) }
		return newRawNode(t, classic.RawHandler{
			Connected: tell,
			Received:  func(c *classic.RawConn, _ string) error { return tell(c) },
		}, classic.WithJSONP())
	}
	hub, err := hubs.New(&scripts{value}, hubs.WithName("chat"), hubs.WithLogger(quiet()))
	require.NoError(t, err)
	n := &node{chat: newChat(), hub: hub}
	n.endpoint, err = classic.New(hub, classic.WithJSONP())
	require.NoError(t, err)
	n.serve(t)
	return n
}

// eachScript runs a test for each kind of value and of endpoint.
func eachScript(t *testing.T, test func(t *testing.T, n *node, raw bool)) {
	for name, value := range breakingValues() {
		for kind, raw := range map[string]bool{"hub": false, "raw": true} {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				test(t, newScriptNode(t, value, raw), raw)
			})
		}
	}
}

// requireSafeScript checks that a script which has the value is one.
func requireSafeScript(t *testing.T, script, what string) {
	t.Helper()
	for _, text := range []string{"<", ">", "\u2028", "\u2029"} {
		require.NotContains(t, script, text, what)
	}
}

// hasNothing tells whether a response is without messages: a keep-alive, or one that
// brings a token of its groups or a cursor.
func hasNothing(response string) bool {
	return response == "{}" || strings.Contains(response, `"M":[]`)
}

// scriptCalls are calls whose responses have the value.
var scriptCalls = []string{
	`{"H":"chat","M":"Return","I":1}`, `{"H":"chat","M":"Fail","I":2}`, `{"H":"chat","M":"Tell","I":3}`,
	`{"H":"chat","M":"Progress","I":4}`, `{"H":"chat","M":"State","I":5}`, `{"H":"chat","M":"Void` + breaking + `","I":6}`,
	`{"H":"chat","M":"State","I":"7` + breaking + `","S":{"a":"` + breaking + `"}}`,
}

// TestScriptsOfJSONP: the response to each operation is one script.
func TestScriptsOfJSONP(t *testing.T) {
	t.Parallel()
	eachScript(t, func(t *testing.T, n *node, raw bool) {
		c := newClient(t, n, "transport=longPolling")
		c.negotiate()
		cursor := ""
		get := func(op string, more url.Values) string {
			if more == nil {
				more = url.Values{}
			}
			more.Set("callback", "f")
			resp, err := bounded.Get(c.url(op, more))
			require.NoError(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", op, text)
			if len(text) == 0 && raw { // it has nothing to tell
				return ""
			}
			requireSafeScript(t, string(text), op)
			body, isCall := strings.CutPrefix(strings.TrimLeft(string(text), " "), "f(")
			require.True(t, isCall, "%s: %s", op, text)
			body = strings.TrimSuffix(body, ");")
			require.True(t, json.Valid([]byte(body)), "%s: %s", op, body)
			var r struct{ C string }
			require.NoError(t, json.Unmarshal([]byte(body), &r))
			if r.C != "" {
				cursor = r.C
			}
			return body
		}
		poll := func(op string) {
			body := get(op, url.Values{"messageId": {cursor}})
			for hasNothing(body) {
				body = get(op, url.Values{"messageId": {cursor}})
			}
			require.Contains(t, body, `\u2028\u2029`, op)
		}
		get("/ping", nil)
		get("/negotiate", nil)
		get("/connect", nil)
		get("/start", nil)
		poll("/poll")
		for _, call := range scriptCalls {
			get("/send", url.Values{"data": {call}})
			if raw || strings.Contains(call, "Tell") || strings.Contains(call, "Progress") {
				poll("/poll")
			}
		}
	})
}

// TestScriptsOfForeverFrames: each line of the page is one script.
func TestScriptsOfForeverFrames(t *testing.T) {
	t.Parallel()
	eachScript(t, func(t *testing.T, n *node, _ bool) {
		c := newClient(t, n, "transport=foreverFrame")
		c.negotiate()
		resp, err := bounded.Get(c.url("/connect", nil))
		require.NoError(t, err)
		defer resp.Body.Close()
		page := newLines(resp.Body)
		page.until(t, "<body>")
		script := func(what string) string {
			page.until(t, "<script>r(c, ")
			for !strings.Contains(page.seen.String(), "\n") {
				b, err := page.scanner.ReadByte()
				require.NoError(t, err, what)
				page.seen.WriteByte(b)
			}
			line, _, _ := strings.Cut(page.seen.String(), "\n")
			body, whole := strings.CutSuffix(strings.TrimSuffix(line, "\r"), ");</script>")
			require.True(t, whole, "%s: %s", what, line)
			requireSafeScript(t, body, what)
			require.True(t, json.Valid([]byte(body)), "%s: %s", what, body)
			return body
		}
		next := func(what string) {
			body := script(what)
			for hasNothing(body) {
				body = script(what)
			}
			require.Contains(t, body, `\u2028\u2029`, what)
		}
		script("init")
		c.start()
		next("OnConnected")
		status, body := c.ask("/send", url.Values{"data": {`{"H":"chat","M":"Tell","I":1}`}})
		require.Equal(t, http.StatusOK, status, body)
		next("call")
	})
}

package classic

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// TestResponses: the order of the members is that of the reference (6).
func TestResponses(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]response{
		`{"C":"c","M":[]}`:                  {cursor: "c"},
		`{"C":"c","S":1,"M":[]}`:            {cursor: "c", init: true},
		`{"C":"c","T":1,"M":[]}`:            {cursor: "c", shutdown: true},
		`{"C":"c","G":"g","L":250,"M":[1]}`: {cursor: "c", groups: "g", delay: 250, messages: [][]byte{[]byte("1")}},
		`{"C":"c","E":"bye \"x\"","M":[]}`:  {cursor: "c", failure: `bye "x"`},
		`{"C":"c","S":1,"T":1,"G":"g","L":1,"E":"e","M":[{"H":"Chat","M":"say","A":["hi"]},2]}`: {
			cursor: "c", init: true, shutdown: true, groups: "g", delay: 1, failure: "e",
			messages: [][]byte{[]byte(`{"H":"Chat","M":"say","A":["hi"]}`), []byte("2")},
		},
	} {
		require.Equal(t, want, string(r.append(nil)))
		require.True(t, json.Valid([]byte(want)))
	}
}

// TestResults: those of the reference (7.2).
func TestResults(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]result{
		`{"I":"0"}`:                     {id: "0"},
		`{"R":6,"I":"1"}`:               {id: "1", value: json.RawMessage("6")},
		`{"I":"1 "}`:                    {id: "1 ", value: json.RawMessage("null")},
		`{"S":{"a":1},"R":"x","I":"1"}`: {id: "1", value: json.RawMessage(`"x"`), state: json.RawMessage(`{"a":1}`)},
		`{"I":"2","H":true,"E":"no seats","D":{"left":0}}`: {
			id: "2", failed: true, ours: true, text: "no seats", data: json.RawMessage(`{"left":0}`),
		},
		`{"I":"2","E":"oh"}`: {id: "2", failed: true, text: "oh"},
	} {
		require.Equal(t, want, string(r.append(nil)))
	}
	require.Equal(t, `{"I":"P|3","P":{"I":"3","D":40}}`, string(appendProgress(nil, "3", []byte("40"), nil)))
	require.Equal(t, `{"I":"P|3","P":{"I":"3","D":40},"S":{"a":1}}`, string(appendProgress(nil, "3", []byte("40"), []byte(`{"a":1}`))))
}

func TestInvocations(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]invocation{
		`{"H":"chat","M":"Send","A":["hi",1],"I":0,"S":{"name":"x"}}`: {
			"chat", "Send", []json.RawMessage{json.RawMessage(`"hi"`), json.RawMessage("1")}, "0", json.RawMessage(`{"name":"x"}`),
		},
		`{"H":"chat","M":"Send","I":"12"}`:               {Hub: "chat", Method: "Send", ID: "12"},
		`{"H":"chat","M":"Send","I":null,"S":null}`:      {Hub: "chat", Method: "Send"},
		`{"H":"chat","M":"Send","A":null,"I":1.5,"X":1}`: {Hub: "chat", Method: "Send", ID: "1.5"},
	} {
		inv, err := parseInvocation([]byte(text))
		require.NoError(t, err, text)
		require.Equal(t, want, inv, text)
	}
	for _, text := range []string{"", "[]", "1", `{"H":1}`, `{"A":{}}`, `{"I":{}}`, `{"I":true}`, `{"S":[]}`, `{"S":1}`, `{"H":"x"`} {
		_, err := parseInvocation([]byte(text))
		require.ErrorContains(t, err, textMalformed, text)
	}
	state := func(n int) []byte { return []byte(`{"S":{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}}`) }
	_, err := parseInvocation(state(maxState))
	require.NoError(t, err)
	_, err = parseInvocation(state(maxState + 1))
	require.ErrorIs(t, err, errState)
}

func TestValues(t *testing.T) {
	t.Parallel()
	require.Equal(t, values{"a": "1", "b": "x y&", "c": ""}, parseValues("A=1&a=2&b=x+y%26&c&&=x&d=%zz&%zz=1"))
}

func TestConnectionData(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"": nil, "null": {}, "[]": {}, `[{"name":"Chat"}]`: {"chat"}, `[{"Name":"a","x":1},{"NAME":"b"}]`: {"a", "b"}, `[{}]`: {""},
	} {
		names, err := parseConnectionData(text)
		require.NoError(t, err, text)
		require.Equal(t, want, names, text)
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/signalr/negotiate": "negotiate", "/signalr//Connect": "connect", "/send": "send", "poll": "poll", "/signalr/": "", "": "",
		"/signalr/hubs/": "hubs", "/signalr/JS": "js", "/signalr/send/": "", "/signalr/js/negotiate": "negotiate",
	} {
		require.Equal(t, want, operation(path), path)
	}
	for target, want := range map[string]string{
		"/app/signalr/hubs?x=/a": "/app/signalr", "/app/signalr/hubs//": "/app/signalr", "/hubs": "", "/a%2Fb/hubs": "/a%2Fb", "http://x/signalr/hubs": "/signalr",
	} {
		require.Equal(t, want, base(httptest.NewRequest("GET", target, nil), "hubs"), target)
	}
}

func TestAppendScript(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "",
		`{"a":"b"}`:                `{"a":"b"}`,
		`{"a":"</script>"}`:        `{"a":"\u003c/script\u003e"}`,
		"\"\u2028\"":               `"\u2028"`,
		"\"a\u2029\u2028b\u2029\"": `"a\u2029\u2028b\u2029"`,
		"\"\u2027\u202a\u20a8ü\"":  "\"\u2027\u202a\u20a8ü\"", // whose bytes are almost the same
		"\xe2\x80":                 "\xe2\x80",
		"\xe2":                     "\xe2",
	} {
		require.Equal(t, "f("+want, string(appendScript([]byte("f("), []byte(text))), "%q", text)
	}
}

// What a client has sent, and a method passes on as a protocol.Raw, is as it came.
func TestEventsAreOneLine(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	q := &request{w: recorder}
	require.NoError(t, newEvents(q, time.Second).send([]byte("{\"M\":[1,\r\n\n\t2]}")))
	require.Equal(t, "data: {\"M\":[1,   \t2]}\n\n", recorder.Body.String())
}

func FuzzInvocation(f *testing.F) {
	f.Add([]byte(`{"H":"chat","M":"Send","A":["hi",1],"I":0,"S":{"name":"x"}}`))
	f.Add([]byte(`{"I":"\ud800"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		inv, err := parseInvocation(data)
		if err != nil {
			return
		}
		r := result{id: inv.ID, state: inv.State}
		require.True(t, json.Valid(r.append(nil)))
		s := CallerState{received: inv.State}
		var v any
		_, _ = s.Get("name", &v)
	})
}

func FuzzAppendScript(f *testing.F) {
	f.Add("</script>")
	f.Add("a\u2028\u2029\u2027\xe2\x80")
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := json.Marshal(text)
		require.NoError(t, err)
		plain = []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u2028`, "\u2028", `\u2029`, "\u2029").Replace(string(plain)))
		var before, after string
		if json.Unmarshal(plain, &before) != nil { // a backslash was the text's own
			return
		}
		script := appendScript(nil, plain)
		require.NoError(t, json.Unmarshal(script, &after))
		require.Equal(t, before, after)
		require.False(t, strings.ContainsAny(string(script), "<>\u2028\u2029"))
	})
}

func FuzzConnectionData(f *testing.F) {
	f.Add(`[{"name":"chat"}]`)
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseConnectionData(text) })
}

func FuzzCallback(f *testing.F) {
	for _, seed := range []string{"jQuery1_2", "a.b", "a;b", "if", "a\u2028", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if isCallback(text) {
			require.Regexp(t, `^[A-Za-z_$][A-Za-z0-9_$]*(\.[A-Za-z_$][A-Za-z0-9_$]*)*$`, text)
		}
	})
}

func FuzzValues(f *testing.F) {
	f.Add("a=1&b=%20&A=2")
	f.Fuzz(func(t *testing.T, text string) {
		v := parseValues(text)
		q := url.Values{}
		for key, value := range v {
			require.Equal(t, strings.ToLower(key), key)
			q.Set(key, value)
		}
		require.Equal(t, v, parseValues(q.Encode()))
	})
}

func BenchmarkResponse(b *testing.B) {
	message := []byte(`{"H":"Chat","M":"say","A":["hello world, how are you today"]}`)
	r := response{cursor: "gAAAABwKH0JX_vDEDAQcDAQAAAAEBl06AgICAgCA"}
	for range maxStreamMessages {
		r.add(message)
	}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = r.append(buffer[:0])
	}
}

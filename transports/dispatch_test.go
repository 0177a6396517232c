package transports_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

func TestPathsOfNegotiate(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t))
	for _, path := range []string{"/chat/negotiate", "/chat/negotiate/", "/chat/NEGOTIATE", "/Chat/Negotiate/", "/negotiate"} {
		r, err := http.NewRequest(http.MethodPost, s.at(path).url+"?negotiateVersion=1", nil)
		require.NoError(t, err)
		a := s.exchange(r)
		require.NoError(t, a.err)
		require.Equal(t, http.StatusOK, a.status, path)
		require.Contains(t, a.body, `"connectionToken"`, path)
	}
}

func TestPathsOfTheConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t))
	for _, path := range []string{"/chat", "/chat/", "/CHAT", "/", "/chat/negotiated", "/negotiate/chat"} {
		s.at(path).expect("POST", "", "", http.StatusBadRequest, "Connection ID required")
	}
}

func TestKeysOfTheQuery(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	s := serve(t, a)
	id := s.negotiateAs("?a=%zz&NEGOTIATEVERSION=1&_=1700000000000").ConnectionToken
	s.expect("GET", id, "", http.StatusOK, "")
	for _, query := range []string{"?ID=", "?_=1700000000000&Id=", "?room=a%20b&access_token=t&iD=", "?identity=x&&id="} {
		address := *s.site
		address.url += query + id
		require.Equal(t, http.StatusOK, address.do("POST", "", "").status, query)
	}
	// The id itself is compared exactly.
	s.expect("POST", flipCase(id), "x", http.StatusNotFound, textUnknownID)
	s.expect("POST", "", "x", http.StatusBadRequest, "Connection ID required")
}

func flipCase(s string) string {
	b := []byte(s)
	for i := range b {
		switch {
		case 'a' <= b[i] && b[i] <= 'z', 'A' <= b[i] && b[i] <= 'Z':
			b[i] ^= 0x20
		}
	}
	return string(b)
}

func TestOtherMethodsOnNegotiate(t *testing.T) {
	t.Parallel()
	s := serve(t, newApp(t))
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		a := s.at("/chat/negotiate").expect(method, "", "", http.StatusMethodNotAllowed, "")
		require.Equal(t, "text/plain", a.header.Get("Content-Type"), method)
	}
	require.Zero(t, s.Records())
}

// TestWhichTransportAGetAsksFor tells the transports apart by how each refuses a
// request (reference 2.1).
func TestWhichTransportAGetAsksFor(t *testing.T) {
	t.Parallel()
	const events, poll, socket = "ServerSentEvents", "LongPolling", "WebSockets"
	key := base64.StdEncoding.EncodeToString([]byte("sixteen bytes..."))
	accept := func(values ...string) http.Header { return http.Header{"Accept": values} }
	without := func(name string) http.Header {
		h := asWebSocket.Clone()
		h.Del(name)
		return h
	}
	for _, tt := range []struct {
		name   string
		header http.Header
		want   string
	}{
		{"nothing", nil, poll},
		{"any media type", accept("*/*"), poll},
		{"any text", accept("text/*"), poll},
		{"event stream", accept("text/event-stream"), events},
		{"event stream in capitals", accept("TEXT/Event-Stream"), events},
		{"event stream among others", accept("text/html, text/event-stream ,*/*"), events},
		{"event stream in a second header", accept("text/html", "text/event-stream"), events},
		{"event stream with a parameter", accept("text/event-stream;q=0.9"), poll},
		{"event stream with a character set", accept("text/event-stream; charset=utf-8"), poll},
		{"another type that begins alike", accept("text/event-streams"), poll},

		{"upgrade", asWebSocket, socket},
		{"upgrade in other cases", with(with(asWebSocket, "Connection", "keep-alive, UPGRADE"), "Upgrade", "WebSocket"), socket},
		{"event stream goes before upgrade", with(asWebSocket, "Accept", "text/event-stream"), events},
		{"no Connection header", without("Connection"), poll},
		{"no Upgrade header", without("Upgrade"), poll},
		{"upgrade to something else", with(asWebSocket, "Upgrade", "h2c"), poll},
		{"no version", without("Sec-WebSocket-Version"), poll},
		{"old version", upgrade("8", key), poll},
		{"garbage version", upgrade("thirteen", key), poll},
		{"no key", without("Sec-WebSocket-Key"), poll},
		{"short key", upgrade("13", "c2hvcnQ="), poll},
		{"long key", upgrade("13", base64.StdEncoding.EncodeToString([]byte("more than sixteen bytes"))), poll},
		{"garbage key", upgrade("13", "\xff%%%"), poll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var others []transports.Kind
			for _, kind := range []transports.Kind{transports.WebSockets, transports.ServerSentEvents, transports.LongPolling} {
				if kind.String() != tt.want {
					others = append(others, kind)
				}
			}
			s := serve(t, newApp(t), transports.WithTransports(others...))
			id := s.negotiate()
			r := s.request("GET", id, "")
			for name, values := range tt.header {
				r.Header[name] = values
			}
			a := s.exchange(r)
			require.NoError(t, a.err)
			require.Equal(t, http.StatusNotFound, a.status)
			require.Equal(t, tt.want+" transport not supported by this end point type", a.body)
		})
	}
}

func TestNegotiateOffersWhatIsEnabled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		enabled []transports.Kind
		want    string
	}{
		{[]transports.Kind{transports.LongPolling, transports.WebSockets}, `[{"transport":"WebSockets","transferFormats":["Text","Binary"]},{"transport":"LongPolling","transferFormats":["Text","Binary"]}]`},
		{[]transports.Kind{transports.ServerSentEvents}, `[{"transport":"ServerSentEvents","transferFormats":["Text"]}]`},
	} {
		s := serve(t, newApp(t), transports.WithTransports(tt.enabled...))
		require.Contains(t, s.askNegotiate("?negotiateVersion=1").body, `"availableTransports":`+tt.want)
	}
	s := serve(t, newApp(t))
	require.Contains(t, s.askNegotiate("?negotiateVersion=1").body, `"availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},`+
		`{"transport":"ServerSentEvents","transferFormats":["Text"]},{"transport":"LongPolling","transferFormats":["Text","Binary"]}]`)
}

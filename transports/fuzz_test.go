package transports_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/transports"
)

// FuzzServeHTTP: whatever comes, the endpoint answers and does not panic. TOKEN
// in the query stands for the id of a connection.
func FuzzServeHTTP(f *testing.F) {
	key := asWebSocket.Get("Sec-WebSocket-Key")
	f.Add("POST", "/chat/negotiate", "negotiateVersion=1", "", "", "", "")
	f.Add("POST", "/chat/NEGOTIATE/", "negotiateVersion=x&useStatefulReconnect=true", "", "", "", "")
	f.Add("GET", "/chat", "id=TOKEN", "", "", "", "")
	f.Add("GET", "/chat", "ID=TOKEN&access_token=%zz", "text/event-stream", "", "", "")
	f.Add("GET", "/chat", "id=TOKEN", "", "websocket", key, "")
	f.Add("GET", "/chat", "", "", "websocket", key, "")
	f.Add("GET", "/", "id=TOKEN;x&&=", "text/event-stream;q=1,\x00", "\xff", "short", "")
	f.Add("POST", "", "id=TOKEN", "", "", "", "body")
	f.Add("DELETE", "/chat", "id=%54OKEN", "", "", "", "")
	f.Add("OPTIONS", "*", "id", "", "", "", "")
	handler := transports.ConnectionHandler(func(*transports.RawConn) error { return nil })
	f.Fuzz(func(t *testing.T, method, path, query, accept, upgrade, key, body string) {
		e := endpoint(t, handler, transports.WithPollTimeout(time.Millisecond), transports.WithDisconnectTimeout(time.Millisecond),
			transports.WithSweepInterval(time.Millisecond))
		defer verifyGone(t, e, nil)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/negotiate?negotiateVersion=1", nil))
		_, id, _ := strings.Cut(w.Body.String(), `"connectionToken":"`)
		id, _, _ = strings.Cut(id, `"`)
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		r.Method = method
		r.URL = &url.URL{Path: path, RawQuery: strings.ReplaceAll(query, "TOKEN", id)}
		r.Header = http.Header{"Accept": {accept}, "Connection": {"Upgrade"}, "Upgrade": {upgrade}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key}}
		for range 3 { // the second and the third find what the first has left
			w := &answered{ResponseRecorder: httptest.NewRecorder()}
			e.ServeHTTP(w, r)
			require.True(t, w.yes, "no answer")
			require.Contains(t, []int{200, 202, 204, 400, 404, 405, 409, 501}, w.Code)
		}
	})
}

// answered notes whether there was an answer.
type answered struct {
	*httptest.ResponseRecorder
	yes bool
}

func (w *answered) WriteHeader(status int) {
	w.yes = true
	w.ResponseRecorder.WriteHeader(status)
}

func (w *answered) Write(p []byte) (int, error) {
	w.yes = true
	return w.ResponseRecorder.Write(p)
}

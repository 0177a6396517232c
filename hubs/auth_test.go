package hubs_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

// request sends a request to a hub and returns the answer with its body.
func (s *server) request(method, path string, header http.Header) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.http.URL+"/hub"+path, strings.NewReader(""))
	require.NoError(s.t, err)
	for key, values := range header {
		r.Header[key] = values
	}
	response, err := s.http.Client().Do(r)
	require.NoError(s.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return response, string(body)
}

// negotiate returns the connection token that a user is given.
func (s *server) negotiate(header http.Header) string {
	s.t.Helper()
	response, body := s.request(http.MethodPost, "/negotiate?negotiateVersion=1", header)
	require.Equal(s.t, http.StatusOK, response.StatusCode, body)
	var answer struct {
		Token string `json:"connectionToken"`
	}
	require.NoError(s.t, json.Unmarshal([]byte(body), &answer))
	return answer.Token
}

func TestAuthorizationChecksEveryRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithAuthorization(func(r *http.Request) error {
		switch hubs.BearerToken(r) {
		case "good":
			return nil
		case "known":
			return errors.New("known, but not welcome")
		default:
			return transports.ErrUnauthenticated
		}
	}))
	id := s.negotiate(http.Header{"Authorization": {"bearer good"}})
	for _, request := range []struct{ method, path string }{
		{"POST", "/negotiate?negotiateVersion=1"}, {"GET", "?id=" + id}, {"POST", "?id=" + id}, {"DELETE", "?id=" + id},
	} {
		for token, status := range map[string]int{"": 401, "Bearer bad": 401, "Basic good": 401, "Bearer known": 403} {
			response, body := s.request(request.method, request.path, http.Header{"Authorization": {token}})
			require.Equal(t, status, response.StatusCode, "%v %s", request, token)
			require.Empty(t, body, "clients would show it instead of the status")
		}
	}
	response, _ := s.request(http.MethodGet, "?id="+id+"&access_token=good", nil) // as browsers' event streams do
	require.Equal(t, http.StatusOK, response.StatusCode)
	_, response, err := websocket.DefaultDialer.Dial(s.url, nil)
	require.Error(t, err)
	require.Equal(t, http.StatusUnauthorized, response.StatusCode)
	socket, _, err := websocket.DefaultDialer.Dial(s.url+"?access_token=good", nil)
	require.NoError(t, err)
	require.NoError(t, socket.Close())
}

func TestConnectionsBelongToTheirUser(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{}, hubs.WithUserID(userHeader))
	ada, bob := http.Header{"User": {"ada"}}, http.Header{"User": {"bob"}}
	id := s.negotiate(ada)
	response, _ := s.request(http.MethodGet, "?id="+id, ada)
	require.Equal(t, http.StatusOK, response.StatusCode)
	for _, method := range []string{"GET", "POST", "DELETE"} {
		response, body := s.request(method, "?id="+id, bob)
		require.Equal(t, http.StatusForbidden, response.StatusCode, method)
		require.Equal(t, "The user associated with this connection changed.", body, method)
	}
	response, _ = s.request(http.MethodPost, "?id="+id, ada)
	require.Equal(t, http.StatusOK, response.StatusCode)
}

func TestExpiredAuthenticationEndsTheConnection(t *testing.T) {
	t.Parallel()
	var expires atomic.Int64
	expires.Store(time.Now().Add(time.Hour).UnixNano())
	d := newDiary()
	s := serve(t, callHub{}, append(d.options(), hubs.WithExpiration(func(*http.Request) time.Time {
		return time.Unix(0, expires.Load())
	}))...)
	lasting := s.connect()
	expires.Store(time.Now().UnixNano())
	c := s.connect()
	c.expect(`{"type":7,"allowReconnect":true}`)
	c.expectClosed(websocket.CloseNormalClosure)
	d.expect(t, "connected")
	d.expect(t, "connected")
	d.expect(t, expiredEntry)
	require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, lasting.call("Echo", `"x"`))
}

func TestCORS(t *testing.T) {
	t.Parallel()
	const friend, stranger = "https://app.example", "https://evil.example"
	s := serve(t, callHub{}, hubs.WithAllowedOrigins(friend))
	preflight := func(origin string) http.Header {
		return http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"},
			"Access-Control-Request-Headers": {"x-requested-with,x-signalr-user-agent"}}
	}
	response, _ := s.request(http.MethodOptions, "/negotiate", preflight(friend))
	require.Equal(t, http.StatusNoContent, response.StatusCode)
	require.Equal(t, friend, response.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "true", response.Header.Get("Access-Control-Allow-Credentials"))
	require.Equal(t, "x-requested-with,x-signalr-user-agent", response.Header.Get("Access-Control-Allow-Headers"))
	response, _ = s.request(http.MethodOptions, "/negotiate", preflight(stranger))
	require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))

	for origin, allowed := range map[string]bool{friend: true, stranger: false, s.http.URL: true, "": true} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		socket, response, err := websocket.DefaultDialer.Dial(s.url, header)
		if allowed {
			require.NoError(t, err, origin)
			require.NoError(t, socket.Close())
		} else {
			require.Error(t, err, origin)
			require.Equal(t, http.StatusForbidden, response.StatusCode)
		}
	}
	_, err := hubs.New(nil, hubs.WithAllowedOrigins("app.example"))
	require.ErrorContains(t, err, "is not an origin")
}

// Without allowed origins there are no CORS headers, so that no other page can
// read an answer.
func TestNoCORSByDefault(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{})
	response, _ := s.request(http.MethodPost, "/negotiate", http.Header{"Origin": {"https://app.example"}})
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
	response, _ = s.request(http.MethodOptions, "/negotiate", http.Header{"Origin": {"https://app.example"}})
	require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode)
}

func TestAHubInChi(t *testing.T) {
	t.Parallel()
	s := serve(t, callHub{})
	router := chi.NewRouter()
	router.Route("/api/{version}", func(r chi.Router) {
		r.Handle("/hub", s.Hub)
		r.Handle("/hub/*", s.Hub)
		r.Mount("/mounted", s.Hub)
	})
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	server.Client().Timeout = await.Timeout
	for _, path := range []string{"/api/v1/hub", "/api/v1/mounted"} {
		response, err := server.Client().Post(server.URL+path+"/negotiate?negotiateVersion=1", "", nil)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, path)
		through := &serverAt{s, "ws" + strings.TrimPrefix(server.URL, "http") + path}
		require.Equal(t, `{"type":3,"invocationId":"call","result":"x"}`, through.connect().call("Echo", `"x"`))
	}
}

// serverAt is a server reached by another address.
type serverAt struct {
	*server
	at string
}

func (s *serverAt) connect() *client {
	there := *s.server
	there.url = s.at
	return there.connect()
}

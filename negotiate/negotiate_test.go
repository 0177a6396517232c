package negotiate_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/negotiate"
)

// ask sends one request to a handler that grants everything, and returns the
// answer with the grants it registered.
func ask(h *negotiate.Handler, method, query string) (*httptest.ResponseRecorder, []negotiate.Grant) {
	var grants []negotiate.Grant
	if h.Register == nil {
		h.Register = func(_ *http.Request, g negotiate.Grant) error {
			grants = append(grants, g)
			return nil
		}
	}
	h.Transports = []negotiate.Transport{{Name: "WebSockets", TransferFormats: []string{"Text", "Binary"}}}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "/chat/negotiate"+query, nil))
	if w.Header().Get("Cache-Control") != "no-store" {
		panic("an answer that may be cached")
	}
	return w, grants
}

func TestVersionChoice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		minimum int
		query   string
		version int
		error   string
	}{
		{name: "absent is 0", query: ""},
		{name: "0", query: "?negotiateVersion=0"},
		{name: "1", query: "?negotiateVersion=1", version: 1},
		{name: "key in another case", query: "?NEGOTIATEversion=1", version: 1},
		{name: "among other keys", query: "?a=b&&c&negotiateVersion=1&d=%zz", version: 1},
		{name: "escaped", query: "?negotiate%56ersion=%31", version: 1},
		{name: "too new is clamped", query: "?negotiateVersion=17", version: 1},
		{name: "not a number", query: "?negotiateVersion=one", error: "The client requested a non-integer protocol version."},
		{name: "empty", query: "?negotiateVersion=", error: "The client requested a non-integer protocol version."},
		{name: "negative", query: "?negotiateVersion=-1", error: "The client requested version '-1', but the server does not support this version."},
		{name: "below the minimum", minimum: 1, query: "?negotiateVersion=0", error: "The client requested version '0', but the server does not support this version."},
		{name: "absent below the minimum", minimum: 1, query: "", error: "The client requested version '0', but the server does not support this version."},
		{name: "at the minimum", minimum: 1, query: "?negotiateVersion=1", version: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, grants := ask(&negotiate.Handler{MinimumVersion: tt.minimum}, http.MethodPost, tt.query)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			var answer map[string]any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
			if tt.error != "" {
				require.Equal(t, map[string]any{"error": tt.error}, answer)
				require.Empty(t, grants, "a refusal creates no connection")
				return
			}
			require.EqualValues(t, tt.version, answer["negotiateVersion"])
			require.Len(t, grants, 1)
			require.Equal(t, tt.version, grants[0].Version)
		})
	}
}

func TestAnswerOfVersion1KeepsTokenAndIDApart(t *testing.T) {
	t.Parallel()
	w, grants := ask(&negotiate.Handler{}, http.MethodPost, "?negotiateVersion=1")
	g := grants[0]
	require.NotEqual(t, g.ConnectionID, g.ConnectionToken)
	require.Len(t, g.ConnectionID, 22)
	require.Len(t, g.ConnectionToken, 22)
	require.Equal(t, `{"negotiateVersion":1,"connectionId":"`+g.ConnectionID+`","connectionToken":"`+g.ConnectionToken+
		`","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}`, w.Body.String())
}

func TestAnswerOfVersion0HasNoToken(t *testing.T) {
	t.Parallel()
	w, grants := ask(&negotiate.Handler{}, http.MethodPost, "")
	g := grants[0]
	require.Equal(t, g.ConnectionID, g.ConnectionToken)
	require.Equal(t, `{"negotiateVersion":0,"connectionId":"`+g.ConnectionID+
		`","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}`, w.Body.String())
}

func TestStatefulReconnectIsGrantedOnlyWhenAskedForAndAllowed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		allowed bool
		query   string
		granted bool
	}{
		{"asked and allowed", true, "?negotiateVersion=1&useStatefulReconnect=true", true},
		{"any case", true, "?negotiateVersion=1&UseStatefulReconnect=TRUE", true},
		{"not allowed", false, "?negotiateVersion=1&useStatefulReconnect=true", false},
		{"not asked", true, "?negotiateVersion=1", false},
		{"false", true, "?negotiateVersion=1&useStatefulReconnect=false", false},
		{"another value", true, "?negotiateVersion=1&useStatefulReconnect=1", false},
		{"a later version", true, "?negotiateVersion=2&useStatefulReconnect=true", true},
		{"version 0", true, "?negotiateVersion=0&useStatefulReconnect=true", false},
		{"no version", true, "?useStatefulReconnect=true", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, grants := ask(&negotiate.Handler{StatefulReconnect: tt.allowed}, http.MethodPost, tt.query)
			require.Equal(t, tt.granted, grants[0].StatefulReconnect)
			if tt.granted {
				require.Contains(t, w.Body.String(), `{"useStatefulReconnect":true,`)
			} else {
				require.NotContains(t, w.Body.String(), "useStatefulReconnect")
			}
		})
	}
}

func TestIDsTellTheirNode(t *testing.T) {
	t.Parallel()
	const node = 0xdecafbad
	_, grants := ask(&negotiate.Handler{Node: node}, http.MethodPost, "?negotiateVersion=1")
	require.Equal(t, uint32(node), negotiate.NodeOf(grants[0].ConnectionID))
	require.Len(t, grants[0].ConnectionID, 22)
	require.NotEqual(t, negotiate.NewNodeID(node), negotiate.NewNodeID(node))
	for _, other := range []string{"", "short", "!!!!!!!!!!!!!!!!!!!!!!", grants[0].ConnectionID + "A"} {
		require.Zero(t, negotiate.NodeOf(other), other)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		w, grants := ask(&negotiate.Handler{}, method, "")
		require.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		require.Equal(t, "text/plain", w.Header().Get("Content-Type"), method)
		require.Empty(t, w.Body.String(), method)
		require.Empty(t, grants, method)
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		to     *negotiate.Redirect
		err    error
		status int
		body   string
		grants int
	}{
		{"elsewhere", &negotiate.Redirect{URL: "https://b.example/hub", AccessToken: "secret"}, nil, 200, `{"url":"https://b.example/hub","accessToken":"secret"}`, 0},
		{"without a token", &negotiate.Redirect{URL: "https://b.example/hub"}, nil, 200, `{"url":"https://b.example/hub"}`, 0},
		{"fails", nil, errors.New("directory is down"), 500, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			redirect := func(*http.Request) (*negotiate.Redirect, error) { return tt.to, tt.err }
			w, grants := ask(&negotiate.Handler{Redirect: redirect}, http.MethodPost, "?negotiateVersion=1")
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.body, w.Body.String())
			require.Len(t, grants, tt.grants)
		})
	}
	t.Run("stay here", func(t *testing.T) {
		t.Parallel()
		stay := func(*http.Request) (*negotiate.Redirect, error) { return nil, nil }
		w, grants := ask(&negotiate.Handler{Redirect: stay}, http.MethodPost, "?negotiateVersion=1")
		require.Equal(t, http.StatusOK, w.Code)
		require.Len(t, grants, 1)
	})
}

func TestServerThatTakesNoConnections(t *testing.T) {
	t.Parallel()
	h := negotiate.Handler{Register: func(*http.Request, negotiate.Grant) error { return errors.New("shutting down") }}
	w, _ := ask(&h, http.MethodPost, "")
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Empty(t, w.Body.String())
}

// FuzzQueryValue holds QueryValue against net/url for keys of the same case.
func FuzzQueryValue(f *testing.F) {
	for _, seed := range []string{"", "id=1", "a=1&id=%41", "id", "id=%zz&id=2", "&&=&id=x;y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = query
		value, ok := negotiate.QueryValue(r, "id")
		if !ok {
			require.Empty(t, value)
		}
		if want := r.URL.Query(); want.Has("id") {
			require.True(t, ok)
		}
	})
}

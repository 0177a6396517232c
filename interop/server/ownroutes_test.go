package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRefuseAnswersWhatMatches(t *testing.T) {
	t.Parallel()
	handler := refuse(opensWebSocket, opensEventStream)(http.HandlerFunc(routed))
	for _, test := range []struct {
		name   string
		header http.Header
		status int
	}{
		{name: "plain", status: 200},
		{name: "other type", header: http.Header{"Accept": {"*/*"}}, status: 200},
		{name: "upgrade", header: http.Header{"Upgrade": {"websocket"}}, status: 403},
		{name: "events", header: http.Header{"Accept": {"text/event-stream"}}, status: 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.Header = test.header
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			require.Equal(t, test.status, answer.Code)
		})
	}
}

func TestOriginsAreTheHubsOwnWhereItListsThem(t *testing.T) {
	t.Parallel()
	const page = "http://page.example"
	tests, err := newTestServer(slog.New(slog.NewTextHandler(io.Discard, nil)), "", page)
	require.NoError(t, err)
	t.Cleanup(func() { shutdown(t, tests) })

	for path, allowed := range map[string][]string{
		"/corshub/negotiate":           {page},
		"/corshub-elsewhere/negotiate": nil,
		"/testhub/negotiate":           {page}, // by the pipeline and the library, but once
	} {
		request := httptest.NewRequest(http.MethodPost, path, nil)
		request.Header.Set("Origin", page)
		answer := httptest.NewRecorder()
		tests.handler.ServeHTTP(answer, request)
		require.Equal(t, http.StatusOK, answer.Code, path)
		require.Equal(t, allowed, answer.Header().Values("Access-Control-Allow-Origin"), path)
	}
}

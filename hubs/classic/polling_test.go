package classic_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/interop/await"
)

// TestPollWithoutCursorGetsOne: a poll that was given up may arrive late, behind the next one of its client, and replace
// it before its response is written. The client then has no cursor, and must get one at once: until it has one, it cannot
// resume elsewhere.
func TestPollWithoutCursorGetsOne(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=longPolling")
	c.connect()
	c.requireStream() // else the client's own last poll could be the late one
	c.close()
	c.drain()
	await.Equal(t, 0, func() int { return n.endpoint.Stats().Streams["longPolling"] }, "the number of waiting polls")
	old := c.resume()
	// What is sent to others moves the cursor.
	require.NoError(t, n.hub.Clients().Group("others").Send(t.Context(), "say", "hi"))

	_, body := c.ask("/reconnect", url.Values{"messageId": {""}, "groupsToken": old["groupsToken"]})
	n.chat.requireEvent(t, "reconnected "+c.id)
	require.NotEmpty(t, cursorOf(t, body))

	// The late poll, whose cursor is good, so that it gets no response before there is a message.
	ctx, cancel := context.WithCancel(t.Context())
	late, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url("/poll", nil), strings.NewReader(old.Encode()))
	require.NoError(t, err)
	late.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	given := await.Go(t, func() (struct{}, error) {
		resp, err := c.http.Do(late)
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body) // until it is canceled
			_ = resp.Body.Close()
		}
		return struct{}{}, nil
	}, "the late poll")
	await.Equal(t, 1, func() int { return n.endpoint.Stats().Streams["longPolling"] }, "the number of waiting polls")
	cancel()
	given()
	await.Equal(t, 0, func() int { return n.endpoint.Stats().Streams["longPolling"] }, "the number of waiting polls")

	ctx, cancel = context.WithTimeout(t.Context(), await.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url("/poll", nil), strings.NewReader("messageId="))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var response struct{ C string }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&response), "the response with a cursor")
	require.NotEmpty(t, response.C)
}

// TestAbortWhileThePollWaits: the poll gets one response, not a second one behind it when the connection ends.
func TestAbortWhileThePollWaits(t *testing.T) {
	t.Parallel()
	n := newNode(t, nil)
	c := newClient(t, n, "transport=longPolling")
	c.connect()
	c.requireStream()
	require.NoError(t, n.hub.Clients().Client(c.id).Abort(t.Context(), nil), nil)
	r := c.next()
	require.Equal(t, `"The connection was closed by the server."`, string(r["E"]), "%s", r)
	c.requireEnd()
	n.chat.requireEvent(t, "disconnected "+c.id+" "+hubs.ErrAborted.Error())
}

func cursorOf(t *testing.T, body string) string {
	t.Helper()
	var response struct{ C string }
	require.NoError(t, json.Unmarshal([]byte(body), &response), body)
	return response.C
}

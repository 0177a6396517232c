package hubtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
	"github.com/go-signalr/signalr/interop/await"
)

var (
	messageReceived = hubs.NewEvent2[string, string]("messageReceived", "user", "text")
	lobbyClosed     = hubs.NewEvent1[*line]("lobbyClosed", "last")
	askPermission   = hubs.NewQuery2[string, int, string]("answer", "question", "times")
)

func (h *chat) CloseLobby(c *hubs.Context) error {
	return lobbyClosed.Send(c, c.Clients().All(), nil)
}

func TestEventsAndMethods(t *testing.T) {
	h := &chat{}
	c := hubtest.NewServer(t, newHub(t, h)).Connect()
	require.NoError(t, c.Invoke(hubtest.Method((*chat).Send), "hello"))
	c.ExpectEvent(messageReceived, "", "hello")
	require.NoError(t, c.Invoke(hubtest.Method(h.Send), "again"))
	var user, text string
	c.ReceiveEvent(messageReceived, &user, &text)
	require.Equal(t, "again", text)

	require.NoError(t, c.Invoke(hubtest.Method((*chat).CloseLobby)))
	c.ExpectEvent(lobbyClosed, nil)
	require.NoError(t, c.Invoke(hubtest.Method((*chat).CloseLobby)))
	last := &line{}
	c.ReceiveEvent(lobbyClosed, &last)
	require.Nil(t, last)

	c.HandleQuery(askPermission, func(ctx context.Context, question any, times int) string { return question.(string) + "!" })
	answer, err := hubtest.Invoke[string](c, hubtest.Method((*chat).Ask), "Really?")
	require.NoError(t, err)
	require.Equal(t, "Really?!", answer)
}

func TestMethodTakesOnlyMethods(t *testing.T) {
	for _, wrong := range []any{nil, "Send", (*chat)(nil), func() {}, func(int, int, *hubs.Context) {}, (func(*hubs.Context))(nil)} {
		require.Panics(t, func() { hubtest.Method(wrong) }, "%T", wrong)
	}
}

// Who waits for the test, such as a page for its user, has to give up with the client.
func TestContextOfHandlersEndsWithTheConnection(t *testing.T) {
	c := hubtest.NewServer(t, newHub(t, &chat{})).Connect()
	asked, ended := make(chan struct{}), make(chan error, 1)
	c.Handle("answer", func(ctx context.Context, question string, times int) (string, error) {
		close(asked)
		<-ctx.Done()
		ended <- ctx.Err()
		return "", ctx.Err()
	})
	c.Start("Ask", "Really?")
	await.Done(t, asked, "the question")
	c.Drop()
	require.Equal(t, context.Canceled, await.Receive(t, ended, "the end of the handler's context"))
}

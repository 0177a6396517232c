package classic_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// allTransports are those that the tests' client speaks.
var allTransports = []string{"webSockets", "serverSentEvents", "foreverFrame", "longPolling"}

// eachTransport runs a test for each transport.
func eachTransport(t *testing.T, test func(t *testing.T, transport string)) {
	for _, name := range allTransports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, name)
		})
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, transport string) {
		n := newNode(t, nil)
		c := newClient(t, n, "user=ann&transport="+transport)
		c.connect()
		require.JSONEq(t, `{"R":6,"I":"0"}`, c.call(`{"H":"chat","M":"Add","A":[1,2,3],"I":0}`))
		require.JSONEq(t, `{"I":"1"}`, c.call(`{"H":"chat","M":"void","A":[],"I":1}`))
		require.JSONEq(t, `{"I":"2"}`, c.call(`{"H":"chat","M":"Join","A":["red"],"I":2}`))
		require.JSONEq(t, `{"I":"3"}`, c.call(`{"H":"chat","M":"Say","A":["red","hi"],"I":"3"}`))
		c.requireMessages(said("hi"))
		require.NoError(t, n.hub.Clients().User("ann").Send(t.Context(), "say", "ho"))
		c.requireMessages(said("ho"))

		status, _ := c.ask("/abort", nil)
		require.Equal(t, http.StatusOK, status)
		n.chat.requireEvent(t, "disconnected "+c.id+" <nil>")
	})
}

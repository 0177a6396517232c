package classic

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pausing is a client that does something else while a response is written to it.
type pausing struct {
	*httptest.ResponseRecorder
	meanwhile func()
}

func (w *pausing) Flush() {
	if w.Body.Len() > 0 {
		w.meanwhile()
	}
	w.ResponseRecorder.Flush()
}

// TestPollsHaveOneResponse: two of them in one body are not JSON, and the client would
// lose both.
func TestPollsHaveOneResponse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		meanwhile, before ending
		want              string
	}{
		{name: "answered", want: "response"},
		{name: "replaced meanwhile", meanwhile: endReplaced, want: "response"},
		{name: "shut down meanwhile", meanwhile: endShutdown, want: "response"},
		{name: "replaced before", before: endReplaced, want: "final"},
		{name: "lost before", before: endLost, want: ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := &pausing{ResponseRecorder: httptest.NewRecorder(), meanwhile: func() {}}
			r := httptest.NewRequest(http.MethodGet, "/poll", nil)
			p := newPoll(&request{w: w, r: r, transport: longPolling}, time.Minute)
			require.NoError(t, p.begin())

			why := endAnswered
			if test.meanwhile != 0 {
				why = test.meanwhile
				w.meanwhile = func() { p.stop(why) }
			}
			if test.before != 0 {
				why = test.before
				p.stop(why)
			}
			_ = p.send([]byte("response"))
			w.meanwhile = func() {}
			p.finish(why, []byte("final"))
			require.Equal(t, test.want, w.Body.String())
		})
	}
}

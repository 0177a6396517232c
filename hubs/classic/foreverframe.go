package classic

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// frame is the forever-frame transport: a page without end, whose scripts call
// the client, for browsers without Server-Sent Events (classic reference 5).
type frame struct {
	*body
	id uint32 // of the frame in the client's page
}

func newFrame(q *request, timeout time.Duration) (frame, error) {
	id, err := strconv.ParseUint(q.query["frameid"], 10, 32)
	if err != nil {
		return frame{}, &refusal{status: http.StatusBadRequest, text: "The frame id is malformed."}
	}
	return frame{newBody(q.w, timeout), uint32(id)}, nil
}

const prologue = `<!DOCTYPE html><html><head><title>SignalR</title><script>
var $ = window.parent.jQuery, ff = $ ? $.signalR.transports.foreverFrame : null, c = ff ? ff.getConnection('%d') : null, r = ff ? ff.receive : function () {};
if (ff) { ff.started(c); }
</script></head><body>
%*s
`

func (t frame) begin() error {
	t.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	t.w.Header().Set("X-Accel-Buffering", "no")
	return t.writeFirst(fmt.Appendf(nil, prologue, t.id, padding, ""))
}

func (t frame) send(response []byte) error {
	script := make([]byte, 0, len(response)+32)
	script = appendScript(append(script, "<script>r(c, "...), response)
	return t.write(append(script, ");</script>\r\n"...))
}

func (t frame) keepAlive() error { return t.write([]byte("<script>r(c, {});</script>\n\n")) }

func (t frame) finish(ending, []byte) { t.last(nil) }

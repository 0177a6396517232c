package classic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-signalr/signalr/transports"
)

// values are the parameters of a query or a form: the first value of each, by its
// key in lower case (classic reference 1).
type values map[string]string

// parseValues reads a query or a form. What is malformed in it is left out.
func parseValues(text string) values {
	v := make(values)
	for pair := range strings.SplitSeq(text, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil || key == "" {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			continue
		}
		key = strings.ToLower(key)
		if _, ok := v[key]; !ok {
			v[key] = value
		}
	}
	return v
}

// version is the version of the protocol that a client speaks.
type version struct{ major, minor int }

var (
	minVersion   = version{1, 2}
	startVersion = version{1, 4} // the first with /start
	maxVersion   = version{2, 0}
)

func (v version) less(o version) bool {
	return v.major < o.major || v.major == o.major && v.minor < o.minor
}

func (v version) String() string { return strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) }

// parseVersion reads a dotted version and clamps it to those there are; what is
// none counts as the lowest (classic reference 0).
func parseVersion(text string) version {
	parts := strings.Split(text, ".")
	if len(parts) < 2 || len(parts) > 4 {
		return minVersion
	}
	numbers := make([]int, len(parts))
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return minVersion
		}
		numbers[i] = int(n)
	}
	switch v := (version{numbers[0], numbers[1]}); {
	case v.less(minVersion):
		return minVersion
	case maxVersion.less(v):
		return maxVersion
	default:
		return v
	}
}

// transport is one of the ways in which a client receives.
type transport uint8

const (
	webSockets transport = iota + 1
	serverSentEvents
	longPolling
	foreverFrame
)

var transportNames = [...]string{webSockets: "webSockets", serverSentEvents: "serverSentEvents", longPolling: "longPolling", foreverFrame: "foreverFrame"}

func (t transport) String() string { return transportNames[t] }

// parseTransport returns 0 for what is none.
func parseTransport(name string) transport {
	for t, known := range transportNames {
		if known != "" && strings.EqualFold(name, known) {
			return transport(t)
		}
	}
	return 0
}

// kind is what application code is told. Forever frames are streams over HTTP
// like Server-Sent Events.
func (t transport) kind() transports.Kind {
	switch t {
	case webSockets:
		return transports.WebSockets
	case longPolling:
		return transports.LongPolling
	default:
		return transports.ServerSentEvents
	}
}

// request is one request of a client.
type request struct {
	w        http.ResponseWriter // nil: the connection was taken over
	r        *http.Request
	query    values
	form     values // of a POST; nil until readForm
	op       string // in lower case
	callback string // of JSONP; "": none
	leaving  bool   // it ends a connection and has no user, such as after logging out

	// Of requests for a connection.
	protocol  version
	transport transport
	id        string // of the connection
	hubs      []listed
	expires   time.Time // when the first of their authentications does; zero: never
}

func (q *request) isConnect() bool { return q.op == opConnect }

// isPoll reports whether a receive request goes on with what was there before.
// The oldest clients poll without naming an operation.
func (q *request) isPoll() bool {
	return q.transport == longPolling && q.op != opConnect && q.op != opReconnect
}

// operation returns the operation that a path ends with, in lower case (classic
// reference 1).
func operation(path string) string {
	last := func(path string) string { return strings.ToLower(path[strings.LastIndexByte(path, '/')+1:]) }
	if op := last(strings.TrimRight(path, "/")); op == opHubs || op == opScript {
		return op
	}
	return last(path)
}

// base returns the path at which the client reaches the endpoint.
func (e *Endpoint) base(q *request) string {
	if e.opts.path != "" {
		return e.opts.path
	}
	return base(q.r, q.op)
}

// base returns the path of the endpoint as the client has written it, which is
// what its request had before the operation.
func base(r *http.Request, op string) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // the request has come by other ways
		path = r.URL.EscapedPath()
	}
	if op == opHubs || op == opScript {
		path = strings.TrimRight(path, "/")
	}
	if n := len(path) - len(op) - 1; n >= 0 && strings.EqualFold(path[n:], "/"+op) {
		return path[:n]
	}
	return path
}

// readForm reads the body of a POST whatever its type: some requests have none
// (classic reference 18).
func (q *request) readForm(limit int, timeout time.Duration) error {
	if q.form = (values{}); q.r.Method != http.MethodPost || q.r.Body == nil {
		return nil
	}
	control := http.NewResponseController(q.w)
	_ = control.SetReadDeadline(time.Now().Add(timeout))
	body, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, int64(limit)))
	if tooLong := (*http.MaxBytesError)(nil); errors.As(err, &tooLong) {
		return &refusal{status: http.StatusRequestEntityTooLarge, text: "The message is too long."}
	}
	if err != nil {
		return &refusal{status: http.StatusBadRequest, text: "The request could not be read.", cause: err}
	}
	_ = control.SetReadDeadline(time.Time{})
	q.form = parseValues(string(body))
	return nil
}

// Operations.
const (
	opNegotiate = "negotiate"
	opPing      = "ping"
	opStart     = "start"
	opConnect   = "connect"
	opReconnect = "reconnect"
	opSend      = "send"
	opAbort     = "abort"
	opHubs      = "hubs"
	opScript    = "js"
)

// value returns a parameter of the query or, if it is not there, of the form.
func (q *request) value(key string) string {
	if v, ok := q.query[key]; ok {
		return v
	}
	return q.form[key]
}

// parseConnectionData reads the names of the hubs that a client uses (classic
// reference 2).
func parseConnectionData(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	const malformed = "The connection data is malformed."
	if len(text) > maxConnectionData {
		return nil, &refusal{status: http.StatusBadRequest, text: malformed, cause: fmt.Errorf("classic: it has more than %d bytes", maxConnectionData)}
	}
	var hubs []struct{ Name string }
	if err := json.Unmarshal([]byte(text), &hubs); err != nil {
		return nil, &refusal{status: http.StatusBadRequest, text: malformed, cause: err}
	}
	names := make([]string, len(hubs))
	seen := make(map[string]bool, len(hubs))
	for i, h := range hubs {
		names[i] = strings.ToLower(h.Name)
		if seen[names[i]] {
			return nil, &refusal{status: http.StatusBadRequest, text: "Duplicate Hub names found."}
		}
		seen[names[i]] = true
	}
	return names, nil
}

// refusal is the response to a request that cannot be served.
type refusal struct {
	status int
	text   string
	cause  error // that the client is not told; nil: the text says it all
	logged bool  // why
}

func (r *refusal) Error() string {
	switch {
	case r.cause == nil:
		return r.text
	case r.text == "":
		return r.cause.Error()
	default:
		return r.text + " " + r.cause.Error()
	}
}

// refuse responds to a request with an error.
func (e *Endpoint) refuse(q *request, err error) {
	r := (*refusal)(nil)
	if !errors.As(err, &r) {
		r = &refusal{status: http.StatusInternalServerError}
	}
	if !r.logged {
		e.logRefusal(q, r.status, err)
	}
	w := q.w
	if w == nil {
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	if r.status == http.StatusServiceUnavailable {
		w.Header().Set("Connection", "close") // the next attempt is to reach another process
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(r.text)))
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.text) // a client that went away needs no answer
}

// logRefusal logs why a request is refused, which its client may not be told. The query
// is left out: it holds tokens.
func (e *Endpoint) logRefusal(q *request, status int, err error) {
	e.logger.Debug("request refused", "method", q.r.Method, "path", q.r.URL.Path, "status", status, "connection", q.id, "error", err)
}

// answer answers a request with JSON, within the call of a function if it is a
// JSONP request.
func (q *request) answer(body []byte) {
	h := q.w.Header()
	h.Set("Content-Type", q.contentType())
	_, _ = q.w.Write(q.wrap(body)) // a client that went away needs no answer
}

func (q *request) contentType() string {
	if q.callback != "" {
		return "application/javascript; charset=UTF-8"
	}
	return "application/json; charset=UTF-8"
}

// wrap makes JSON the script of a JSONP request.
func (q *request) wrap(body []byte) []byte {
	if q.callback == "" {
		return body
	}
	wrapped := make([]byte, 0, len(q.callback)+len(body)+3)
	wrapped = append(wrapped, q.callback...)
	wrapped = append(wrapped, '(')
	wrapped = appendScript(wrapped, body)
	return append(wrapped, ");"...)
}

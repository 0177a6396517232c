package transports_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/interop/await"
	"github.com/go-signalr/signalr/transports"
)

const (
	// sweep is how often the endpoints of tests look at their timeouts.
	sweep = 5 * time.Millisecond
	// watched is the header that names the requests a test looks into.
	watched = "Test-Watch"
)

// server is an endpoint behind a real HTTP server, and a client of it.
type server struct {
	*transports.Endpoint
	*site
	http    *httptest.Server
	watches sync.Map // name of a request → *watch
	names   atomic.Int64
}

// serve starts an endpoint at /chat. At the end of the test it is shut down and
// must then have nothing left.
func serve(t testing.TB, handler transports.Handler, opts ...transports.Option) *server {
	t.Helper()
	return serveBy(t, handler, (*httptest.Server).Start, opts...)
}

// serveBy lets start change the HTTP server first.
func serveBy(t testing.TB, handler transports.Handler, start func(*httptest.Server), opts ...transports.Option) *server {
	t.Helper()
	s := &server{Endpoint: endpoint(t, handler, opts...)}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	start(s.http)
	t.Cleanup(s.http.Close)
	s.site = newSite(t, s.http.URL+"/chat", s.http.Client().Transport.(*http.Transport))
	t.Cleanup(func() { verifyGone(t, s.Endpoint, handler) })
	return s
}

// endpoint returns an endpoint with timeouts fit for tests.
func endpoint(t testing.TB, handler transports.Handler, opts ...transports.Option) *transports.Endpoint {
	t.Helper()
	opts = append([]transports.Option{
		transports.WithLogger(slog.New(slog.DiscardHandler)),
		transports.WithSweepInterval(sweep),
	}, opts...)
	e, err := transports.NewEndpoint(handler, opts...)
	require.NoError(t, err)
	return e
}

// verifyGone shuts an endpoint down and checks that it then has nothing left.
func verifyGone(t testing.TB, e *transports.Endpoint, handler transports.Handler) {
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	defer cancel()
	require.NoError(t, e.Shutdown(ctx), "every connection ends")
	require.Zero(t, e.Records(), "no record is left")
	stats := e.Stats()
	var started, ended uint64
	for kind, active := range stats.Active {
		require.Zero(t, active, "no connection over %v is left", kind)
	}
	for _, n := range stats.Started {
		started += n
	}
	for _, n := range stats.Ended {
		ended += n
	}
	require.Equal(t, started, ended, "what has started has ended")
	if a, ok := handler.(*app); ok {
		a.verify()
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	if x, ok := s.watches.Load(r.Header.Get(watched)); ok {
		x := x.(*watch)
		r = r.WithContext(watchedContext{r.Context(), x})
		w = watchedWriter{w, x}
		defer close(x.served)
	}
	s.ServeHTTP(w, r)
}

// watch lets a test see how far the endpoint is with a request, and hold it up.
type watch struct {
	waits   chan struct{} // a token each time the endpoint waits, for the request's end among others
	served  chan struct{} // closed when the endpoint has served the request
	binds   *gate         // holds it before it becomes the connection's transport
	answers *gate         // holds it before it answers
}

// gate holds up whoever comes to it. A nil gate is open.
type gate struct {
	reached, opened chan struct{}
	open            func() // once or more often
}

func newGate() *gate {
	opened := make(chan struct{})
	return &gate{make(chan struct{}, 1), opened, sync.OnceFunc(func() { close(opened) })}
}

func (g *gate) pass() {
	if g != nil {
		g.reached <- struct{}{}
		<-g.opened
	}
}

// pending is a request under way.
type pending struct {
	*watch
	t      testing.TB
	answer chan answer
	cancel context.CancelFunc
}

// start sends a request and lets change prepare the watch first.
func (s *server) start(method, id, body string, change func(*watch)) *pending {
	s.t.Helper()
	w := &watch{waits: make(chan struct{}, 64), served: make(chan struct{})}
	if change != nil {
		change(w)
	}
	name := strconv.FormatInt(s.names.Add(1), 10)
	s.watches.Store(name, w)
	ctx, cancel := context.WithTimeout(context.Background(), await.Timeout)
	s.t.Cleanup(cancel)
	r := s.request(method, id, body).WithContext(ctx)
	r.Header.Set(watched, name)
	p := &pending{watch: w, t: s.t, answer: make(chan answer, 1), cancel: cancel}
	go func() { p.answer <- s.exchange(r) }()
	return p
}

// poll starts a poll and returns when it waits for something to answer with.
func (s *server) poll(id string, change func(*watch)) *pending {
	s.t.Helper()
	p := s.start(http.MethodGet, id, "", change)
	await.Done(s.t, p.waits, "the poll to wait")
	return p
}

// firstPoll opens a connection over long polling. The endpoint has finished with the
// poll, so that time that passes for it (Later) finds no answer still being written.
func (s *server) firstPoll() (id string) {
	s.t.Helper()
	id = s.negotiate()
	p := s.start(http.MethodGet, id, "", nil)
	p.expect(http.StatusOK, "")
	await.Done(s.t, p.served, "the first poll to be served")
	return id
}

func holdAnswer(w *watch) { w.answers = newGate() }
func holdBind(w *watch)   { w.binds = newGate() }

func (p *pending) expect(status int, body string) answer {
	p.t.Helper()
	a := await.Receive(p.t, p.answer, "the response to the poll")
	require.NoError(p.t, a.err)
	require.Equal(p.t, status, a.status)
	require.Equal(p.t, body, a.body)
	return a
}

// watchedContext tells when the endpoint begins to wait.
type watchedContext struct {
	context.Context
	watch *watch
}

func (c watchedContext) Done() <-chan struct{} {
	select {
	case c.watch.waits <- struct{}{}:
	default:
	}
	return c.Context.Done()
}

type watchedWriter struct {
	http.ResponseWriter
	watch *watch
}

func (w watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// SetWriteDeadline comes before a request becomes a transport.
func (w watchedWriter) SetWriteDeadline(deadline time.Time) error {
	if deadline.IsZero() {
		w.watch.binds.pass()
	}
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline)
}

func (w watchedWriter) WriteHeader(status int) {
	w.watch.answers.pass()
	w.ResponseWriter.WriteHeader(status)
}

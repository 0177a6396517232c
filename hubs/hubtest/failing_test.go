package hubtest_test

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/go-signalr/signalr/hubs"
	"github.com/go-signalr/signalr/hubs/hubtest"
)

// recorder is a test that may fail.
type recorder struct {
	hubtest.Example
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name string
		test func(*hubtest.Server)
		want string // empty: passes
	}{
		{"nothing wrong", func(s *hubtest.Server) { s.Connect().ExpectNothing() }, ""},
		{"refused", func(s *hubtest.Server) { s.Connect(hubtest.WithURL(":")) },
			`hubtest: connect: parse ":": missing protocol scheme`},
		{"nothing comes", func(s *hubtest.Server) { s.Connect().Receive("messageReceived") },
			"hubtest: waiting for messageReceived: hubtest: nothing came within the server's patience"},
		{"connection ends", func(s *hubtest.Server) {
			c := s.Connect()
			c.Send("Abort")
			c.Receive("messageReceived")
		}, "hubtest: waiting for messageReceived: hubtest: the connection has ended"},
		{"connection does not end", func(s *hubtest.Server) { s.Connect().Closed() },
			"hubtest: the connection is still open after 1m0s"},
		{"too few arguments", func(s *hubtest.Server) {
			c := s.Connect()
			c.Send("Send", "hi")
			c.Receive("messageReceived", new(string))
		}, `hubtest: received messageReceived("", "hi"): not 1 arguments`},
		{"arguments of other types", func(s *hubtest.Server) {
			c := s.Connect()
			c.Send("Send", "hi")
			c.Receive("messageReceived", new(string), new(int))
		}, `hubtest: received messageReceived("", "hi"): argument 2: json: cannot unmarshal string into Go value of type int`},
		{"other arguments", func(s *hubtest.Server) {
			c := s.Connect()
			c.Send("Send", "hi")
			c.Expect("messageReceived", "", "ho")
		}, `hubtest: received messageReceived("", "hi"), expected messageReceived("", "ho")`},
		{"other numbers", func(s *hubtest.Server) {
			c := s.Connect()
			c.Send("SendLine", line{})
			c.Expect("line", line{}, map[string]int{"a": 1, "b": 2, "c": 3}, int64(1)<<53)
		}, `hubtest: received line(map[string]interface {}{"at":"0001-01-01T00:00:00Z", "text":"", "user":""}, ` +
			`map[string]interface {}{"a":1, "b":2, "c":3}, 9007199254740993), expected line(` +
			`map[string]interface {}{"at":"0001-01-01T00:00:00Z", "text":"", "user":""}, ` +
			`map[string]interface {}{"a":1, "b":2, "c":3}, 9007199254740992)`},
		{"something comes", func(s *hubtest.Server) {
			c := s.Connect()
			_ = c.Invoke("Send", "hi")
			c.ExpectNothing("other")
			c.ExpectNothing("messageReceived")
		}, `hubtest: received messageReceived("", "hi"), expected nothing`},
		{"no result", func(s *hubtest.Server) { s.Connect().Handle("answer", func() error { return nil }) },
			"hubtest: handle answer: a func() error is no function that returns a result, or a result and an error"},
		{"event with too few arguments", func(s *hubtest.Server) { s.Connect().ExpectEvent(messageReceived, "") },
			"hubtest: expect messageReceived: args must be (string, string), not (string)"},
		{"event with arguments of other types", func(s *hubtest.Server) { s.Connect().ExpectEvent(messageReceived, "", nil) },
			"hubtest: expect messageReceived: args must be (string, string), not (string, <nil>)"},
		{"event into values of other types", func(s *hubtest.Server) { s.Connect().ReceiveEvent(lobbyClosed, new(line)) },
			"hubtest: receive lobbyClosed: args must be pointers to (*hubtest_test.line), not (*hubtest_test.line)"},
		{"query with another result", func(s *hubtest.Server) { s.Connect().HandleQuery(askPermission, func(string, int) int { return 0 }) },
			"hubtest: handle answer: a func(string, int) int does not take (string, int) and return string"},
		{"query with another argument", func(s *hubtest.Server) { s.Connect().HandleQuery(askPermission, func(int, int) string { return "" }) },
			"hubtest: handle answer: a func(int, int) string does not take (string, int) and return string"},
		{"event as a query", func(s *hubtest.Server) { s.Connect().HandleQuery(lobbyClosed, func(*line) int { return 0 }) },
			"hubtest: handle lobbyClosed: it has no result"},
		{"argument that cannot be encoded", func(s *hubtest.Server) { s.Connect().Send("Echo", func() {}) },
			"hubtest: send Echo: json: unsupported type: func()"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := new(recorder)
			synctest.Test(t, func(t *testing.T) { // patience costs no time here
				hub := newHub(t, &chat{})
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer r.End()
					tt.test(hubtest.NewServer(r, hub))
				}()
				<-done
			})
			if tt.want == "" {
				require.Empty(t, r.failures)
			} else {
				require.Equal(t, []string{tt.want}, r.failures)
			}
		})
	}
}

// Code that does not return is reported, and the test goes on.
func TestStuckCode(t *testing.T) {
	for _, tt := range []struct {
		name string
		test func(c *hubtest.Client, stuck <-chan struct{})
		want []string
	}{
		{"method", func(c *hubtest.Client, _ <-chan struct{}) { c.Send("Stick") }, []string{
			"hubtest: the connection is still open after 1m0s: does a hub method not return?",
		}},
		{"stream", func(c *hubtest.Client, _ <-chan struct{}) {
			for range hubtest.Stream[int](c, "Count") {
				break
			}
		}, []string{
			"hubtest: Count is still running 1m0s after it was cancelled",
			"hubtest: the connection is still open after 1m0s: does a hub method not return?",
		}},
		{"function of the client", func(c *hubtest.Client, stuck <-chan struct{}) {
			c.Handle("answer", func() int {
				<-stuck
				return 0
			})
			c.Send("Ask")
			c.Barrier()
		}, []string{
			"hubtest: a client still runs after 1m0s: does a function of Handle or an uploaded stream not return?",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := new(recorder)
			synctest.Test(t, func(t *testing.T) {
				stuck := make(chan struct{})
				hub := newHub(t, nil,
					hubs.HandleVoid0("Stick", func(*hubs.Context) error {
						<-stuck
						return nil
					}),
					hubs.HandleVoid0("Ask", func(c *hubs.Context) error {
						_, err := hubs.Invoke[int](c, c.Clients().Caller(), "answer")
						return err
					}),
					hubs.Handle0("Count", func(*hubs.Context) (iter.Seq2[int, error], error) {
						return func(yield func(int, error) bool) {
							yield(1, nil)
							<-stuck
						}, nil
					}))
				tt.test(hubtest.NewServer(r, hub).Connect(), stuck)
				synctest.Wait()
				r.End()
				close(stuck)
			})
			require.Equal(t, tt.want, r.failures)
		})
	}
}

package hubtest

import "fmt"

// Example takes the place of a *testing.T in example functions:
//
//	func Example() {
//		t := new(hubtest.Example)
//		defer t.End()
//		server := hubtest.NewServer(t, chat)
//		…
//	}
//
// What would fail a test panics. It is not safe for concurrent use.
type Example struct{ cleanups []func() }

var _ TB = (*Example)(nil)

// Helper does nothing.
func (*Example) Helper() {}

// Cleanup registers a function for End to call; the last one is called first.
func (e *Example) Cleanup(f func()) { e.cleanups = append(e.cleanups, f) }

// Errorf panics.
func (*Example) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// Fatalf panics.
func (*Example) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// End calls the functions registered by Cleanup.
func (e *Example) End() {
	for len(e.cleanups) > 0 {
		last := len(e.cleanups) - 1
		cleanup := e.cleanups[last]
		e.cleanups = e.cleanups[:last]
		cleanup()
	}
}

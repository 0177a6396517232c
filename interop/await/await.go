// Package await holds the waits of the project's tests. Each is bounded by [Timeout], and a wait that ends in vain fails
// the test with what it waited for and, where there is something, what it saw instead.
//
// Every function that has a testing.TB may end the test by its FailNow, so only the test's own goroutine may call it. The
// exception is [Go], whose function runs on a goroutine of its own and returns an error instead.
//
// In a synctest bubble the waits take virtual time.
package await

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// Timeout bounds every wait. It is far longer than any event takes on a machine that is busy with other things, and is
// only spent by a test that fails.
const Timeout = 30 * time.Second

// interval is the time between two looks at a condition that nothing announces.
const interval = time.Millisecond

// Receive returns the next value of a channel. It fails if the channel is closed.
func Receive[T any](t testing.TB, ch <-chan T, what string, args ...any) T {
	t.Helper()
	v, ok := receive(t, ch, what, args...)
	if !ok {
		t.Fatalf("the channel was closed instead of bringing %s", fmt.Sprintf(what, args...))
	}
	return v
}

// Done waits until a channel is closed, or brings a value, as the channels do that signal the end of something.
func Done[T any](t testing.TB, ch <-chan T, what string, args ...any) {
	t.Helper()
	receive(t, ch, what, args...)
}

// All returns the values that a channel still brings until it is closed.
func All[T any](t testing.TB, ch <-chan T, what string, args ...any) []T {
	t.Helper()
	var all []T
	for {
		v, ok := receive(t, ch, what, args...)
		if !ok {
			return all
		}
		all = append(all, v)
	}
}

func receive[T any](t testing.TB, ch <-chan T, what string, args ...any) (T, bool) {
	t.Helper()
	timer := time.NewTimer(Timeout)
	defer timer.Stop()
	select {
	case v, ok := <-ch:
		return v, ok
	case <-timer.C:
		t.Fatalf("timed out waiting for %s", fmt.Sprintf(what, args...))
		panic("unreachable")
	}
}

// Send sends a value, which another goroutine has to receive.
func Send[T any](t testing.TB, ch chan<- T, v T, what string, args ...any) {
	t.Helper()
	timer := time.NewTimer(Timeout)
	defer timer.Stop()
	select {
	case ch <- v:
	case <-timer.C:
		t.Fatalf("timed out waiting for %s to receive a value", fmt.Sprintf(what, args...))
	}
}

// waiter is a [sync.WaitGroup].
type waiter interface{ Wait() }

// Group waits for a [sync.WaitGroup]. After a failure the goroutine that waits for it is left behind.
func Group(t testing.TB, group waiter, what string, args ...any) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	Done(t, done, what, args...)
}

// Until waits until a condition holds, which it evaluates on the caller's goroutine. Use [Equal] where there is a value to
// show, and a channel where the event announces itself.
func Until(t testing.TB, holds func() bool, what string, args ...any) {
	t.Helper()
	if !until(holds) {
		t.Fatalf("timed out waiting until %s", fmt.Sprintf(what, args...))
	}
}

// Equal waits until a function returns a value, and fails with the last one that it has returned instead.
func Equal[T comparable](t testing.TB, want T, get func() T, what string, args ...any) {
	t.Helper()
	var got T
	if !until(func() bool { got = get(); return got == want }) {
		t.Fatalf("timed out waiting until %s is %v; it is %v", fmt.Sprintf(what, args...), want, got)
	}
}

func until(holds func() bool) bool {
	for deadline := time.Now().Add(Timeout); !holds(); time.Sleep(interval) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// Go runs f on a goroutine of its own. The function it returns waits for f's result and fails the test if f has returned
// an error; call it on the test's goroutine.
func Go[T any](t testing.TB, f func() (T, error), what string, args ...any) (result func() T) {
	type outcome struct {
		value T
		err   error
	}
	ch := make(chan outcome, 1)
	go func() {
		v, err := f()
		ch <- outcome{v, err}
	}()
	wait := sync.OnceValue(func() outcome {
		t.Helper()
		return Receive(t, ch, what, args...)
	})
	return func() T {
		t.Helper()
		o := wait()
		if o.err != nil {
			t.Fatalf("%s: %v", fmt.Sprintf(what, args...), o.err)
		}
		return o.value
	}
}

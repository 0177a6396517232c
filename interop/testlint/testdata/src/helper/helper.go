package helper

import "testing"

// Fatal may end the test.
func Fatal(t testing.TB) { t.Fatal("no") }

// Each only calls f.
func Each(f func(i int)) {
	for i := range 3 {
		call(f, i)
	}
}

func call(f func(i int), i int) { f(i) }

// Keep may call f on any goroutine.
func Keep(f func(i int)) { go f(1) }

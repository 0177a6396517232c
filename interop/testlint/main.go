// Testlint is a vet tool for the project's own tests. It reports
//
//   - calls that may end the test by runtime.Goexit (t.FailNow, t.Fatal, t.Skip, testify's require), reached on a
//     goroutine that is not the test's: they end that goroutine alone, and whatever waits for its result hangs;
//   - waits of a test that nothing bounds (a bare receive or send, a range over a channel, a select without a timeout,
//     WaitGroup.Wait): when the event does not come, the test hangs instead of saying what it waited for.
//
// Both are followed through helper functions, across packages. A function literal counts as running elsewhere when it
// is started with go or is handed to code that does not just call it. Functions in a slice or map are a
// table's, which its test runs. Literals with a *testing.T of their own are tests
// themselves. Inside a synctest bubble every wait is bounded: a bubble that is stuck panics. What uses the package
// interop/await instead is fine.
//
// Build it and run go vet -vettool=PATH ./... in the main module, as interop/test.sh does.
package main

import "golang.org/x/tools/go/analysis/unitchecker"

func main() { unitchecker.Main(goexit, waits) }

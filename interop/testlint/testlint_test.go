package main

import (
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"
)

// TestFindings runs both analyzers at once: each expectation in the test data is one of theirs.
func TestFindings(t *testing.T) {
	both := &analysis.Analyzer{
		Name:     "both",
		Doc:      "runs goexit and waits, whose findings are its own",
		Requires: []*analysis.Analyzer{structure},
		Run: func(pass *analysis.Pass) (any, error) {
			x, err := runGoexit(pass)
			if err != nil {
				return nil, err
			}
			pass.ResultOf[goexit] = x
			return runWaits(pass)
		},
		FactTypes: goexit.FactTypes,
	}
	analysistest.Run(t, analysistest.TestData(), both, "a")
}

package main

import (
	"go/types"
	"reflect"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// goexits is a fact about a function: it may end the goroutine of its caller.
type goexits struct{ By string }

func (*goexits) AFact()           {}
func (f *goexits) String() string { return "goexits by " + f.By }

var goexit = &analysis.Analyzer{
	Name:       "testgoexit",
	Doc:        "reports calls of FailNow and the like on goroutines that are not the test's",
	Run:        runGoexit,
	Requires:   []*analysis.Analyzer{structure},
	FactTypes:  []analysis.Fact{(*goexits)(nil)},
	ResultType: reflect.TypeFor[*exits](),
}

// exits knows, of each function of a package, by what call it may end its goroutine.
type exits struct {
	pass  *analysis.Pass
	of    map[*function]string // the name of the call
	where map[*function]call
}

func runGoexit(pass *analysis.Pass) (any, error) {
	g := pass.ResultOf[structure].(*graph)
	x := &exits{pass, make(map[*function]string), make(map[*function]call)}
	for changed := true; changed; {
		changed = false
		for _, f := range g.functions {
			if x.of[f] == "" && x.find(g, f) {
				changed = true
			}
		}
	}
	for fn, f := range g.declared {
		if by := x.of[f]; by != "" {
			pass.ExportObjectFact(fn, &goexits{by})
		}
	}
	for _, f := range g.functions {
		by := x.of[f]
		switch {
		case by == "" || isTest(f.sig) && !isServed(f.sig):
		case f.elsewhere != "":
			pass.Reportf(x.where[f].pos, "%s in a function %s: it would end a goroutine that is not the test's", by, f.elsewhere)
		case isServed(f.sig):
			pass.Reportf(x.where[f].pos, "%s in a handler: it would end a goroutine of the server's", by)
		}
	}
	for _, v := range g.values {
		if by := x.byName(v.fn, g); by != "" {
			pass.Reportf(v.pos, "%s, which may call %s, is %s: it would end a goroutine that is not the test's", v.fn.Name(), by, v.why)
		}
	}
	return x, nil
}

func (x *exits) find(g *graph, f *function) bool {
	for _, c := range f.calls {
		by := ""
		switch {
		case c.local != nil:
			if isTest(c.local.sig) {
				continue // reported and ended by its own test
			}
			by = x.of[c.local]
		default:
			by = x.byName(c.callee, g)
		}
		if by != "" {
			x.of[f], x.where[f] = by, c
			return true
		}
	}
	return false
}

// byName returns by what a declared function may end its goroutine.
func (x *exits) byName(fn *types.Func, g *graph) string {
	if f := g.declared[fn]; f != nil {
		return x.of[f]
	}
	if fn.Pkg() == nil {
		return ""
	}
	path := fn.Pkg().Path()
	switch {
	case path == "testing":
		switch fn.Name() {
		case "FailNow", "Fatal", "Fatalf", "Skip", "Skipf", "SkipNow":
			return "t." + fn.Name()
		}
		return ""
	case strings.HasSuffix(path, "testify/require"):
		return "require." + fn.Name()
	case strings.HasSuffix(path, "testify/assert"):
		if strings.HasPrefix(fn.Name(), "FailNow") {
			return "assert." + fn.Name()
		}
		return ""
	}
	var fact goexits
	if x.pass.ImportObjectFact(fn, &fact) {
		return fact.By
	}
	return ""
}

package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
)

var waits = &analysis.Analyzer{
	Name:     "testwaits",
	Doc:      "reports waits of tests that nothing bounds",
	Run:      runWaits,
	Requires: []*analysis.Analyzer{structure, goexit},
}

func runWaits(pass *analysis.Pass) (any, error) {
	g := pass.ResultOf[structure].(*graph)
	ends := pass.ResultOf[goexit].(*exits)
	for _, f := range g.functions {
		if f.bubble || !ends.runsInTest(f) {
			continue
		}
		for _, w := range f.waits {
			if isTestFile(pass, w.pos) {
				pass.Reportf(w.pos, "a %s without a bound: use the package await", w.what)
			}
		}
	}
	return nil, nil
}

// runsInTest reports whether a function runs on a test's goroutine: it is a test, it may end one, or it stands in such
// a function and runs there.
func (x *exits) runsInTest(f *function) bool {
	for ; f != nil; f = f.parent {
		switch {
		case f.elsewhere != "" || isServed(f.sig):
			return false
		case isTest(f.sig) || x.of[f] != "":
			return true
		}
	}
	return false
}

func isTestFile(pass *analysis.Pass, pos token.Pos) bool {
	return strings.HasSuffix(pass.Fset.Position(pos).Filename, "_test.go") || strings.Contains(pass.Pkg.Path(), "/bustest")
}

func (w *walker) wait(pos token.Pos, what string) {
	w.in.waits = append(w.in.waits, wait{pos, what})
}

func (w *walker) receive(n *ast.UnaryExpr) {
	if !w.isTimer(n.X) {
		w.wait(n.Pos(), "receive")
	}
}

func (w *walker) ranges(n *ast.RangeStmt) {
	if _, ok := w.g.pass.TypesInfo.TypeOf(n.X).Underlying().(*types.Chan); ok {
		w.wait(n.Pos(), "range over a channel")
	}
}

// selects visits a select statement. One that has a default case or waits for a time, too, is bounded.
func (w *walker) selects(n *ast.SelectStmt) {
	bounded := false
	for _, clause := range n.Body.List {
		clause := clause.(*ast.CommClause)
		switch comm := clause.Comm.(type) {
		case nil:
			bounded = true
		case *ast.ExprStmt:
			bounded = bounded || w.isTimer(comm.X.(*ast.UnaryExpr).X)
		case *ast.AssignStmt:
			bounded = bounded || w.isTimer(comm.Rhs[0].(*ast.UnaryExpr).X)
		}
		for _, s := range clause.Body {
			w.visit(s)
		}
	}
	if !bounded {
		w.wait(n.Pos(), "select")
	}
}

// isTimer reports whether a channel is a timer's.
func (w *walker) isTimer(ch ast.Expr) bool {
	info := w.g.pass.TypesInfo
	if c, ok := info.TypeOf(ch).Underlying().(*types.Chan); ok && isNamed(c.Elem(), "time", "Time") {
		return true
	}
	return false
}

// send notes a send, unless the channel has a buffer.
func (w *walker) send(n *ast.SendStmt) {
	var id *ast.Ident
	switch ch := ast.Unparen(n.Chan).(type) {
	case *ast.Ident:
		id = ch
	case *ast.SelectorExpr:
		id = ch.Sel
	}
	if id != nil {
		if v, _ := w.g.pass.TypesInfo.Uses[id].(*types.Var); v != nil && w.g.buffered[v.Origin()] {
			return
		}
	}
	w.wait(n.Pos(), "send on a channel")
}

func (w *walker) waitCall(n *ast.CallExpr, callee *types.Func) {
	if callee.Name() != "Wait" || callee.Pkg() == nil {
		return
	}
	switch callee.Pkg().Path() {
	case "sync", "golang.org/x/sync/errgroup": // os/exec: the tests kill their processes
		w.wait(n.Pos(), "Wait")
	}
}

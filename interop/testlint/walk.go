package main

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/types/typeutil"
)

// walker notes what a function does on its own goroutine.
type walker struct {
	g     *graph
	in    *function
	table bool // inside a slice, an array or a map: a table of the test, which runs its functions itself
}

func (w *walker) visit(n ast.Node) {
	if n == nil {
		return
	}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			w.start(n.Call.Fun, "started with go")
			for _, arg := range n.Call.Args {
				w.visit(arg)
			}
			return false
		case *ast.CallExpr:
			w.call(n)
			return false
		case *ast.FuncLit: // neither called, nor an argument
			w.literal(n, w.unlessTable("stored in a value"))
			return false
		case *ast.CompositeLit:
			inner := *w
			switch w.g.pass.TypesInfo.TypeOf(n).Underlying().(type) {
			case *types.Slice, *types.Array, *types.Map:
				inner.table = true
			}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					inner.visit(kv.Value)
				} else {
					inner.visit(e)
				}
			}
			return false
		case *ast.AssignStmt:
			w.assign(n)
			return false
		case *ast.ValueSpec:
			for i, value := range n.Values {
				w.bound(n.Names[i], value)
			}
			return false
		case *ast.ReturnStmt:
			for _, result := range n.Results {
				if lit, ok := ast.Unparen(result).(*ast.FuncLit); ok {
					w.literal(lit, "")
				} else {
					w.visit(result)
				}
			}
			return false
		case *ast.SelectStmt:
			w.selects(n)
			return false
		case *ast.SendStmt:
			w.send(n)
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				w.receive(n)
			}
		case *ast.RangeStmt:
			w.ranges(n)
		case *ast.Ident:
			w.named(n, w.unlessTable("used as a value"))
		case *ast.SelectorExpr:
			w.named(n.Sel, w.unlessTable("used as a value"))
			w.visit(n.X)
			return false
		}
		return true
	})
}

// unlessTable returns why a function may run elsewhere; "" if a table has it.
func (w *walker) unlessTable(why string) string {
	if w.table {
		return ""
	}
	return why
}

// assign visits an assignment: a literal that a variable holds for good runs where that is called.
func (w *walker) assign(n *ast.AssignStmt) {
	for i, rhs := range n.Rhs {
		if len(n.Lhs) == len(n.Rhs) {
			if id, ok := n.Lhs[i].(*ast.Ident); ok {
				w.bound(id, rhs)
				continue
			}
			w.visit(n.Lhs[i])
		}
		w.visit(rhs)
	}
}

func (w *walker) bound(name *ast.Ident, value ast.Expr) {
	if lit, ok := ast.Unparen(value).(*ast.FuncLit); ok {
		if v, _ := w.g.pass.TypesInfo.ObjectOf(name).(*types.Var); v != nil && w.g.variables[v] != nil {
			w.literal(lit, "")
			return
		}
	}
	w.visit(value)
}

// literal walks a literal, which runs elsewhere if there is a reason.
func (w *walker) literal(lit *ast.FuncLit, elsewhere string) *function {
	f := w.g.literal(lit)
	f.bubble = w.in.bubble
	f.parent = w.in
	if f.elsewhere == "" && !isTest(f.sig) {
		f.elsewhere = elsewhere
	}
	inner := walker{g: w.g, in: f}
	inner.visit(lit.Body)
	return f
}

// start notes that a function runs on another goroutine.
func (w *walker) start(fun ast.Expr, why string) {
	switch fun := ast.Unparen(fun).(type) {
	case *ast.FuncLit:
		w.literal(fun, why)
	case *ast.Ident:
		if v, _ := w.g.pass.TypesInfo.Uses[fun].(*types.Var); v != nil && w.g.variables[v] != nil {
			w.g.variables[v].elsewhere = why
			return
		}
		w.named(fun, why)
	case *ast.SelectorExpr:
		w.named(fun.Sel, why)
		w.visit(fun.X)
	default:
		w.visit(fun)
	}
}

// named notes that a declared function is used other than by calling it here.
func (w *walker) named(id *ast.Ident, why string) {
	if why == "" {
		return
	}
	switch o := w.g.pass.TypesInfo.Uses[id].(type) {
	case *types.Func:
		if !isTest(o.Signature()) || why != "used as a value" {
			w.g.values = append(w.g.values, value{id.Pos(), o.Origin(), why})
		}
	case *types.Var:
		if f := w.g.variables[o]; f != nil && !isTest(f.sig) {
			f.elsewhere = why
		}
	}
}

func (w *walker) call(n *ast.CallExpr) {
	info := w.g.pass.TypesInfo
	callee := typeutil.StaticCallee(info, n)
	if callee == nil {
		callee, _ = typeutil.Callee(info, n).(*types.Func) // of an interface
	}
	if callee != nil {
		w.in.calls = append(w.in.calls, call{pos: n.Pos(), callee: callee.Origin()})
		w.waitCall(n, callee)
	}
	switch fun := ast.Unparen(n.Fun).(type) {
	case *ast.FuncLit:
		w.in.calls = append(w.in.calls, call{pos: n.Pos(), local: w.literal(fun, "")})
	case *ast.Ident:
		if v, _ := info.Uses[fun].(*types.Var); v != nil && w.g.variables[v] != nil {
			w.in.calls = append(w.in.calls, call{pos: n.Pos(), local: w.g.variables[v]})
		}
	case *ast.SelectorExpr:
		w.visit(fun.X)
	case *ast.IndexExpr, *ast.IndexListExpr: // instantiation
	default:
		w.visit(fun)
	}
	for i, arg := range n.Args {
		w.argument(n, callee, i, arg)
	}
}

// argument visits an argument, which may be a function.
func (w *walker) argument(n *ast.CallExpr, callee *types.Func, i int, arg ast.Expr) {
	runs := runsNow(callee) || w.g.callsArgument(n, i)
	switch arg := ast.Unparen(arg).(type) {
	case *ast.FuncLit:
		if !runs {
			w.literal(arg, "passed to "+nameOf(callee, n))
			return
		}
		if isFunc(callee, "testing", "Cleanup") { // it runs when the test ends, whoever has registered it
			w.literal(arg, "")
			return
		}
		was := w.in.bubble
		w.in.bubble = was || isFunc(callee, "testing/synctest", "Test")
		w.in.calls = append(w.in.calls, call{pos: arg.Pos(), local: w.literal(arg, "")})
		w.in.bubble = was
	case *ast.Ident, *ast.SelectorExpr:
		if runs {
			return
		}
		w.start(arg, "passed to "+nameOf(callee, n))
	default:
		w.visit(arg)
	}
}

// runsNow reports whether a function of a library runs its arguments on the goroutine of its caller, or on one that is a
// test's too.
func runsNow(fn *types.Func) bool {
	if fn == nil || fn.Pkg() == nil {
		return false
	}
	switch fn.Pkg().Path() {
	case "testing":
		switch fn.Name() {
		case "Run", "Cleanup", "Fuzz", "AllocsPerRun", "Benchmark":
			return true
		}
	case "testing/synctest":
		return fn.Name() == "Test"
	case "sync":
		return fn.Name() == "OnceFunc" || fn.Name() == "OnceValue" || fn.Name() == "Do" || fn.Name() == "Range"
	case "slices", "maps", "sort", "strings", "bytes":
		return true
	}
	return false
}

func isFunc(fn *types.Func, path, name string) bool {
	return fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == path && fn.Name() == name
}

func nameOf(callee *types.Func, n *ast.CallExpr) string {
	if callee != nil {
		return callee.Name()
	}
	return types.ExprString(n.Fun)
}

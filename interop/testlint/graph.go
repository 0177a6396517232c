package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"reflect"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

// function is a declared function or a function literal of the package.
type function struct {
	node   ast.Node // *ast.FuncDecl or *ast.FuncLit
	decl   *types.Func
	sig    *types.Signature
	calls  []call    // made on the function's own goroutine
	parent *function // of a literal
	// elsewhere says why a literal may run on another goroutine; "": it does not.
	elsewhere string
	bubble    bool // runs inside a synctest bubble
	waits     []wait
}

// call is a call that a function makes on its own goroutine.
type call struct {
	pos    token.Pos
	callee *types.Func // nil: local
	local  *function   // a literal of this package, called or run in place
}

// wait is a wait without a bound.
type wait struct {
	pos  token.Pos
	what string
}

// graph is what the analyzers know of a package.
type graph struct {
	pass      *analysis.Pass
	functions []*function
	literals  map[*ast.FuncLit]*function
	declared  map[*types.Func]*function
	variables map[*types.Var]*function // local variables that hold one literal for good
	buffered  map[*types.Var]bool      // channels, also in fields
	values    []value
}

// value is a use of a declared function other than calling it: it may be called on any goroutine.
type value struct {
	pos token.Pos
	fn  *types.Func
	why string
}

// callsBack is a fact about a function: it calls these of its parameters on its own goroutine, before it returns, and
// does nothing else with them.
type callsBack struct{ Params []int }

func (*callsBack) AFact()         {}
func (*callsBack) String() string { return "callsBack" }

var structure = &analysis.Analyzer{
	Name:       "teststructure",
	Doc:        "finds out which functions run on the goroutine of their caller",
	Run:        buildGraph,
	ResultType: reflect.TypeFor[*graph](),
	FactTypes:  []analysis.Fact{(*callsBack)(nil)},
}

func buildGraph(pass *analysis.Pass) (any, error) {
	g := &graph{
		pass:      pass,
		literals:  make(map[*ast.FuncLit]*function),
		declared:  make(map[*types.Func]*function),
		variables: make(map[*types.Var]*function),
		buffered:  make(map[*types.Var]bool),
	}
	for _, file := range pass.Files {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
				fn := pass.TypesInfo.Defs[f.Name].(*types.Func)
				g.declared[fn] = &function{node: f, decl: fn, sig: fn.Signature()}
				g.functions = append(g.functions, g.declared[fn])
			}
		}
	}
	g.findCallbacks()
	g.bindVariables()
	for _, f := range g.declared {
		w := walker{g: g, in: f}
		w.visit(f.node.(*ast.FuncDecl).Body)
	}
	return g, nil
}

// findCallbacks exports the facts about parameters, until there are no more: a function may hand its parameter on to
// another one.
func (g *graph) findCallbacks() {
	for changed := true; changed; {
		changed = false
		for fn, f := range g.declared {
			var known callsBack
			g.pass.ImportObjectFact(fn, &known)
			decl := f.node.(*ast.FuncDecl)
			for i := range fn.Signature().Params().Len() {
				p := fn.Signature().Params().At(i)
				if _, ok := p.Type().Underlying().(*types.Signature); ok && !slices.Contains(known.Params, i) && g.onlyCalled(decl.Body, p) {
					known.Params = append(known.Params, i)
					changed = true
				}
			}
			if len(known.Params) > 0 {
				g.pass.ExportObjectFact(fn, &known)
			}
		}
	}
}

// onlyCalled reports whether a body does nothing with a parameter but call it, compare it, or hand it to a function
// that does just that, on its own goroutine.
func (g *graph) onlyCalled(body ast.Node, p *types.Var) bool {
	total, good := 0, 0
	var visit func(n ast.Node, parents []ast.Node) // of the function's own goroutine
	info := g.pass.TypesInfo
	is := func(e ast.Expr) bool {
		id, ok := ast.Unparen(e).(*ast.Ident)
		return ok && info.Uses[id] == p
	}
	visit = func(n ast.Node, _ []ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncLit:
				return false
			case *ast.GoStmt:
				for _, arg := range n.Call.Args {
					visit(arg, nil)
				}
				return false
			case *ast.CallExpr:
				if is(n.Fun) {
					good++
				}
				for i, arg := range n.Args {
					if lit, ok := ast.Unparen(arg).(*ast.FuncLit); ok && g.callsArgument(n, i) {
						visit(lit.Body, nil)
					}
					if is(arg) && g.callsArgument(n, i) {
						good++
					}
				}
				if lit, ok := ast.Unparen(n.Fun).(*ast.FuncLit); ok {
					visit(lit.Body, nil)
				}
			case *ast.BinaryExpr:
				if is(n.X) || is(n.Y) {
					good++
				}
			}
			return true
		})
	}
	visit(body, nil)
	ast.Inspect(body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && info.Uses[id] == p {
			total++
		}
		return true
	})
	return total > 0 && good == total
}

// callsArgument reports whether a call's callee only calls its i-th argument, on the same goroutine.
func (g *graph) callsArgument(c *ast.CallExpr, i int) bool {
	fn := typeutil.StaticCallee(g.pass.TypesInfo, c)
	if fn == nil {
		return false
	}
	var fact callsBack
	if !g.pass.ImportObjectFact(fn.Origin(), &fact) {
		return false
	}
	if sig := fn.Signature(); sig.Variadic() {
		i = min(i, sig.Params().Len()-1)
	}
	return slices.Contains(fact.Params, i)
}

// bindVariables finds the local variables that are given one literal and nothing else.
func (g *graph) bindVariables() {
	info := g.pass.TypesInfo
	assigned := make(map[*types.Var]int)
	bind := func(name, value ast.Expr) {
		var v *types.Var
		switch name := name.(type) {
		case *ast.Ident:
			v, _ = info.ObjectOf(name).(*types.Var)
		case *ast.SelectorExpr:
			v, _ = info.Uses[name.Sel].(*types.Var)
		}
		if v != nil && isBuffered(info, value) {
			g.buffered[v.Origin()] = true
		}
		if v == nil || v.IsField() || v.Parent() == g.pass.Pkg.Scope() {
			return
		}
		assigned[v]++
		if lit, ok := value.(*ast.FuncLit); ok {
			g.variables[v] = g.literal(lit)
		}
	}
	for _, file := range g.pass.Files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, lhs := range n.Lhs {
					var rhs ast.Expr
					if len(n.Rhs) == len(n.Lhs) {
						rhs = n.Rhs[i]
					}
					bind(lhs, rhs)
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if i < len(n.Values) {
						bind(name, n.Values[i])
					}
				}
			case *ast.CompositeLit:
				g.bindFields(n)
			}
			return true
		})
	}
	for v, times := range assigned {
		if times != 1 {
			delete(g.variables, v)
		}
	}
}

// bindFields notes the channels with a buffer that a composite literal has.
func (g *graph) bindFields(n *ast.CompositeLit) {
	info := g.pass.TypesInfo
	t := info.TypeOf(n)
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, _ := t.Underlying().(*types.Struct)
	for i, e := range n.Elts {
		switch kv, ok := e.(*ast.KeyValueExpr); {
		case ok && isBuffered(info, kv.Value):
			if id, ok := kv.Key.(*ast.Ident); ok {
				if v, _ := info.Uses[id].(*types.Var); v != nil {
					g.buffered[v.Origin()] = true
				}
			}
		case !ok && s != nil && isBuffered(info, e):
			g.buffered[s.Field(i).Origin()] = true
		}
	}
}

// isBuffered reports whether an expression makes a channel with a buffer.
func isBuffered(info *types.Info, e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	if !ok || len(c.Args) != 2 {
		return false
	}
	id, ok := c.Fun.(*ast.Ident)
	_, isBuiltin := info.Uses[id].(*types.Builtin)
	return ok && isBuiltin && id.Name == "make"
}

func (g *graph) literal(lit *ast.FuncLit) *function {
	f := g.literals[lit]
	if f == nil {
		sig, _ := g.pass.TypesInfo.TypeOf(lit).(*types.Signature)
		f = &function{node: lit, sig: sig}
		g.literals[lit] = f
		g.functions = append(g.functions, f)
	}
	return f
}

// isTest reports whether a signature has a parameter that is a test, benchmark or fuzz target of its own.
func isTest(sig *types.Signature) bool {
	for p := range sig.Params().Variables() {
		if isNamed(p.Type(), "testing", "T", "B", "F", "TB") {
			return true
		}
	}
	return false
}

// isServed reports whether a signature is one of those that servers call on goroutines of their own.
func isServed(sig *types.Signature) bool {
	for p := range sig.Params().Variables() {
		if isNamed(p.Type(), "net/http", "ResponseWriter") || isNamed(p.Type(), "github.com/go-signalr/signalr/hubs", "Context") {
			return true
		}
	}
	return false
}

// isNamed reports whether a type, or what it points to, is one of a package's types.
func isNamed(t types.Type, path string, names ...string) bool {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Pkg() != nil && n.Obj().Pkg().Path() == path && slices.Contains(names, n.Obj().Name())
}

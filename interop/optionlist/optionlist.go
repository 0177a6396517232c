// Package optionlist lists the options of a package, for tests that say something about each.
package optionlist

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// Of returns the names of the functions With… of the package under test that return an Option. It reads the sources in the
// working directory, which go test sets to the package's.
func Of(t testing.TB) []string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if name := file.Name(); !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && isOption(f) {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

func isOption(f *ast.FuncDecl) bool {
	if f.Recv != nil || !strings.HasPrefix(f.Name.Name, "With") || f.Type.Results.NumFields() != 1 {
		return false
	}
	result, ok := f.Type.Results.List[0].Type.(*ast.Ident)
	return ok && result.Name == "Option"
}

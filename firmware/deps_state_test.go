package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// sorted are our packages in order of their import path.
func (m *module) sorted() []*goPackage {
	var out []*goPackage
	for _, name := range slices.Sorted(maps.Keys(m.packages)) {
		out = append(out, m.packages[name])
	}
	return out
}

// without returns the module without the packages of a pattern.
func (m *module) without(pattern string) *module {
	c := *m
	c.packages = maps.Clone(m.packages)
	maps.DeleteFunc(c.packages, func(name string, _ *goPackage) bool { return matches([]string{pattern}, name) })
	return &c
}

// misnamed lists packages whose last word says nothing.
func (m *module) misnamed(bad []string) (out []string) {
	for _, p := range m.sorted() {
		if slices.Contains(bad, path.Base(p.path)) || slices.Contains(bad, p.name) {
			out = append(out, p.path+": the name says nothing about what is inside")
		}
	}
	return out
}

// inits lists the init functions.
func (m *module) inits() (out []string) {
	for _, p := range m.sorted() {
		for _, f := range p.files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					out = append(out, fmt.Sprintf("%s: func init: what runs before main cannot be tested or turned off", m.fset.Position(fn.Pos())))
				}
			}
		}
	}
	return out
}

// state lists package-level variables that are written to, or that are made to
// be: it finds assignments, also to a part and through a pointer, addresses
// taken, methods that take one, and types that only make sense when changed.
// What it cannot see is a slice or map that is handed to a function which
// writes to it.
func (m *module) state(allowed map[string]string) (out []string) {
	for _, p := range m.sorted() {
		if p.typed == nil {
			continue
		}
		for _, name := range p.typed.Scope().Names() {
			if v, ok := p.typed.Scope().Lookup(name).(*types.Var); ok {
				if what := holdsState(v.Type(), nil); what != "" && allowed[p.path+"."+name] == "" {
					out = append(out, fmt.Sprintf("%s: %s holds %s: state belongs into a value that somebody owns", m.fset.Position(v.Pos()), name, what))
				}
			}
		}
		w := writes{m: m, p: p, allowed: allowed}
		for _, f := range p.files {
			ast.Inspect(f, w.visit)
		}
		out = append(out, w.found...)
	}
	return out
}

// holdsState says what in a type is only there to be changed.
func holdsState(t types.Type, seen []types.Type) string {
	if slices.Contains(seen, t) {
		return ""
	}
	seen = append(seen, t)
	if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil {
		switch n.Obj().Pkg().Path() {
		case "sync", "sync/atomic":
			return n.Obj().Pkg().Name() + "." + n.Obj().Name()
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Chan:
		return "a channel"
	case *types.Array:
		return holdsState(u.Elem(), seen)
	case *types.Pointer:
		if n, ok := u.Elem().(*types.Named); ok && n.Obj().Pkg() != nil && !strings.HasPrefix(n.Obj().Pkg().Path(), "sync") {
			return "" // another package's business, such as *slog.Logger or *crc32.Table
		}
		return holdsState(u.Elem(), seen)
	case *types.Struct:
		if n, ok := t.(*types.Named); ok && n.Obj().Pkg() != nil && !strings.HasPrefix(n.Obj().Pkg().Path(), "heptap") {
			return ""
		}
		for i := range u.NumFields() {
			if what := holdsState(u.Field(i).Type(), seen); what != "" {
				return what
			}
		}
	}
	return ""
}

// writes collects what is done to package-level variables in one package.
type writes struct {
	m       *module
	p       *goPackage
	allowed map[string]string
	found   []string
}

// global returns the package-level variable of ours that an expression is a
// part of, or nil.
func (w *writes) global(e ast.Expr) *types.Var {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.SelectorExpr:
			if v := w.variable(x.Sel); v != nil && !v.IsField() {
				return v // of another package
			}
			e = x.X
		case *ast.Ident:
			return w.variable(x)
		default:
			return nil
		}
	}
}

func (w *writes) variable(id *ast.Ident) *types.Var {
	v, ok := w.p.info.Uses[id].(*types.Var)
	if !ok || v.Pkg() == nil || w.m.packages[v.Pkg().Path()] == nil && v.Pkg().Path() != w.p.path || v.Parent() != v.Pkg().Scope() || w.allowed[v.Pkg().Path()+"."+v.Name()] != "" {
		return nil
	}
	return v
}

func (w *writes) violation(at token.Pos, format string, args ...any) {
	w.found = append(w.found, fmt.Sprintf("%s: %s: package-level variables are tables and errors, nothing that changes", w.m.fset.Position(at), fmt.Sprintf(format, args...)))
}

func (w *writes) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			return true
		}
		for _, l := range n.Lhs {
			w.assigned(l)
		}
	case *ast.IncDecStmt:
		w.assigned(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			w.assigned(n.Key)
			w.assigned(n.Value)
		}
	case *ast.UnaryExpr:
		if v := w.global(n.X); n.Op == token.AND && v != nil {
			w.violation(n.Pos(), "the address of %s is taken", v.Name())
		}
	case *ast.CallExpr:
		w.call(n)
	}
	return true
}

func (w *writes) assigned(e ast.Expr) {
	if e == nil {
		return
	}
	if v := w.global(e); v != nil {
		w.violation(e.Pos(), "%s is assigned to", v.Name())
	}
}

// call looks at builtins that write, and at methods with a pointer receiver
// called on a variable that is not a pointer.
func (w *writes) call(c *ast.CallExpr) {
	switch fn := ast.Unparen(c.Fun).(type) {
	case *ast.Ident:
		if _, builtin := w.p.info.Uses[fn].(*types.Builtin); builtin && slices.Contains([]string{"delete", "copy", "clear"}, fn.Name) {
			if v := w.global(c.Args[0]); v != nil {
				w.violation(c.Pos(), "%s is changed by %s", v.Name(), fn.Name)
			}
		}
	case *ast.SelectorExpr:
		s := w.p.info.Selections[fn]
		if s == nil || s.Kind() != types.MethodVal {
			return
		}
		_, byPointer := s.Obj().(*types.Func).Signature().Recv().Type().(*types.Pointer)
		if _, isPointer := s.Recv().Underlying().(*types.Pointer); !byPointer || isPointer {
			return
		}
		if v := w.global(fn.X); v != nil {
			w.violation(c.Pos(), "%s.%s may change it", v.Name(), fn.Sel.Name)
		}
	}
}

// syscallNames are what package syscall may be used for: signals, errno
// values, and the types of both.
var syscallNames = regexp.MustCompile(`^(SIG[A-Z0-9]+|E[A-Z0-9]+|Errno|Signal)$`)

// syscalls lists other uses of package syscall.
func (m *module) syscalls(allowed []string) (out []string) {
	for _, p := range m.sorted() {
		if matches(allowed, p.path) || p.info == nil {
			continue
		}
		for _, f := range p.files {
			for _, i := range f.Imports {
				if i.Path.Value == `"syscall"` && i.Name != nil && i.Name.Name == "." {
					out = append(out, fmt.Sprintf("%s: dot import of syscall", m.fset.Position(i.Pos())))
					return out
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				id, ok := s.X.(*ast.Ident)
				if !ok {
					return true
				}
				if pn, ok := p.info.Uses[id].(*types.PkgName); ok && pn.Imported().Path() == "syscall" && !syscallNames.MatchString(s.Sel.Name) {
					out = append(out, fmt.Sprintf("%s: syscall.%s: outside the packages whose subject is the kernel, syscall is for signals and errno values", m.fset.Position(s.Pos()), s.Sel.Name))
				}
				return true
			})
		}
	}
	return out
}

// comments lists packages that do not have exactly one package comment.
func (m *module) comments() (out []string) {
	for _, p := range m.sorted() {
		var texts []string
		for _, f := range p.files {
			if f.Doc != nil {
				texts = append(texts, f.Doc.Text())
			}
		}
		begins := "Package " + p.name + " "
		if p.name == "main" {
			begins = "Command "
		}
		switch {
		case len(texts) == 0:
			out = append(out, p.path+": no package comment")
		case len(texts) > 1:
			out = append(out, fmt.Sprintf("%s: %d package comments", p.path, len(texts)))
		case !strings.HasPrefix(texts[0], begins):
			out = append(out, fmt.Sprintf("%s: the package comment does not begin with %q", p.path, begins))
		}
	}
	return out
}

// unfuzzed lists packages of the patterns without a fuzz target.
func (m *module) unfuzzed(patterns []string, exempt map[string]string) (out []string) {
	for _, p := range m.sorted() {
		if !matches(patterns, p.path) || exempt[p.path] != "" {
			continue
		}
		if !slices.ContainsFunc(p.tests, hasFuzz) {
			out = append(out, p.path+": no fuzz target, though it reads what others wrote")
		}
	}
	return out
}

// hasFuzz reports whether a file has a func FuzzXxx(*testing.F).
func hasFuzz(f *ast.File) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") && fn.Type.Params.NumFields() == 1
	})
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is what the checks look at: every package that ours need.
type module struct {
	fset     *token.FileSet
	packages map[string]*goPackage // ours, by import path
	imports  map[string][]string   // of every package, ours and others
	standard map[string]bool
	importer types.Importer // of packages that are not ours
}

type goPackage struct {
	path  string
	name  string
	files []*ast.File // without tests
	tests []*ast.File
	typed *types.Package
	info  *types.Info
}

// loadModule reads the module this test belongs to, once.
var loadModule = func() func(t *testing.T) *module {
	once := sync.OnceValues(readModule)
	return func(t *testing.T) *module {
		t.Helper()
		m, err := once()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}()

// listed is a package as the go command describes it.
type listed struct {
	ImportPath, Dir, Name, Export string
	Standard                      bool
	GoFiles, CgoFiles             []string
	TestGoFiles, XTestGoFiles     []string
	Imports                       []string
	ImportMap                     map[string]string
}

func readModule() (*module, error) {
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Dir,Name,Export,Standard,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports,ImportMap", "heptap/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux") // as it ships
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	m := &module{fset: token.NewFileSet(), packages: map[string]*goPackage{}, imports: map[string][]string{}, standard: map[string]bool{}}
	exports := map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := dec.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if err := m.add(&l); err != nil {
			return nil, err
		}
		exports[l.ImportPath] = l.Export
	}
	m.importer = importer.ForCompiler(m.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return m, m.check()
}

func (m *module) add(l *listed) error {
	for _, i := range l.Imports {
		if mapped := l.ImportMap[i]; mapped != "" { // vendored in the standard library
			i = mapped
		}
		m.imports[l.ImportPath] = append(m.imports[l.ImportPath], i)
	}
	m.standard[l.ImportPath] = l.Standard
	if l.Standard || l.ImportPath != "heptap" && !strings.HasPrefix(l.ImportPath, "heptap/") {
		return nil
	}
	p := &goPackage{path: l.ImportPath, name: l.Name}
	for into, names := range map[*[]*ast.File][]string{&p.files: slices.Concat(l.GoFiles, l.CgoFiles), &p.tests: slices.Concat(l.TestGoFiles, l.XTestGoFiles)} {
		for _, name := range names {
			f, err := parser.ParseFile(m.fset, filepath.Join(l.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			*into = append(*into, f)
		}
	}
	m.packages[l.ImportPath] = p
	return nil
}

// syntheticModule makes a module of sources. Packages outside heptap/ that it
// has sources for count as dependencies.
func syntheticModule(t *testing.T, sources map[string]string) *module {
	t.Helper()
	m := &module{fset: token.NewFileSet(), packages: map[string]*goPackage{}, imports: map[string][]string{}, standard: map[string]bool{}, importer: loadModule(t).importer}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		f, err := parser.ParseFile(m.fset, name, sources[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(name)
		p := m.packages[dir]
		if p == nil {
			p = &goPackage{path: dir, name: f.Name.Name}
			m.packages[dir] = p
		}
		if strings.HasSuffix(name, "_test.go") {
			p.tests = append(p.tests, f)
			continue
		}
		p.files = append(p.files, f)
		for _, i := range f.Imports {
			to, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			m.imports[dir] = append(m.imports[dir], to)
			m.standard[to] = !strings.Contains(strings.SplitN(to, "/", 2)[0], ".") && !strings.HasPrefix(to, "heptap/")
		}
	}
	for dir := range m.packages {
		if !strings.HasPrefix(dir, "heptap/") {
			delete(m.packages, dir)
		}
	}
	if err := m.check(); err != nil && !strings.Contains(err.Error(), "could not import") {
		t.Fatal(err)
	}
	return m
}

// Import implements types.Importer: our packages as we checked them, so that a
// variable is the same object in all of them.
func (m *module) Import(path string) (*types.Package, error) {
	p := m.packages[path]
	if p == nil {
		return m.importer.Import(path)
	}
	if p.typed == nil {
		if err := m.checkPackage(p); err != nil {
			return nil, err
		}
	}
	return p.typed, nil
}

func (m *module) check() error {
	for _, name := range slices.Sorted(maps.Keys(m.packages)) {
		if _, err := m.Import(name); err != nil {
			return err
		}
	}
	return nil
}

func (m *module) checkPackage(p *goPackage) error {
	p.info = &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{}}
	conf := types.Config{Importer: m}
	var err error
	p.typed, err = conf.Check(p.path, m.fset, p.files, p.info)
	return err
}

// matches reports whether the import path is of one of the patterns.
func matches(patterns []string, importPath string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "/..."); ok {
			return importPath == prefix || strings.HasPrefix(importPath, prefix+"/")
		}
		return importPath == p
	})
}

// breached lists the imports that break a wall.
func (m *module) breached(walls []wall) (out []string) {
	for _, w := range walls {
		for _, from := range slices.Sorted(maps.Keys(m.packages)) {
			if !matches(w.from, from) || matches(w.except, from) {
				continue
			}
			if w.deep {
				if way := m.way(from, w.never); way != nil {
					out = append(out, fmt.Sprintf("%s reaches %s: %s (%s)", from, way[len(way)-1], strings.Join(way, " > "), w.why))
				}
				continue
			}
			for _, to := range m.imports[from] {
				if matches(w.never, to) {
					out = append(out, fmt.Sprintf("%s imports %s (%s)", from, to, w.why))
				}
			}
		}
	}
	// A direct import is the shortest way there is: say it so.
	for i, v := range out {
		if from, rest, ok := strings.Cut(v, " reaches "); ok && strings.Count(rest, " > ") == 1 {
			to, _, _ := strings.Cut(rest, ":")
			_, why, _ := strings.Cut(rest, " (")
			out[i] = fmt.Sprintf("%s imports %s (%s", from, to, why)
		}
	}
	return out
}

// way returns the shortest chain of imports from a package to one of the
// patterns, or nil.
func (m *module) way(from string, to []string) []string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range m.imports[queue[0]] {
			if _, known := before[next]; known {
				continue
			}
			before[next] = queue[0]
			if matches(to, next) {
				var way []string
				for p := next; p != ""; p = before[p] {
					way = append(way, p)
				}
				slices.Reverse(way)
				return way
			}
			queue = append(queue, next)
		}
	}
	return nil
}

// beyond lists what packages under capture import beyond the table.
func (m *module) beyond(table map[string][]string) (out []string) {
	for _, from := range slices.Sorted(maps.Keys(m.packages)) {
		if !matches([]string{"heptap/capture/..."}, from) {
			continue
		}
		allowed, known := table[from]
		if !known {
			out = append(out, from+" is not in the table of what may be imported under capture")
			continue
		}
		for _, to := range m.imports[from] {
			if !m.standard[to] && !matches(allowed, to) {
				out = append(out, fmt.Sprintf("%s imports %s: protocol packages know capture and their own protocol, dissect composes them", from, to))
			}
		}
	}
	return out
}

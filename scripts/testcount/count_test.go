package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lines makes events of short forms: "pkg test action [output]".
func lines(short ...string) string {
	var b strings.Builder
	for _, s := range short {
		w := strings.SplitN(s, " ", 4)
		b.WriteString(`{"Action":"` + w[2] + `","Package":"` + w[0] + `"`)
		if w[1] != "-" {
			b.WriteString(`,"Test":"` + w[1] + `"`)
		}
		if len(w) > 3 {
			b.WriteString(`,"Output":"` + w[3] + `\n"`)
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func TestCount(t *testing.T) {
	for _, c := range []struct {
		name                    string
		in                      string
		err                     error
		passed, failed, skipped int
		says                    []string
		hides                   []string
	}{
		{"passing", lines("a - start", "a T run", "a T output === RUN", "a T output hello", "a T pass", "a T/s pass", "a - output PASS", "a - pass"), nil, 2, 0, 0, []string{"ok", "2 passed"}, []string{"hello"}},
		{"table", lines("a T run", "a T output hello", "a T output   | 1 | 2 |", "a T pass", "a - pass"), nil, 1, 0, 0, []string{"--- a T\n| 1 | 2 |\n"}, []string{"hello"}},
		{"failing", lines("a T run", "a T output why", "a T fail", "a U pass", "a - fail"), errors.New("exit status 1"), 1, 1, 0, []string{"--- a T", "why", "1 passed, 1 failed"}, nil},
		{"skipped", lines("a T run", "a T output x.go:1: needs root", "a T output --- SKIP: T", "a T skip", "a - pass"), nil, 0, 0, 1, []string{"skipped: a T: x.go:1: needs root"}, nil},
		{"package fails alone", lines("a T pass", "a - output main says no", "a - fail"), errors.New("exit status 1"), 1, 1, 0, []string{"main says no"}, nil},
		{"panic", lines("a T run", "a T output panic: boom", "a - fail"), errors.New("exit status 1"), 0, 1, 0, []string{"did not end", "boom"}, nil},
		{"killed", lines("a T run", "a U pass"), errors.New("signal: killed"), 1, 1, 0, []string{"did not end"}, nil},
		{"build", `{"ImportPath":"a [a.test]","Action":"build-output","Output":"x.go:1: undefined\n"}` + "\n" + `{"ImportPath":"a [a.test]","Action":"build-fail"}` + "\n" +
			`{"Action":"fail","Package":"a","FailedBuild":"a [a.test]"}` + "\n", errors.New("exit status 1"), 0, 1, 0, []string{"does not build", "undefined"}, nil},
		{"no test files", lines("a - skip"), nil, 0, 0, 0, []string{"0 passed"}, []string{"ok"}},
		{"text", "go: downloading x\n" + lines("a T pass", "a - pass"), nil, 1, 0, 0, []string{"go: downloading x"}, nil},
		{"nothing", "", nil, 0, 1, 0, []string{"no package"}, nil},
		{"the command", "no such flag\n", errors.New("exit status 2"), 0, 1, 0, []string{"no such flag", "exit status 2"}, nil},
		{"two packages mixed", lines("a T run", "b T run", "a T output A", "b T output B", "b T pass", "a T fail", "b - pass", "a - fail"), errors.New("1"), 1, 1, 0, []string{"A"}, []string{"B\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			w := bufio.NewWriter(&out)
			n := newCount(w)
			if err := n.read(strings.NewReader(c.in)); err != nil {
				t.Fatal(err)
			}
			n.finish(c.err)
			n.summary("")
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if n.passed != c.passed || n.failed != c.failed || n.skipped != c.skipped {
				t.Errorf("%d passed, %d failed, %d skipped; want %d, %d, %d", n.passed, n.failed, n.skipped, c.passed, c.failed, c.skipped)
			}
			for _, s := range c.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("does not say %q:\n%s", s, out.String())
				}
			}
			for _, s := range c.hides {
				if strings.Contains(out.String(), s) {
					t.Errorf("says %q:\n%s", s, out.String())
				}
			}
		})
	}
}

func TestRun(t *testing.T) {
	totals := filepath.Join(t.TempDir(), "totals")
	if code, err := run("", totals, []string{"printf", strings.ReplaceAll(lines("a T pass", "a - pass"), `\`, `\\`)}); code != 0 || err != nil {
		t.Errorf("code %d, %v", code, err)
	}
	if code, err := run("", totals, []string{"false"}); code != 1 || err != nil {
		t.Errorf("code %d, %v", code, err)
	}
	if code, _ := run("", totals, []string{"/no/such/command"}); code != 2 {
		t.Errorf("code %d", code)
	}
	if b, err := os.ReadFile(totals); err != nil || string(b) != "1 0 0\n0 1 0\n" {
		t.Errorf("totals %q, %v", b, err)
	}
}

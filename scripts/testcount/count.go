package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// event is a line of go test -json (go doc test2json, go help buildjson).
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// count follows one run.
type count struct {
	w *bufio.Writer

	passed, failed, skipped int

	packages map[string]*pkg
	builds   map[string][]string // output of the compiler, by import path
	skips    []string
}

// pkg is what is known of a package under way.
type pkg struct {
	tests                   map[string]*test
	output                  []string // outside of tests
	passed, failed, skipped int
	done                    bool
}

type test struct {
	output []string
	done   bool
}

func newCount(w *bufio.Writer) *count {
	return &count{w: w, packages: map[string]*pkg{}, builds: map[string][]string{}}
}

// read takes in the lines of r until its end. What is no JSON is passed on.
func (c *count) read(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &e) != nil || e.Action == "" {
				fmt.Fprintf(c.w, "%s\n", bytes.TrimRight(line, "\r\n"))
			} else {
				c.take(&e)
			}
			if err := c.w.Flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *count) take(e *event) {
	switch e.Action {
	case "build-output":
		c.builds[e.ImportPath] = append(c.builds[e.ImportPath], e.Output)
		return
	case "build-fail":
		return // the package's own fail event says so
	}
	p := c.packages[e.Package]
	if p == nil {
		p = &pkg{tests: map[string]*test{}}
		c.packages[e.Package] = p
	}
	if e.Test == "" {
		c.takePackage(p, e)
		return
	}
	t := p.tests[e.Test]
	if t == nil {
		t = &test{}
		p.tests[e.Test] = t
	}
	switch e.Action {
	case "output":
		t.output = append(t.output, e.Output)
	case "pass", "bench":
		p.passed++
		c.showTables(e.Package+" "+e.Test, t.output)
		t.done, t.output = true, nil
	case "skip":
		p.skipped++
		t.done = true
		c.skips = append(c.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(t.output)))
		t.output = nil
	case "fail":
		p.failed++
		t.done = true
		c.show(e.Package+" "+e.Test, t.output)
		t.output = nil
	}
}

func (c *count) takePackage(p *pkg, e *event) {
	switch e.Action {
	case "output":
		p.output = append(p.output, e.Output)
	case "pass", "skip", "fail":
		c.close(e.Package, p, e)
	}
}

// close counts a package that has ended.
func (c *count) close(name string, p *pkg, e *event) {
	p.done = true
	for _, t := range slices.Sorted(maps.Keys(p.tests)) {
		if !p.tests[t].done {
			p.failed++
			c.show(name+" "+t+": did not end", p.tests[t].output)
		}
	}
	if e.Action == "fail" {
		switch build := c.builds[e.FailedBuild]; {
		case len(build) > 0:
			p.failed++
			c.show(name+": does not build", build)
		case p.failed == 0:
			p.failed++
			c.show(name+": the package failed", p.output)
		case panicked(p.output):
			c.show(name, p.output)
		}
	}
	c.passed, c.failed, c.skipped = c.passed+p.passed, c.failed+p.failed, c.skipped+p.skipped
	if p.passed+p.failed+p.skipped == 0 {
		return // no tests
	}
	word := "ok  "
	if p.failed > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(c.w, "%s  %-40s %7.1fs  %d passed", word, name, e.Elapsed, p.passed)
	if p.failed > 0 {
		fmt.Fprintf(c.w, ", %d failed", p.failed)
	}
	if p.skipped > 0 {
		fmt.Fprintf(c.w, ", %d skipped", p.skipped)
	}
	fmt.Fprintln(c.w)
}

func panicked(output []string) bool {
	return slices.ContainsFunc(output, func(s string) bool {
		return strings.HasPrefix(s, "panic:") || strings.HasPrefix(s, "fatal error:") || strings.HasPrefix(s, "WARNING: DATA RACE")
	})
}

// show prints the output of something that failed, in full.
func (c *count) show(what string, output []string) {
	fmt.Fprintf(c.w, "\n--- %s\n", what)
	for _, line := range output {
		if !strings.HasPrefix(line, "=== ") {
			fmt.Fprint(c.w, line)
		}
	}
	fmt.Fprintln(c.w)
}

// showTables prints, of a test that passed, the lines that begin with a bar.
func (c *count) showTables(what string, output []string) {
	for _, line := range output {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		if what != "" {
			fmt.Fprintf(c.w, "\n--- %s\n", what)
			what = ""
		}
		fmt.Fprintln(c.w, line)
	}
}

// reason is the last thing a skipped test said.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "--- ") && !strings.HasPrefix(line, "=== ") {
			return line
		}
	}
	return "no reason given"
}

// finish counts what never came to an end, and a command that failed in
// silence.
func (c *count) finish(err error) {
	for _, name := range slices.Sorted(maps.Keys(c.packages)) {
		if p := c.packages[name]; !p.done {
			c.close(name, p, &event{Action: "fail"})
		}
	}
	if err != nil && c.failed == 0 {
		c.failed++
		for _, name := range slices.Sorted(maps.Keys(c.builds)) {
			c.show(name, c.builds[name])
		}
		fmt.Fprintf(c.w, "\n--- the command failed: %v\n", err)
	}
	if err == nil && len(c.packages) == 0 {
		c.failed++
		fmt.Fprint(c.w, "\n--- the command ran no package\n")
	}
}

func (c *count) summary(label string) {
	for _, s := range c.skips {
		fmt.Fprintf(c.w, "skipped: %s\n", s)
	}
	if label != "" {
		label += ": "
	}
	fmt.Fprintf(c.w, "%s%d passed, %d failed, %d skipped\n", label, c.passed, c.failed, c.skipped)
}

// append adds the counts to a file; an empty name is none.
func (c *count) append(name string) (err error) {
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	_, err = fmt.Fprintln(f, c.passed, c.failed, c.skipped)
	return err
}

// Command testcount runs go test -json, shows what failed in full and the rest
// in one line a package, and counts.
//
//	testcount [-label NAME] [-totals FILE] go test -json ARGUMENT...
//
// Every test and every subtest counts once. A package that fails without a
// test of its own to blame (it does not build, it panics outside a test, its
// TestMain fails) counts as one failure, and so does a test that began and
// never ended. Of a test that passes the tables that it logs are shown: lines that
// begin with a bar. With -totals it appends "passed failed skipped" to FILE. The
// exit status is 1 when anything failed, 2 when the command could not be run.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	label := flag.String("label", "", "what to call this run in the output")
	totals := flag.String("totals", "", "append the counts to `FILE`")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: testcount [-label NAME] [-totals FILE] go test -json ARGUMENT...")
		os.Exit(2)
	}
	code, err := run(*label, *totals, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "testcount:", err)
	}
	os.Exit(code)
}

func run(label, totals string, args []string) (code int, err error) {
	cmd := exec.Command(args[0], args[1:]...)
	out, in, err := os.Pipe()
	if err != nil {
		return 2, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = in, in // in the order in which they come
	if err := cmd.Start(); err != nil {
		return 2, errors.Join(err, in.Close())
	}
	if err := in.Close(); err != nil {
		return 2, err
	}
	w := bufio.NewWriter(os.Stdout)
	c := newCount(w)
	readErr := c.read(out)
	if readErr != nil {
		// Nobody reads on: the command must not wait for it.
		_, _ = io.Copy(io.Discard, out)
	}
	c.finish(cmd.Wait())
	c.summary(label)
	if err := errors.Join(readErr, w.Flush(), c.append(totals)); err != nil {
		return 2, err
	}
	if c.failed > 0 {
		return 1, nil
	}
	return 0, nil
}

// Command heptap is the firmware of a VoIP capture probe: it watches a
// switch's mirror port and forwards what it sees, correlated, as HEP3.
//
// This package parses the command, builds the concrete parts and runs them.
// Nothing else names a driver.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Stamped by scripts/build with -ldflags -X.
var (
	version = "devel"
	commit  = "unknown"
)

// env is what a command has of the outside world.
type env struct {
	stdin          *os.File
	stdout, stderr io.Writer
}

type command struct {
	name, args, help string
	run              func(ctx context.Context, e *env, args []string) error
}

func commands() []command {
	return []command{
		{"run", "-config FILE [-collect ADDR]", "capture, correlate and forward, until stopped", cmdRun},
		{"replay", "-o OUT.hep [-config FILE] [-summary FILE.json] FILE...", "the same over pcap and pcapng files", cmdReplay},
		{"collect", "[-udp ADDR] [-tcp ADDR] [-o OUT.hep] [-json]", "a small HEP server", cmdCollect},
		{"decode", "FILE.hep", "print HEP packets as JSON, one a line", cmdDecode},
		{"spool", "ls|export|verify FILE", "look into the spool of a stopped probe", cmdSpool},
		{"config", "[-check FILE]", "list every option, or check a configuration", cmdConfig},
		{"version", "[-boards]", "version, commit and Go release", cmdVersion},
	}
}

// usageError is a mistake in how a command was called; exit status 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	code := e.main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// main runs one command and returns the exit status: 0 done, 1 failed, 2
// called wrongly.
func (e *env) main(ctx context.Context, args []string) int {
	if len(args) == 0 {
		e.usage(e.stderr)
		return 2
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		e.usage(e.stdout)
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, e, args[1:])
		var usage usageError
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.As(err, &usage):
			fmt.Fprintf(e.stderr, "heptap %s: %v\nrun 'heptap %s -h' for help\n", c.name, err, c.name)
			return 2
		}
		fmt.Fprintf(e.stderr, "heptap %s: %v\n", c.name, err)
		return 1
	}
	fmt.Fprintf(e.stderr, "heptap: unknown command %q\n\n", args[0])
	e.usage(e.stderr)
	return 2
}

func (e *env) usage(w io.Writer) {
	fmt.Fprint(w, "heptap watches a switch's mirror port and forwards what it sees as HEP3.\n\nusage: heptap COMMAND [OPTION...]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n           %s\n", c.name, c.args, c.help)
	}
	fmt.Fprint(w, "\nheptap COMMAND -h shows a command's options and examples.\n")
}

// flags makes the flag set of a command; its help begins with the command's
// synopsis and ends with the examples.
func (e *env) flags(name, examples string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are reported by main, once
	fs.Usage = func() {
		for _, c := range commands() {
			if c.name == name {
				fmt.Fprintf(e.stdout, "usage: heptap %s %s\n\n%s.\n", name, c.args, c.help)
			}
		}
		first := true
		fs.VisitAll(func(*flag.Flag) {
			if first {
				fmt.Fprint(e.stdout, "\noptions:\n")
			}
			first = false
		})
		fs.SetOutput(e.stdout)
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
		fmt.Fprintf(e.stdout, "\nexamples:\n%s", examples)
	}
	return fs
}

// parse reads the flags; a wrong one is a usage error.
func parse(fs *flag.FlagSet, args []string) error {
	help := fs.Usage
	fs.Usage = func() {} // flag calls it for a wrong option too
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		help()
		return err
	}
	if err != nil {
		return usageError{err}
	}
	return nil
}

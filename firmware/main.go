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
	"slices"
	"sync"
	"syscall"

	"heptap/firmware/internal/appliance"
)

// Stamped by scripts/build with -ldflags -X.
var (
	version   = "devel"
	commit    = "unknown"
	committed = "" // seconds since 1970 of the commit
)

// env is what a command has of the outside world.
type env struct {
	stdin          *os.File
	stdout, stderr io.Writer

	mu   sync.Mutex
	undo []func() // changes that outlive the process, see atExit
}

type command struct {
	name, args, help string
	run              func(ctx context.Context, e *env, args []string) error
	plain            bool // a signal may end it anywhere
}

func commands() []command {
	return []command{
		{"run", "-config FILE [-collect ADDR]", "capture, correlate and forward, until stopped", cmdRun, false},
		{"replay", "-o OUT.hep|-follow ID [-config FILE] [-summary FILE.json] FILE...", "the same over pcap and pcapng files", cmdReplay, false},
		{"console", "[-config FILE|-socket PATH] [COMMAND...]", "a shell on a running probe: configuration, and what it sees", cmdConsole, false},
		{"capture", "-o FILE.pcapng [-config FILE] [WORD...]", "write what a running probe holds of the newest frames", cmdCapture, false},
		{"collect", "[-udp ADDR] [-tcp ADDR] [-nats URL -stream NAME] [-o OUT.hep] [-json]", "a small HEP server", cmdCollect, false},
		{"decode", "FILE.hep", "print HEP packets as JSON, one a line", cmdDecode, true},
		{"spool", "ls|export|verify FILE", "look into the spool of a stopped probe", cmdSpool, false},
		{"config", "[-check FILE]", "list every option, or check a configuration", cmdConfig, true},
		{"pseudonym", "-config FILE [-undo] TEXT...", "tell a number or name by its pseudonym, and the other way round", cmdPseudonym, true},
		{"bundle", "key|public|sign|show [OPTION...] FILE", "keys that updates of a box are signed by; sign one, look at one", cmdBundle, true},
		{"support", "-o FILE.tar.gz [-config FILE]", "how a probe and its machine are, in one file for somebody who helps", cmdSupport, false},
		{"version", "[-boards]", "version, commit and Go release", cmdVersion, true},
	}
}

// usageError is a mistake in how a command was called; exit status 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	if isInit(os.Args) {
		runInit(ctx)
	}
	if len(os.Args) > 1 && os.Args[1] == appliance.ConfinedCommand {
		fmt.Fprintf(os.Stderr, "heptap: %v\n", appliance.Confine(os.Args[2:]...))
		os.Exit(1)
	}
	e := &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	plain := func(c command) bool { return c.plain && c.name == os.Args[1] }
	if len(os.Args) > 1 && !slices.ContainsFunc(commands(), plain) {
		ch := make(chan os.Signal, 2)
		signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
		if !signal.Ignored(syscall.SIGHUP) { // it is under nohup
			signal.Notify(ch, syscall.SIGHUP)
		}
		go e.obey(ch, cancel)
	}
	os.Exit(e.main(ctx, os.Args[1:]))
}

// obey ends the command in order at the first signal and at once at the
// second, when only what would outlive the process is put back.
func (e *env) obey(ch <-chan os.Signal, cancel func()) {
	<-ch
	cancel()
	s := <-ch
	e.putBack()
	fmt.Fprintf(e.stderr, "heptap: %v again: ended without waiting\n", s)
	code := 1
	if n, ok := s.(syscall.Signal); ok {
		code = 128 + int(n)
	}
	os.Exit(code)
}

// atExit has f called, once, by putBack or by the returned function.
func (e *env) atExit(f func()) (now func()) {
	now = sync.OnceFunc(f)
	e.mu.Lock()
	e.undo = append(e.undo, now)
	e.mu.Unlock()
	return now
}

// putBack undoes, in reverse order, what atExit was told.
func (e *env) putBack() {
	e.mu.Lock()
	undo := e.undo
	e.mu.Unlock()
	for _, f := range slices.Backward(undo) {
		f()
	}
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

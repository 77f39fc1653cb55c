package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"heptap/firmware/internal/config"
)

const captureExamples = `  heptap capture -o all.pcapng
  heptap capture -config probe.conf -o - call a84b4c76e66710@192.0.2.1 | wireshark -k -i -
  heptap capture -o noon.pcapng from 12:00:00 until 12:05:00 address 192.0.2.0/24
  heptap capture -o mark.pcapng pin 1

What is held of the frames that a running probe has seen lately. Without words it is
everything. Secrets are blanked, unless the word is unlocked; 'help' at the probe's
console says more.
`

// cmdCapture is capture to file, with the file on this side.
func cmdCapture(ctx context.Context, e *env, args []string) error {
	fs := e.flags("capture", captureExamples)
	configFile := fs.String("config", "", "the running probe's configuration `FILE`")
	out := fs.String("o", "", "write pcapng to `FILE`; - for standard output")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *out == "" {
		return usagef("want -o FILE")
	}
	cfg, err := loadOrDefault(*configFile)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("taken-%d.pcapng", os.Getpid())
	return e.take(ctx, cfg, "capture to file", name, fs.Args(), *out)
}

func loadOrDefault(file string) (config.Config, error) {
	if file == "" {
		return config.Default(), nil
	}
	return config.Load(file)
}

// errNoProbe says that nobody listens at the console's socket.
var errNoProbe = errors.New("is the probe running (as root?), and is this its configuration? See -config")

// take has the running probe make a file, and moves it to out.
func (e *env) take(ctx context.Context, cfg config.Config, command, name string, words []string, out string) error {
	path := cfg.ConsolePath()
	if path == "" {
		return errors.New("the probe has no console: set system console off")
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return fmt.Errorf("%w; %w", err, errNoProbe)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for i, w := range words {
		words[i] = quoteWord(w)
	}
	var said bytes.Buffer
	side := &env{stdin: e.stdin, stdout: &said, stderr: e.stderr}
	line := strings.Join(append([]string{command, name}, words...), " ") + "\n"
	if err := side.script(conn.(*net.UnixConn), strings.NewReader(line)); err != nil {
		if said.Len() > 0 {
			err = errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "error: "))
		}
		return err
	}
	made := filepath.Join(cfg.FilesPath(), name)
	defer os.Remove(made)
	in, err := os.Open(made)
	if err != nil {
		return fmt.Errorf("the probe has made a file, but not here: %w; see -config", err)
	}
	defer in.Close()
	_, text, _ := strings.Cut(said.String(), name+": ")
	fmt.Fprintf(e.stderr, "%s: %s", out, text)
	return e.create(out, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// create has fill write a file that is not for everybody; - is standard output.
func (e *env) create(name string, fill func(w io.Writer) error) error {
	if name == "-" {
		return fill(e.stdout)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(fill(f), f.Close())
}

// quoteWord makes a word one word for the console.
func quoteWord(w string) string {
	if w != "" && !strings.ContainsAny(w, " \t\"\\|#'\n") {
		return w
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(w) + `"`
}

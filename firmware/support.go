package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"heptap/firmware/internal/console"
)

const supportExamples = `  heptap support -o support.tar.gz
  heptap support -config probe.conf -o support.tar.gz

Versions, configuration without secrets, what the probe says of itself, its and the kernel's
log, last words, memory profile. Nothing of calls is in it. It works without a
running probe, too, and says less then.
`

// cmdSupport is support bundle, with the file on this side.
func cmdSupport(ctx context.Context, e *env, args []string) error {
	fs := e.flags("support", supportExamples)
	configFile := fs.String("config", "", "the probe's configuration `FILE`")
	out := fs.String("o", "", "write it to `FILE`; - for standard output")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *out == "" || fs.NArg() > 0 {
		return usagef("want -o FILE and nothing else")
	}
	cfg, err := loadOrDefault(*configFile)
	if err == nil {
		err = e.take(ctx, cfg, "support bundle", fmt.Sprintf("taken-%d.tar.gz", os.Getpid()), nil, *out)
		if err == nil || !errors.Is(err, errNoProbe) {
			return err
		}
	}
	fmt.Fprintf(e.stderr, "without the probe: %v\n", err)
	return e.create(*out, func(w io.Writer) error {
		return console.WriteBundle(w, nil, version, *configFile, console.Crashes(&cfg), "")
	})
}

package main

import (
	"context"
	"fmt"

	"heptap/capture/pseudonym"
	"heptap/firmware/internal/config"
)

const pseudonymExamples = `  heptap pseudonym -config probe.conf +49301234567 alice     what the collector has of them
  heptap pseudonym -config probe.conf -undo +49304232172    who that is
`

func cmdPseudonym(ctx context.Context, e *env, args []string) error {
	fs := e.flags("pseudonym", pseudonymExamples)
	configFile := fs.String("config", "", "configuration `FILE` with the privacy secret")
	undo := fs.Bool("undo", false, "the other way round: from what the collector has to what it stands for, in lower case")
	if err := parse(fs, args); err != nil {
		return err
	}
	if *configFile == "" || fs.NArg() == 0 {
		return usagef("want -config FILE, and numbers and names")
	}
	cfg, err := config.Load(*configFile)
	if err != nil {
		return err
	}
	if cfg.Privacy.Secret == "" {
		return fmt.Errorf("%s: numbers and names are not replaced; it has no line: set privacy secret TEXT", *configFile)
	}
	key, err := pseudonym.New(string(cfg.Privacy.Secret))
	if err != nil {
		return err
	}
	for _, text := range fs.Args() {
		b := []byte(text)
		if *undo {
			key.Undo(b)
		} else {
			key.User(b)
		}
		fmt.Fprintf(e.stdout, "%s\n", b)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx)
	interrupted := ctx.Err() != nil
	stop()
	switch {
	case interrupted:
		fmt.Println("\nInterrupted. Everything that the demo made has been removed.")
		os.Exit(130)
	case err != nil:
		fmt.Fprintln(os.Stderr, "\ndemo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var c settings
	flag.StringVar(&c.binary, "heptap", "", "the heptap `binary`; scripts/demo builds it")
	flag.IntVar(&c.calls, "calls", 36, "how many `calls` sipp makes, one a second")
	flag.DurationVar(&c.talk, "talk", 10*time.Second, "how long each call is")
	flag.DurationVar(&c.pull, "pull", 15*time.Second, "when the uplink is pulled")
	flag.DurationVar(&c.outage, "outage", 10*time.Second, "how long it stays pulled")
	flag.Uint64Var(&c.seed, "seed", 20170322, "of the damage that the relays do to the media")
	flag.Parse()
	if flag.NArg() != 0 || c.binary == "" {
		return errors.New("start it by scripts/demo")
	}
	if c.pull+c.outage > time.Duration(c.calls)*time.Second {
		return errors.New("the uplink would be out for longer than calls begin: use more -calls")
	}
	d := &demo{settings: c, say: newSpeaker(os.Stdout, term.IsTerminal(int(os.Stdout.Fd())))}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.setUp(ctx); err != nil {
		return err
	}
	if err := d.traffic(ctx); err != nil {
		return err
	}
	seen, err := d.collect(ctx)
	if err != nil {
		return err
	}
	return d.judge(seen)
}

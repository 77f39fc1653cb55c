package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/config"
)

// probes stand for what a service runs: by the name of the node, how each goes.
type probes struct {
	s       *service
	broken  map[string]bool // does not start
	history []string
	running chan string
}

func (p *probes) one(ctx context.Context, cfg config.Config, started func()) (*swap, error) {
	name := cfg.System.Node
	if p.broken[name] {
		p.history = append(p.history, "no "+name)
		return nil, errors.New(name + " does not start")
	}
	p.history = append(p.history, name)
	started()
	p.running <- name
	select {
	case next := <-p.s.swaps:
		return next, nil
	case <-ctx.Done():
		return nil, nil
	}
}

func nodeConfig(name string) config.Config {
	c := config.Default()
	c.System.Node, c.System.Console = name, "off"
	c.Ports = []config.Port{{Name: "span0", Interface: "eth1"}}
	return c
}

// What does not start gives way to what ran before, and who asked for it is told.
func TestServiceReplaces(t *testing.T) {
	file := write(t, "probe.conf", "set capture span0 interface eth1\n")
	e := &env{stdin: os.Stdin, stdout: io.Discard, stderr: io.Discard}
	s := newService(e, file, "", false)
	p := &probes{s: s, broken: map[string]bool{"b": true}, running: make(chan string, 10)}
	s.one = p.one
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, nodeConfig("a")) }()
	<-p.running
	if err := s.apply(nodeConfig("b")); err == nil || err.Error() != "b does not start" {
		t.Errorf("b: %v", err)
	}
	if now := <-p.running; now != "a" {
		t.Errorf("%s runs", now)
	}
	if err := s.apply(nodeConfig("c")); err != nil {
		t.Errorf("c: %v", err)
	}
	<-p.running
	none := nodeConfig("d")
	none.Ports = nil
	if err := s.apply(none); err == nil || !strings.Contains(err.Error(), "no mirror port") {
		t.Errorf("without ports: %v", err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := s.apply(nodeConfig("d")); !errors.Is(err, errStopping) {
		t.Errorf("after the end: %v", err)
	}
	if got := strings.Join(p.history, ", "); got != "a, no b, a, c" {
		t.Errorf("history: %s", got)
	}
}

// When what ran before does not start again either, the probe ends, and says why.
func TestServiceEnds(t *testing.T) {
	file := write(t, "probe.conf", "set capture span0 interface eth1\n")
	s := newService(&env{stdin: os.Stdin, stdout: io.Discard, stderr: io.Discard}, file, "", false)
	p := &probes{s: s, broken: map[string]bool{"b": true}, running: make(chan string, 10)}
	s.one = func(ctx context.Context, cfg config.Config, started func()) (*swap, error) {
		next, err := p.one(ctx, cfg, started)
		p.broken["a"] = true // the device is gone by now
		return next, err
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(context.Background(), nodeConfig("a")) }()
	<-p.running
	if err := s.apply(nodeConfig("b")); !errors.Is(err, errStopping) {
		t.Errorf("b: %v", err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "b does not start\na does not start") {
		t.Errorf("the end: %v", err)
	}
}

// A box whose configuration does not start has its console all the same, tries again, and
// takes another configuration.
func TestBoxThatDoesNotStart(t *testing.T) {
	file := write(t, "probe.conf", "set capture span0 interface eth1\n")
	s := newService(&env{stdin: os.Stdin, stdout: io.Discard, stderr: io.Discard}, file, "", false)
	s.lines, s.board, s.startAgain = filepath.Join(t.TempDir(), "lines"), "generic", time.Hour
	p := &probes{s: s, broken: map[string]bool{"a": true, "b": true}, running: make(chan string, 10)}
	s.one = p.one
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, nodeConfig("a")) }()
	if err := s.apply(nodeConfig("b")); err == nil || err.Error() != "b does not start\na does not start" {
		t.Errorf("b: %v", err)
	}
	if why := s.troubleText(); why != "a does not start" {
		t.Errorf("trouble: %q", why)
	}
	if conn, err := net.Dial("unix", s.lines); err != nil {
		t.Errorf("no console: %v", err)
	} else {
		conn.Close()
	}
	if err := s.apply(nodeConfig("c")); err != nil {
		t.Errorf("c: %v", err)
	}
	if now := <-p.running; now != "c" || s.troubleText() != "" {
		t.Errorf("%s runs, trouble %q", now, s.troubleText())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := strings.Join(p.history, ", "); got != "no a, no b, no a, c" {
		t.Errorf("history: %s", got)
	}
}

// What a configuration lacks may come by itself.
func TestBoxStartsAgain(t *testing.T) {
	file := write(t, "probe.conf", "set capture span0 interface eth1\n")
	s := newService(&env{stdin: os.Stdin, stdout: io.Discard, stderr: io.Discard}, file, "", false)
	s.lines, s.board, s.startAgain = filepath.Join(t.TempDir(), "lines"), "generic", time.Millisecond
	p := &probes{s: s, running: make(chan string, 10)}
	tries := 0
	s.one = func(ctx context.Context, cfg config.Config, started func()) (*swap, error) {
		tries++
		p.broken = map[string]bool{"a": tries < 3}
		return p.one(ctx, cfg, started)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx, nodeConfig("a")) }()
	if now := <-p.running; now != "a" {
		t.Errorf("%s runs", now)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := strings.Join(p.history, ", "); got != "no a, no a, a" {
		t.Errorf("history: %s", got)
	}
}

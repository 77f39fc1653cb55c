package main

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/config"
)

func TestPID1(t *testing.T) {
	ours, theirs := net.Pipe()
	h := &pid1{heard: map[string]string{}}
	h.parent = appliance.NewParent(ours, h.hear)
	go h.parent.Run()
	if _, known := h.timeServers(); known {
		t.Error("time servers are known before anything was told")
	}
	asked := make(chan string, 4)
	answers := []string{"=ok\n", `=error "no: really"` + "\n"}
	go func() {
		in := bufio.NewScanner(theirs)
		fmt.Fprint(theirs, "!time-servers \"192.0.2.1 2001:db8::1\"\n!last-reset \"watchdog: it was stuck\"\n!what \"else\"\nnonsense\n")
		for in.Scan() {
			asked <- in.Text()
			fmt.Fprint(theirs, answers[0])
			answers = answers[1:]
		}
	}()
	cfg := config.Default()
	cfg.Uplink.Interface = "eth0"
	if err := h.settle(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	if got := <-asked; got != `?settings "set uplink interface eth0\n"` {
		t.Errorf("asked %q", got)
	}
	if err := h.settle(t.Context(), cfg); err == nil || err.Error() != "host name and uplink: no: really" {
		t.Errorf("refused: %v", err)
	}
	if servers, known := h.timeServers(); !known || !slices.Equal(servers, []string{"192.0.2.1", "2001:db8::1"}) {
		t.Errorf("time servers %q, %v", servers, known)
	}
	if cause, more := appliance.LastReset(h.lastReset()); cause != "watchdog" || more != "it was stuck" {
		t.Errorf("last reset %q, %q", cause, more)
	}
	theirs.Close()
	ours.Close()
	if err := h.settle(t.Context(), cfg); err == nil {
		t.Error("PID 1 is gone, and that was no error")
	}

	alone := openPID1(0) // not on a box
	servers, known := alone.timeServers()
	if err := alone.settle(t.Context(), cfg); err != nil || len(servers) != 0 || !known || alone.lastReset() != "" {
		t.Errorf("%v, %q, %v", err, servers, known)
	}
}

// A record that the test switch names is as far as the pipeline comes.
func TestWedged(t *testing.T) {
	passed := make(chan string, 4)
	deliver := wedged(func(b []byte) error { passed <- string(b); return nil }, "stop")
	if err := deliver([]byte("go on")); err != nil || <-passed != "go on" {
		t.Error(err)
	}
	go func() { _ = deliver([]byte("now stop here")) }() // for as long as the tests run
	select {
	case got := <-passed:
		t.Errorf("%q has passed", got)
	case <-time.After(10 * time.Millisecond):
	}
}

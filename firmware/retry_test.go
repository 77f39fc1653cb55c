package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"heptap/firmware/internal/config"
	"heptap/firmware/internal/uplink"
)

// However much comes at once, the collectors are tried at the first, and once more a second later.
func TestRetryOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		came := make(chan string, 1)
		var at []time.Duration
		begin := time.Now()
		go retryOn(ctx, came, func(string) { at = append(at, time.Since(begin)) })
		for range 100 { // a cable, an address, and many routes
			select {
			case came <- "a route":
			default:
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(at) != 2 || at[0] != 0 || at[1] != retryApart {
			t.Errorf("tried at %v", at)
		}
	})
}

func TestDown(t *testing.T) {
	st := func(all ...uplink.Status) (s uplink.Stats) {
		for _, c := range all {
			s.Collectors = append(s.Collectors, uplink.CollectorStats{Status: c})
		}
		return s
	}
	up, draining := uplink.Status{Collector: "a", State: uplink.Up}, uplink.Status{Collector: "b", State: uplink.Draining}
	if name := down(st(up, draining, uplink.Status{State: uplink.Down})); name != "" {
		t.Errorf("%s is down", name)
	}
	if name := down(st(up, uplink.Status{Collector: "c", State: uplink.Connecting})); name != "c" {
		t.Errorf("%q is down", name)
	}
	r := &runner{cfg: config.Config{Ports: []config.Port{{Name: "span0", Interface: "eth1"}}}}
	if !r.mirrorPort("eth1") || r.mirrorPort("span0") {
		t.Error("mirror ports are not told from others")
	}
}

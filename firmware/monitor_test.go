package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/appliance"
	"heptap/firmware/internal/health"
	"heptap/firmware/internal/panel"
	"heptap/firmware/internal/uplink"
)

// TestShortDrain asserts that the panel shows a drain that begins and ends between two
// looks at the uplink.
func TestShortDrain(t *testing.T) {
	h, err := health.New(healthRules()...)
	if err != nil {
		t.Fatal(err)
	}
	m := newMonitor(&runner{host: &pid1{}, health: h})
	for i, c := range []struct {
		state   uplink.State
		backlog uint64
		want    panel.UplinkState
	}{
		{uplink.Up, 0, panel.UplinkUp},
		{uplink.Connecting, 0, panel.UplinkConnecting},
		{uplink.Connecting, 300, panel.UplinkConnecting},
		{uplink.Up, 0, panel.UplinkDraining},
		{uplink.Up, 0, panel.UplinkUp},
		{uplink.Down, 300, panel.UplinkConnecting},
		{uplink.Draining, 200, panel.UplinkDraining},
		{uplink.Up, 0, panel.UplinkUp},
		{uplink.Down, 0, panel.UplinkConnecting},
		{uplink.Up, 0, panel.UplinkUp},
	} {
		up := uplink.Stats{Collectors: []uplink.CollectorStats{{Status: uplink.Status{Collector: "central", State: c.state, Backlog: c.backlog}}}}
		if have := m.uplink(&up); have != c.want {
			t.Errorf("look %d: %v, want %v", i, have, c.want)
		}
	}
}

func TestLife(t *testing.T) {
	var l life
	const s = int64(time.Second)
	for i, c := range []struct {
		reached, now int64
		want         bool
	}{
		{math.MinInt64, 100 * s, true}, // nothing was read yet
		{100 * s, 101 * s, true},
		{100 * s, 105 * s, true},
		{100 * s, 106 * s, false}, // stuck
		{101 * s, 131 * s, true},  // far behind, and on its way
		{102 * s, 161 * s, true},
		{102 * s, 162 * s, false},
		{162 * s, 162 * s, true},
	} {
		if got := l.shows(c.reached, c.now); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

func TestSystemTroubles(t *testing.T) {
	h, err := health.New(healthRules()...)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(condPort+"/span0", health.Fault, "no link")
	h.Set(condMirror+"/span0", health.Fault, "no link")
	h.Set(condUplink+"/a", health.Degraded, "refused")
	h.Set(condUplink+"/b", health.OK, "")
	h.Set(condSpool, health.Fault, "full")
	h.Set(condSpoolErr, health.Fault, "I/O error")
	h.Set(condDrops, health.Degraded, "many")
	got := systemTroubles(h.Snapshot())
	slices.Sort(got)
	if want := []string{"port/span0", "spool storage", "uplink/a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSystemCondition(t *testing.T) {
	h, err := health.New(healthRules()...)
	if err != nil {
		t.Fatal(err)
	}
	host := openPID1(0)
	m := newMonitor(&runner{host: host, health: h})
	for _, c := range []struct{ news, want string }{
		{"", "ok"},
		{"system 2, v1.1, was given up: it crashed", "degraded system 2, v1.1, was given up: it crashed; another update, or the same by hand, ends this"},
		{"", "ok"},
	} {
		host.hear(appliance.NewsWhy, c.news)
		m.system()
		s := h.Snapshot().Conditions[0]
		if got := strings.TrimSpace(s.Level.String() + " " + s.Reason); got != c.want {
			t.Errorf("%q: %q, want %q", c.news, got, c.want)
		}
	}
}

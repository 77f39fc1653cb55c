package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"heptap/firmware/internal/health"
	"heptap/firmware/internal/metrics"
	"heptap/firmware/internal/reach"
	"heptap/hep"
)

// TestWays: a certificate that somebody has to renew is a condition, and the log is told
// once per collector of datagrams that are too large.
func TestWays(t *testing.T) {
	h, err := health.New(healthRules()...)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m := newMonitor(&runner{host: &pid1{}, health: h, log: slog.New(slog.NewTextHandler(&log, nil))})
	now := time.Date(2100, 1, 31, 0, 0, 0, 0, time.UTC)
	secure := func(left time.Duration) metrics.Way {
		return metrics.Way{Collector: "central", Status: reach.Status{TLS: &hep.TLSState{NotBefore: now.AddDate(0, -2, 0), NotAfter: now.Add(left)}, ShownSince: now.AddDate(0, -2, 0), Shown: now.AddDate(1, 0, 0)}}
	}
	large := metrics.Way{Collector: "far", Status: reach.Status{Fragmented: 4, MTU: 1500}}
	const day = 24 * time.Hour
	for _, c := range []struct {
		now   time.Time
		left  time.Duration
		level health.Level
		text  string
	}{
		{now, 20 * day, health.OK, ""},
		{now, 9 * day, health.Degraded, "the collector's certificate, or one that signed it, expires in 9 days, on 2100-02-09"},
		{now, -day, health.Fault, "the collector's certificate, or one that signed it, has expired on 2100-01-30"},
		{now, 100 * day, health.OK, ""},
	} {
		m.ways([]metrics.Way{secure(c.left), large}, c.now)
		for _, k := range h.Snapshot().Conditions {
			if want := k.Name == condCertificate+"/central"; want && (k.Level != c.level || k.Reason != c.text) || !want && k.Level != health.OK {
				t.Errorf("%v before the end: %s %v %q", c.left, k.Name, k.Level, k.Reason)
			}
		}
	}
	if n := strings.Count(log.String(), "larger than one packet"); n != 1 || !strings.Contains(log.String(), "collector=far packet=1500") {
		t.Errorf("the log was told %d times: %s", n, &log)
	}
}

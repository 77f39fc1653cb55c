package reach_test

import (
	"testing"
	"time"

	"heptap/firmware/internal/reach"
	"heptap/hep"
)

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, c := range []struct {
		own         bool
		age, left   time.Duration
		days        int
		soon        bool
		text, whose string
	}{
		{false, 60 * day, 30 * day, 30, false, "the collector's certificate, or one that signed it, expires in 30 days, on 2026-07-15", "collector"},
		{false, 76 * day, 14 * day, 14, false, "the collector's certificate, or one that signed it, expires in 14 days, on 2026-06-29", "collector"},
		{true, 76 * day, 14*day - 1, 13, true, "this probe's own certificate (tls-certificate) expires in 13 days, on 2026-06-29", "own"},
		{false, 5 * day, 3 * day, 3, false, "the collector's certificate, or one that signed it, expires in 3 days, on 2026-06-18", "collector"},
		{false, 6 * day, 2 * day, 2, true, "the collector's certificate, or one that signed it, expires in 2 days, on 2026-06-17", "collector"},
		{true, 9 * day, time.Hour, 0, true, "this probe's own certificate (tls-certificate) expires within a day, at 2026-06-15 13:00:00 UTC", "own"},
		{true, 9 * day, -time.Second, -1, true, "this probe's own certificate (tls-certificate) has expired on 2026-06-15", "own"},
		{false, 9 * day, -25 * time.Hour, -2, true, "the collector's certificate, or one that signed it, has expired on 2026-06-14", "collector"},
	} {
		var s reach.Status
		since, until := now.Add(-c.age), now.Add(c.left)
		if c.own {
			s.ShownSince, s.Shown = since, until
		} else {
			s.TLS = &hep.TLSState{NotBefore: since, NotAfter: until}
		}
		all := s.Expiries()
		if len(all) != 1 {
			t.Fatalf("%+v", all)
		}
		if e := all[0]; e.Days(now) != c.days || e.Soon(now) != c.soon || e.Text(now) != c.text || e.Whose() != c.whose {
			t.Errorf("%v before its end: %d, %v, %q, %s", c.left, e.Days(now), e.Soon(now), e.Text(now), e.Whose())
		}
	}
	pinned := reach.Status{TLS: &hep.TLSState{NotBefore: now}}
	if all := pinned.Expiries(); all != nil {
		t.Errorf("a pin alone decides, and an end matters: %+v", all)
	}
}

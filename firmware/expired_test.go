package main

import (
	"testing"
	"time"

	"heptap/capture/record"
)

// TestExpired: a record is as old as its time says, but not while the clock shows a time
// before the program was built, and not by another agent's clock.
func TestExpired(t *testing.T) {
	r := &runner{}
	r.cfg.Spool.MaxAge = time.Hour
	for _, c := range []struct {
		name           string
		age            time.Duration
		flags          uint16
		expired, known bool
	}{
		{"young", 50 * time.Minute, 0, false, true},
		{"old", 61 * time.Minute, 0, true, true},
		{"of the future", -time.Hour, 0, false, true},
		{"old and relayed", 61 * time.Minute, record.FlagRelayed, false, false},
	} {
		rec := record.Record{Type: record.SIP, Wall: time.Now().Add(-c.age).UnixNano(), Flags: c.flags}
		b, err := rec.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if at, known := r.made(b); known != (c.known && c.age > 0) || time.Since(at)-c.age > time.Minute {
			t.Errorf("%s: made %v, known %v", c.name, at, known)
		}
		if expired, known := r.expired(b); expired != c.expired || known != c.known {
			t.Errorf("%s: expired %v, known %v", c.name, expired, known)
		}
	}
}

package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"heptap/capture/record"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/export"
	"heptap/firmware/internal/uplink"
)

// What profile homer7 changes in how a collector is fed, and what the user may
// change back.
func TestHomer7Collector(t *testing.T) {
	old := record.Record{Type: record.REST, Payload: []byte("{}"), Wall: time.Now().Add(-50 * time.Hour).UnixNano()}
	rec, err := old.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	record.Seal(rec, 1, 0, [16]byte{})
	for _, tt := range []struct {
		set           string
		rate, packets int
		live          float64
		holds         bool
	}{
		{"profile opensips", 0, 0, 0, false},
		{"max-age 49h", 0, 0, 0, true},
		{"profile homer7", 500, export.MaxFrames, 2, true},
		{"profile homer7; drain-rate 9; max-age 51h", 9, export.MaxFrames, 0, false},
		{"profile homer7; max-age off; transport udp", 500, export.MaxFrames, 2, false},
	} {
		text := "set collector a address 192.0.2.1:9060\n"
		for _, s := range strings.Split(tt.set, "; ") {
			text += "set collector a " + s + "\n"
		}
		cfg, err := config.Parse(strings.NewReader(text), "test")
		if err != nil {
			t.Fatal(err)
		}
		r := &runner{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		o, err := r.uplinkOptions()
		if err != nil {
			t.Fatal(err)
		}
		c := o.Collectors[0]
		if c.DrainRate != tt.rate || c.DrainLive != tt.live || c.Packets != tt.packets || (c.First != nil) != (tt.packets > 0) {
			t.Errorf("%s: rate %d, %v times live, %d packets", tt.set, c.DrainRate, c.DrainLive, c.Packets)
		}
		if holds := c.Hold != nil && c.Hold(rec); holds != tt.holds {
			t.Errorf("%s: holds a record of 50 h back: %v", tt.set, holds)
		}
		if _, err := c.NewEncoder().Encode(nil, rec); errors.Is(err, uplink.ErrFiltered) != tt.holds || (r.old.Load() == 1) != tt.holds {
			t.Errorf("%s: between younger ones: %v, %d counted", tt.set, err, r.old.Load())
		}
	}
}

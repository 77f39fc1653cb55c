package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"heptap/capture/capturetest/conversation"
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
		if err := r.openWays(); err != nil {
			t.Fatal(err)
		}
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

// TestReplayHomer7 follows calls over one connection to what Homer gets: the
// messages without a correlation id, and the connection's end once for each call,
// stamped where the call began.
func TestReplayHomer7(t *testing.T) {
	c := conversation.New(11, conversation.TCP)
	var b bytes.Buffer
	if err := c.Render(1).WritePcap(&b); err != nil {
		t.Fatal(err)
	}
	conf := write(t, "c.conf", "set system node probe-1\nset collector a address 192.0.2.1:9060\nset collector a profile homer7\n")
	frames := heptap(t, nil, "replay", "-o", "-", "-config", conf, write(t, "tcp.pcap", b.String())).want(t, 0)
	began, ends, types := map[string]time.Time{}, map[string]time.Time{}, map[int]int{}
	for line := range strings.Lines(heptap(t, []byte(frames.stdout), "decode", "-").want(t, 0).stdout) {
		var p struct {
			Type             int
			Time             time.Time
			Primary, Payload string
		}
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		types[p.Type]++
		switch p.Type {
		case 1:
			for _, m := range c.Messages { // whatever the header is called and however it is folded
				if _, known := began[m.CallID]; !known && strings.Contains(p.Payload, m.CallID) {
					began[m.CallID] = p.Time
				}
			}
			if p.Primary != "" {
				t.Errorf("a message with correlation id %q", p.Primary)
			}
		case 100:
			if p.Primary != "net@probe-1" {
				ends[p.Primary] = p.Time
			}
			if !json.Valid([]byte(p.Payload)) || p.Primary == "" {
				t.Errorf("a log record under %q: %s", p.Primary, p.Payload)
			}
		}
	}
	if types[1] == 0 || types[100] < 2 || types[89] != 0 || len(ends) == 0 {
		t.Fatalf("frames by type: %v; ends of connections under %v", types, ends)
	}
	for id, at := range ends {
		if off := began[id].Sub(at); off < -time.Millisecond || off > time.Millisecond {
			t.Errorf("call %s began at %v, its connection's end is at %v", id, began[id], at)
		}
	}
}

package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture/capturetest"
	"heptap/firmware/internal/export/homertest"
)

// toHomer replays files with profile homer7 into a model of the server, and returns it and how many frames of
// each HEP type it got. One that fails a batch ends the test.
func toHomer(t *testing.T, files ...string) (*homertest.Homer, map[int]int) {
	t.Helper()
	conf := write(t, "homer.conf", "set system node probe-1\nset records log all\nset records rest all\nset media unknown on\nset collector a address 192.0.2.1:9060\n"+
		"set collector a profile homer7\nset collector a inferred-links on\n")
	out := filepath.Join(t.TempDir(), "out.hep")
	heptap(t, nil, append([]string{"replay", "-o", out, "-config", conf}, files...)...).want(t, 0)
	s, types := &homertest.Homer{}, map[int]int{}
	b, err := os.ReadFile(out)
	if err == nil {
		err = s.Store(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(heptap(t, nil, "decode", out).want(t, 0).stdout) {
		var p struct{ Type int }
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatal(err)
		}
		types[p.Type]++
	}
	return s, types
}

// calls are those that a user finds in Homer, with the times of their first and last message.
func callsIn(s *homertest.Homer) map[string][2]time.Time {
	calls := map[string][2]time.Time{}
	for _, r := range s.Rows {
		if r.Table != "hep_proto_1_call" {
			continue
		}
		c, ok := calls[r.SID]
		if !ok || r.At.Before(c[0]) {
			c[0] = r.At
		}
		if r.At.After(c[1]) {
			c[1] = r.At
		}
		calls[r.SID] = c
	}
	return calls
}

// checkHomer asserts that everything but SIP is stored, that every log is JSON, and that no chart of a call breaks. It
// returns how many records of each kind the log tabs have, and how many points the charts.
func checkHomer(t *testing.T, s *homertest.Homer, types map[int]int) (tabs map[string]int, rtcp, rtp int) {
	t.Helper()
	stored, sent := 0, 0
	for _, r := range s.Rows {
		if !strings.HasPrefix(r.Table, "hep_proto_1_") {
			stored++
		}
		if r.Table == "hep_proto_100_default" && !json.Valid([]byte(r.Raw)) {
			t.Errorf("a log that is no JSON: %q", r.Raw)
		}
	}
	for typ, n := range types {
		switch typ {
		case 1:
		case 5, 34, 54, 100:
			sent += n
		default:
			t.Errorf("%d frames of type %d", n, typ)
		}
	}
	if stored != sent {
		t.Errorf("%d rows beside SIP of %d frames", stored, sent)
	}
	tabs = map[string]int{}
	for id, at := range callsIn(s) {
		from, to := at[0], at[1].Add(30*time.Second) // reports come after the BYE
		for _, r := range s.LogTab(from.Add(-300*time.Second), to.Add(200*time.Second), id) {
			var m struct{ Record, CallID string }
			if err := json.Unmarshal([]byte(r.Raw), &m); err != nil || m.CallID != "" && m.CallID != id {
				t.Errorf("in the log tab of %s: %s", id, r.Raw)
			}
			tabs[m.Record]++
		}
		n, m, err := s.Charts(from, to, id)
		if err != nil {
			t.Errorf("charts of %s: %v", id, err)
		}
		rtcp, rtp = rtcp+n, rtp+m
	}
	return tabs, rtcp, rtp
}

// TestHomerShows sends what the probe makes of every kind of record, and of calls with media, to the model of
// heplify-server, and asserts what Homer shows of the calls.
func TestHomerShows(t *testing.T) {
	s, types := toHomer(t, writeCapture(t, "all.pcap", everyKind(t)))
	tabs, _, _ := checkHomer(t, s, types)
	t.Log(types, tabs)
	for _, kind := range []string{"net", "rest", "log", "mi", "isup", "control"} {
		if tabs[kind] == 0 {
			t.Errorf("no log tab has a record of kind %s: %v", kind, tabs)
		}
	}
	s, types = toHomer(t, writeCapture(t, "calls.pcap", append(testCall("a@example", start), testCall("b@example", start.Add(3*time.Second))...)))
	if _, _, rtp := checkHomer(t, s, types); rtp != 4 || len(callsIn(s)) != 2 {
		t.Errorf("%d reports in the charts of %v, want 2 of each of two calls", rtp, slices.Collect(maps.Keys(callsIn(s))))
	}
	for id, at := range callsIn(s) { // a second beside it is the other's
		if n := len(s.Transaction(at[0], at[1], id)); n != 7 {
			t.Errorf("the transaction view of %s has %d messages, want 7", id, n)
		}
	}
	// A call with a query and a leg, which are its own by inference: the query is in its log tab, and the link to the leg.
	s, _ = toHomer(t, writeCapture(t, "links.pcap", linkScene()))
	at := callsIn(s)["a@phones.example"]
	tables := map[string]int{}
	for _, r := range s.Transaction(at[0], at[1], "a@phones.example") {
		tables[r.Table]++
	}
	if tables["hep_proto_1_call"] != 5 || tables["hep_proto_100_default"] != 2 || len(tables) != 2 {
		t.Errorf("the transaction view of a call with a query and a leg has %v", tables)
	}
}

// TestHomerShowsCaptures does so with every shared capture.
func TestHomerShowsCaptures(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	var rtcp, rtp, logs int
	for _, file := range files {
		if file == damagedCapture {
			continue
		}
		s, types := toHomer(t, filepath.Join(dir, file))
		tabs, n, m := checkHomer(t, s, types)
		rtcp, rtp = rtcp+n, rtp+m
		for _, n := range tabs {
			logs += n
		}
	}
	t.Logf("%d points of RTCP and %d of RTP in the charts, %d records in the log tabs", rtcp, rtp, logs)
	if rtcp == 0 || rtp == 0 || logs == 0 {
		t.Error("some are empty")
	}
}

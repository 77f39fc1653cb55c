package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/capture/capturetest"
	"heptap/capture/sip"
	"heptap/firmware/internal/config"
	"heptap/firmware/internal/intake"
	"heptap/firmware/internal/probe"
	"heptap/hep"
	"heptap/hep/heptest"
)

// tracedReplay replays a file with rules.
func tracedReplay(t *testing.T, lines, file string) (replaySummary, []string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.hep")
	r := heptap(t, nil, "replay", "-o", out, "-summary", "-", "-config", write(t, "trace.conf", lines), file).want(t, 0)
	var sum replaySummary
	if err := json.Unmarshal([]byte(r.stdout), &sum); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, p := range heptap(t, nil, "decode", out).want(t, 0).lines(t) {
		ids = append(ids, fmt.Sprint(p.TypeName, " ", p.Primary))
	}
	return sum, ids
}

// TestReplayWithRules tries rules on a file: 2 calls of 7 messages and 2 reports
// each.
func TestReplayWithRules(t *testing.T) {
	file := writeCapture(t, "calls.pcap", append(testCall("a@example", start), testCall("b@example", start.Add(3*time.Second))...))
	for _, tt := range []struct {
		name, lines string
		sip, rtp    uint64
		counts      string // by rule
	}{
		{"none", "", 14, 4, ""},
		{"nothing matches", "set trace rule x deny from 203.0.113.0/24", 14, 4, "x deny 0,default allow 18"},
		{"a call", "set trace group phones 192.0.2.1\nset trace rule a allow types sip from phones\nset trace default deny", 14, 0, "a allow 14,default deny 4"},
		{"types", "set trace rule a deny types rtp", 14, 0, "a deny 4,default allow 14"},
		{"a method", "set trace rule bye deny method BYE\nset trace rule c count", 10, 4, "bye deny 4,c count 14,default allow 14"},
		{"the other way", "set trace rule a deny from 192.0.2.2", 14, 4, "a deny 0,default allow 18"},
		{"everything", "set trace rule a deny to-port 5062", 0, 0, "a deny 18,default allow 0"},
	} {
		sum, ids := tracedReplay(t, tt.lines, file)
		var counts []string
		var decided, denied uint64
		for _, r := range sum.Trace {
			counts = append(counts, fmt.Sprint(r.Rule, " ", r.Action, " ", r.Records))
			if r.Action != "count" {
				decided += r.Records
			}
		}
		for _, n := range sum.Denied {
			denied += n
		}
		if sum.Records["sip"] != tt.sip || sum.Records["rtp"] != tt.rtp || strings.Join(counts, ",") != tt.counts || uint64(len(ids)) != sum.HEPPackets {
			t.Errorf("%s: %v records, %v, %d packets", tt.name, sum.Records, counts, len(ids))
		}
		// What correlation makes is denied, or made and written.
		if made := sum.HEPPackets + sum.Unsent; made+denied != 18 || sum.Trace != nil && decided != made+denied {
			t.Errorf("%s: %d made, %d denied, %d decided", tt.name, made, denied, decided)
		}
		if sum.SIP != 14 || sum.Calls != 2 {
			t.Errorf("%s: rules change what is seen: %d messages, %d calls", tt.name, sum.SIP, sum.Calls)
		}
	}
}

func TestConfigCheckWarns(t *testing.T) {
	file := write(t, "c.conf", "set trace rule all deny\nset trace rule b allow types sip\n")
	r := heptap(t, nil, "config", "-check", file).want(t, 0)
	if !strings.Contains(r.stderr, "c.conf: warning: trace rule b is never reached") || !strings.Contains(r.stdout, "set trace rule b allow types sip\n") {
		t.Errorf("%s\n%s", r.stderr, r.stdout)
	}
	heptap(t, nil, "config", "-check", write(t, "d.conf", "set trace rule all deny types sib\n")).want(t, 1, "d.conf:1:", `unknown type, want one of: sip`)
}

// TestRelayWithRules asserts that what other agents have seen is treated like what
// the mirror port shows, and that the sums hold.
func TestRelayWithRules(t *testing.T) {
	c := heptest.New(t, heptest.Options{})
	cfg, err := config.Parse(strings.NewReader("set trace rule pings deny method OPTIONS\nset trace rule no-rest deny types rest\nset trace rule tls count types net transport tls"), "test")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := newTrace(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := newRelayBox(t, c.Addr(), intake.Options{TCP: []string{"127.0.0.1:0"}}, func(pc *probe.Config) { pc.Trace = rules })
	sendPackets(t, b.dial(intake.TCP),
		opensips(1, "one@example.com", relayedOptions, ""),
		opensips(86, "one@example.com", "INFO:of what is denied", ""),
		opensips(88, "q1", `{"first_line":"GET /a HTTP/1.1"}`, ""),
		opensips(89, "77", "{\n\t\"Protocol\":\t\"TLS\",\n\t\"Event\":\t\"ACCEPTED\"\n}", ""),
		opensips(86, "two@example.com", "INFO:of something else", ""))
	var kept []string
	for _, r := range c.WaitFrames(2) {
		v, err := hep.Parse(r.Frame)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, fmt.Sprint(v.Type(), " ", string(v.Correlation())))
	}
	b.stop()
	if want := "89 77,100 two@example.com"; strings.Join(kept, ",") != want || len(c.Records()) != 2 {
		t.Errorf("kept %v, want %s", kept, want)
	}
	s := b.probe.Stats()
	var counts []string
	for _, r := range s.Trace.Rules {
		counts = append(counts, fmt.Sprint(r.Name, " ", r.Records))
	}
	if want := "pings 2,no-rest 1,tls 1,default 2"; strings.Join(counts, ",") != want {
		t.Errorf("%v, want %s", counts, want)
	}
	var made, denied uint64
	for _, n := range s.Records {
		made += n
	}
	for _, n := range s.Trace.Denied {
		denied += n
	}
	if made != 2 || denied != 3 || s.Oversize != 0 {
		t.Errorf("%d made, %d denied, %d too large", made, denied, s.Oversize)
	}
}

// TestCapturesWithRules replays every shared capture with and without rules: what
// is missing is denied and counted, of each type, and calls stay whole.
func TestCapturesWithRules(t *testing.T) {
	dir, files := capturetest.CaptureFiles(t)
	var total, denied uint64
	calls, kept := 0, 0
	for _, file := range files {
		if file == damagedCapture {
			continue
		}
		all := replayPathsWith(t, func(*config.Config) {}, filepath.Join(dir, file))
		some := replayPathsWith(t, func(c *config.Config) {
			text := "set trace rule low deny from 0.0.0.0/1\nset trace rule pings deny method OPTIONS,REGISTER,SUBSCRIBE,NOTIFY\nset trace rule odd deny types rtp to-port 1-30000\nset trace rule dry count caller *1*"
			rules, err := config.Parse(strings.NewReader(text), "test")
			if err != nil {
				t.Fatal(err)
			}
			c.Trace = rules.Trace
		}, filepath.Join(dir, file))
		for name, n := range all.sum.Records {
			total += n
			denied += some.sum.Denied[name]
			if some.sum.Records[name]+some.sum.Denied[name] != n {
				t.Errorf("%s: %d records of %s, with rules %d and %d denied", file, n, name, some.sum.Records[name], some.sum.Denied[name])
			}
		}
		for _, m := range []string{"OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY"} {
			if some.methods[m] != 0 {
				t.Errorf("%s: %d messages of %s", file, some.methods[m], m)
			}
		}
		whole := messagesOfCalls(t, all.sip)
		rest := messagesOfCalls(t, some.sip)
		for id, n := range whole {
			if rest[id] != 0 && rest[id] != n {
				t.Errorf("%s: %d of %d messages of call %s", file, rest[id], n, id)
			}
			calls++
			if rest[id] != 0 {
				kept++
			}
		}
	}
	if kept == 0 || kept == calls {
		t.Errorf("%d of %d calls kept", kept, calls)
	}
	t.Logf("%d records, %d denied", total, denied)
	if denied == 0 || denied == total {
		t.Errorf("%d of %d records denied", denied, total)
	}
}

// messagesOfCalls counts the messages of each call that begins with an INVITE, but
// for those in the transactions that the rules above are about.
func messagesOfCalls(t *testing.T, frames []hep.View) map[string]int {
	t.Helper()
	n, seen := map[string]int{}, map[string]bool{}
	for i := range frames {
		var v sip.View
		if err := v.Parse(frames[i].Payload()); err != nil {
			t.Fatal(err)
		}
		id := string(v.CallID)
		if id == "" || slices.Contains([]string{"OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY"}, string(v.CSeqMethod)) {
			continue
		}
		if !seen[id] {
			seen[id] = true
			if v.IsRequest && string(v.Method) == "INVITE" && len(v.ToTag()) == 0 {
				n[id] = 0
			}
		}
		if _, ok := n[id]; ok {
			n[id]++
		}
	}
	return n
}

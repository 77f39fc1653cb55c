package lab_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"heptap/scripts/lab/traffic"
)

// TestCommitKeepsRecords changes the configuration of a probe while its uplink is
// down: what was seen before and after it arrives, and a configuration that does not
// start leaves the probe as it was.
func TestCommitKeepsRecords(t *testing.T) {
	s := newSite(t, badSite(14, false))
	b := startBox(t, s, "set capture span0 interface span0")
	if err := s.Uplink.Pull(); err != nil {
		t.Fatal(err)
	}
	play := func(seed uint32) traffic.Report {
		c := calls(s, 5, time.Second, time.Second)
		c.Seed = seed
		r, err := traffic.Run(within(t, 60*time.Second), c)
		if err != nil {
			t.Fatal(err)
		}
		sound(t, s, r)
		return r
	}
	before := play(1)
	console := func(command, want string) {
		t.Helper()
		out, err := b.Console(within(t, 30*time.Second), command)
		if !strings.Contains(out, want) {
			t.Fatalf("%q: %v\n%s", want, err, out)
		}
	}
	console("show calls where state eq ended", "5 calls\n")
	console("set system agent-id 7\ncommit", "committed\n")
	console("show calls", "0 calls\n") // they are looked at anew, too
	console("set capture span0 interface nosuch\ncommit", "what ran before runs again")
	after := play(2)
	console("show running | match agent-id", "set system agent-id 7\n")
	console("show calls where state eq ended", "5 calls\n")
	if err := s.Uplink.Plug(); err != nil {
		t.Fatal(err)
	}
	records, _ := finish(t, b, len(after.Streams))
	checkSIP(t, slices.Concat(before.Messages, after.Messages), records)
}

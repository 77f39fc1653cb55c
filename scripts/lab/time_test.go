package lab_test

import (
	"testing"
	"time"

	"heptap/scripts/lab/box"
	"heptap/scripts/lab/traffic"
)

// TestRecordsWaitForTheTime has a probe whose time server does not answer: nothing
// leaves for as long as the configuration says, and then everything does.
func TestRecordsWaitForTheTime(t *testing.T) {
	s := newSite(t, badSite(13, false))
	b, err := box.Start(within(t, 60*time.Second), s, box.Config{Binary: built(t), Waits: true, Lines: []string{"set system board generic",
		"set capture span0 interface span0", "set time servers 127.0.0.1:9", "set time hold 25s"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := traffic.Run(within(t, 60*time.Second), calls(s, 5, time.Second, 2*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Metrics(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if m.Sum("heptap_condition_level", `"clock"`) == 0 {
		t.Error("nothing is said of the clock")
	}
	if sent := m.Sum("heptap_uplink_records", `place="confirmed"`) + m.Sum("heptap_uplink_unconfirmed_bytes"); sent != 0 || m.Sum("heptap_uplink_made_total") < float64(len(r.Messages)) {
		t.Errorf("%v confirmed and under way, %v records made", sent, m.Sum("heptap_uplink_made_total"))
	}
	if m.Sum("heptap_clock_failed_total") == 0 {
		t.Error("no server was asked")
	}
	records, _ := finish(t, b, len(r.Streams))
	checkSIP(t, r.Messages, records)
}

package faults_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPathNarrows: a way that takes less than it did when the socket was made is noticed: what is sent over UDP in
// fragments from then on is counted, and the log says so once.
func TestPathNarrows(t *testing.T) {
	t.Parallel()
	r := overUDP.rig(t)
	r.collect()
	r.run()
	r.traffic(200)
	r.elapse(2 * time.Second)
	fragmented := func() int { return int(r.metrics().Sum("heptap_uplink_fragmented_total")) }
	if n := fragmented(); n != 0 {
		t.Errorf("%d datagrams are said to go in fragments", n)
	}
	// As the kernel notes what a router says (RFC 1191); each message is larger than this.
	out, err := exec.Command("ip", "-n", r.probeHost.Name(), "route", "change", uplinkSubnet.String(), "dev", "up0", "mtu", "300").CombinedOutput()
	if err != nil {
		t.Fatalf("ip route: %v: %s", err, out)
	}
	r.until("fragments are counted", func() bool { return fragmented() > 100 })
	r.until("the log says so", func() bool { return strings.Contains(r.probe.said(100), "packet=300") })
	r.pause()
	r.captured(0)
	r.until("all have come", func() bool { return r.scan().unique == r.gen.count() })
	if said := strings.Count(r.probe.said(1000), "are sent in fragments"); said != 1 {
		t.Errorf("said %d times", said)
	}
	r.stop()
}

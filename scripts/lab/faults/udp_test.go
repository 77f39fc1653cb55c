package faults_test

import (
	"testing"
	"time"
)

// Over UDP nothing is promised but honesty: a port that is closed is down, and
// what nobody refused is sent, unconfirmed.
func TestUDPPortClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t, "set collector central transport udp")
	r.tally.lanes = true
	r.run()
	r.traffic(1000)
	r.until("the uplink is down", func() bool { return r.state() == "down" })
	r.elapse(pick(3*time.Second, 30*time.Second))
	if n := place(r.probe.last, "confirmed"); n > 0 {
		t.Errorf("%d records confirmed over UDP", n)
	}
	c := r.collect("-udp")
	r.until("the uplink is up", func() bool { return r.state() == "up" })
	r.elapse(2 * time.Second)
	r.kill(c.Process)
	r.until("the uplink is down again", func() bool { return r.state() == "down" })
	r.elapse(time.Second)
	r.collect("-udp")
	r.until("the uplink is up again", func() bool { return r.state() == "up" })
	r.elapse(2 * time.Second)
	r.pause()
	r.captured(0)
	begin := time.Now()
	r.until("nothing waits", func() bool {
		m := r.metrics()
		return place(m, "spooled") == 0 && place(m, "sent unconfirmed") == r.gen.count()
	})
	took := time.Since(begin).Round(10 * time.Millisecond)
	m := r.stop()
	r.settle(took)
	y := r.scan()
	if sent := place(m, "sent unconfirmed"); sent < y.unique {
		t.Errorf("%d sent, %d arrived", sent, y.unique)
	}
	if n := place(m, "confirmed") + place(m, "released"); n > 0 {
		t.Errorf("over UDP nothing is confirmed: %s", uplinkText(m))
	}
	// The way is a veth pair that loses nothing, and every refusal came within
	// the window: only what was written before one can be missing.
	if missing := y.missing(r.gen.count()); len(missing) > 0 {
		t.Logf("missing: %s", spans(missing))
	}
}

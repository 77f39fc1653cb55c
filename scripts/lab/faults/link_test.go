package faults_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

// With order strict everything comes in one sequence, whatever happens: what
// is sent again begins where something was unconfirmed, and goes on from there.
func TestOrderStrict(t *testing.T) {
	overBoth(t, longOnly, func(t *testing.T, over transport) {
		r := over.rig(t, "set collector central order strict", "set collector central stall 2s")
		c := r.collect()
		r.run()
		r.traffic(pick(2000, 8000))
		r.elapse(time.Second)
		r.must(r.near.Pull())
		r.elapse(pick(5*time.Second, 40*time.Second))
		r.must(r.near.Plug())
		r.elapse(2 * time.Second)
		for range pick(3, 20) {
			r.freeze(c)
			r.elapse(500 * time.Millisecond)
			r.kill(c.Process)
			r.elapse(500 * time.Millisecond)
			c = r.collect()
			r.elapse(1500 * time.Millisecond)
		}
		r.pause()
		r.captured(0)
		r.finish()
		if y := r.scan(); y.skipped >= 0 {
			t.Errorf("message %d had not come when later ones came", y.skipped)
		}
	})
}

// A healthy uplink writes nothing to the spool.
func TestHealthyUplinkWritesNothing(t *testing.T) {
	overBoth(t, longOnly, func(t *testing.T, over transport) {
		r := over.rig(t)
		r.collect()
		r.run()
		r.until("the uplink is up", func() bool { return r.state() == "up" })
		before := r.metrics().Sum("heptap_spool_commits_total")
		r.traffic(pick(5000, 20000))
		r.elapse(pick(8*time.Second, 2*time.Minute))
		r.pause()
		r.captured(0)
		r.delivered(nil)
		if after := r.metrics().Sum("heptap_spool_commits_total"); after != before {
			t.Errorf("%.0f commits while the uplink was healthy", after-before)
		}
		r.finish()
		if y := r.scan(); y.again > 0 {
			t.Errorf("%d duplicates without a fault", y.again)
		}
	})
}

// The collector is tried as soon as the cable is back, however long it was out: the pause
// before the next attempt would be half a minute by and by.
func TestCableBackAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, "set collector central stall 1s")
	r.collect()
	r.run()
	r.until("the uplink is up", func() bool { return r.state() == "up" })
	r.traffic(200)
	r.elapse(time.Second)
	r.must(r.near.Pull())
	r.until("the probe has noticed", func() bool { return r.state() == "down" })
	r.elapse(pick(15*time.Second, 2*time.Minute))
	dials := r.metrics().Sum("heptap_uplink_dials_total")
	r.must(r.near.Plug())
	began := time.Now()
	r.until("the uplink is up again", func() bool { s := r.state(); return s == "up" || s == "draining" })
	took := time.Since(began)
	t.Logf("connected %v after the cable was put in, at the attempt of number %.0f since then", took.Round(time.Millisecond), r.metrics().Sum("heptap_uplink_dials_total")-dials)
	if took > 3*time.Second {
		t.Errorf("that took %v", took)
	}
	if log, err := os.ReadFile(r.probe.log); err != nil || !strings.Contains(string(log), "trying the collectors again") {
		t.Error("nothing was said of it")
	}
	r.pause()
	r.captured(0)
	r.finish()
}

package faults_test

import (
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

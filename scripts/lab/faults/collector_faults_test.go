package faults_test

import (
	"strconv"
	"testing"
	"time"
)

const kilobyte = 1 << 10 // octets

// A collector that is killed with its receive buffer full takes with it what
// its kernel had acknowledged.
func TestKilledWithFullBuffer(t *testing.T) {
	overBoth(t, core, func(t *testing.T, over transport) {
		r := over.rig(t)
		c := r.collect("-receive", strconv.Itoa(512*kilobyte))
		r.run()
		r.traffic(pick(5000, 15000))
		for range pick(3, 20) {
			r.elapse(time.Second)
			r.freeze(c)
			lost := r.full(c)
			r.kill(c.Process)
			t.Logf("killed with %d octets acknowledged and unread", lost)
			c = r.collect("-receive", strconv.Itoa(512*kilobyte))
		}
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		r.finish()
	})
}

// A collector that is killed when a barrier has been made, and it has not read
// to the end. One that is frozen before a TLS handshake is done sees no barrier.
func TestKilledAtBarrier(t *testing.T) {
	overBoth(t, core, func(t *testing.T, over transport) {
		r := over.rig(t)
		big := strconv.Itoa(8192 * kilobyte) // a barrier's worth finds room in it
		c := r.collect("-receive", big)
		r.run()
		r.traffic(pick(5000, 15000))
		at := 0
		for range pick(3, 20) {
			r.elapse(time.Second)
			r.freeze(c)
			barriers := func() float64 { return r.metrics().Sum("heptap_uplink_barriers_total") }
			before := barriers()
			r.until("a barrier is made, or none can be", func() bool { return barriers() > before || r.state() == "down" })
			if barriers() > before {
				at++
			}
			t.Logf("killed with %d octets acknowledged and unread", r.rxQueue(c))
			r.kill(c.Process)
			c = r.collect("-receive", big)
		}
		if at < pick(3, 20)/2 {
			t.Errorf("killed at %d barriers only", at)
		}
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		r.finish()
	})
}

// Killed again and again while a backlog drains.
func TestKilledWhileDraining(t *testing.T) {
	overBoth(t, longOnly, func(t *testing.T, over transport) {
		r := over.rig(t)
		r.run()
		r.must(r.gen.burst(8000, pick(40000, 400000)))
		r.captured(0)
		r.traffic(pick(1000, 4000))
		kills, during := pick(8, 50), 0
		for range kills {
			r.elapse(300 * time.Millisecond)
			c := r.collect("-pause", "2ms")
			had := r.scan().unique
			limit := time.Now().Add(10 * time.Second)
			r.until("something of the backlog arrives", func() bool {
				return r.scan().unique >= had+500 || time.Now().After(limit)
			})
			if r.state() == "draining" || place(r.probe.last, "spooled") > 0 {
				during++
			}
			r.kill(c.Process)
		}
		if during < kills/2 {
			t.Errorf("only %d of %d kills came during a drain", during, kills)
		}
		r.elapse(300 * time.Millisecond)
		r.collect()
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		r.finish()
	})
}

// A collector that accepts and never reads is down, and the probe says so.
func TestDeafCollector(t *testing.T) {
	overBoth(t, core, func(t *testing.T, over transport) {
		r := over.rig(t, "set collector central stall 2s")
		c := r.collect("-deaf", "-receive", strconv.Itoa(64*kilobyte))
		r.run()
		r.traffic(pick(3000, 8000))
		r.until("the probe says that the uplink is not up", func() bool {
			s, m := r.state(), r.probe.last
			failed := m.Sum("heptap_uplink_broken_total") + m.Sum("heptap_uplink_unanswered_total")
			if over == "tls" {
				failed = m.Sum("heptap_uplink_dials_total") // it answers no handshake
			}
			return s != "up" && s != "draining" && failed >= 2
		})
		r.elapse(pick(4*time.Second, 40*time.Second))
		if place(r.probe.last, "confirmed")+place(r.probe.last, "released") > 0 {
			t.Errorf("nothing was read, and the books say: %s", uplinkText(r.probe.last))
		}
		r.kill(c.Process)
		r.collect()
		r.elapse(2 * time.Second)
		r.pause()
		r.captured(0)
		r.until("the uplink is up", func() bool { return r.state() == "up" })
		r.finish()
	})
}

// A record that makes the collector close ends up in quarantine, it alone.
func TestPoisonedRecord(t *testing.T) {
	overBoth(t, core, func(t *testing.T, over transport) {
		r := over.rig(t)
		const poison = 2103
		r.collect("-poison", strconv.Itoa(poison))
		r.run()
		r.traffic(pick(500, 2000))
		r.until("a record is set aside", func() bool { return place(r.metrics(), "set aside") > 0 })
		r.elapse(time.Second)
		r.pause()
		r.captured(0)
		took := r.delivered(func(n int) bool { return n == poison })
		m := r.stop()
		r.settle(took)
		if missing := r.scan().missing(r.gen.count()); len(missing) != 1 {
			t.Errorf("missing: %s", spans(missing))
		}
		if place(m, "set aside") != 1 || place(m, "confirmed") != r.gen.count()-1 {
			t.Errorf("one record was to be set aside: %s", uplinkText(m))
		}
		ls := r.heptap("spool", "ls", r.spoolFile())
		if n := countLines(ls, "set aside "); n != 1 {
			t.Errorf("spool ls shows %d records set aside:\n%s", n, ls)
		}
	})
}

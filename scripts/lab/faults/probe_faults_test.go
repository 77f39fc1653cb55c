package faults_test

import (
	"testing"
	"time"
)

// mayLose is how old a message may be that is lost in a kill: the stated second,
// and another for a machine that runs everything else at the same time.
const mayLose = 2 * time.Second

// lost checks that of the messages below end only such are missing as were
// sent shortly before the kill, and returns how many.
func (r *rig) lost(from, end int, killed time.Time) (excused map[int]bool) {
	r.t.Helper()
	excused = map[int]bool{}
	oldest := time.Duration(0)
	for n := from; n < end; n++ {
		if r.tally.has(n) {
			continue
		}
		age := killed.Sub(r.gen.when(n))
		oldest = max(oldest, age)
		if age > mayLose {
			r.t.Errorf("message %d is missing: it was sent %v before the kill", n, age)
		}
		excused[n] = true
	}
	r.t.Logf("killed: %d messages lost, the oldest sent %v before", len(excused), oldest.Round(time.Millisecond))
	return excused
}

// Killed while the collector is away.
func TestProbeKilledInOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.collect()
	r.run()
	r.traffic(pick(3000, 8000))
	r.elapse(time.Second)
	r.kill(c.Process)
	var kills []struct {
		from, end int // messages of the run
		at        time.Time
	}
	from := 0
	for range pick(3, 20) {
		r.elapse(pick(3*time.Second, 10*time.Second))
		at := time.Now()
		r.kill(r.probe.Process)
		r.pause()
		kills = append(kills, struct {
			from, end int
			at        time.Time
		}{from, r.gen.count(), at})
		from = r.gen.count()
		r.run()
		r.traffic(pick(3000, 8000))
	}
	r.elapse(time.Second)
	r.pause()
	r.captured(from)
	r.collect()
	begin := time.Now()
	r.until("what came after the last kill is sent", func() bool {
		return len(r.scan().missing(r.gen.count())) == len(r.scan().missing(from))
	})
	took := time.Since(begin).Round(10 * time.Millisecond)
	r.quiet()
	r.stop()
	r.scan()
	excused := map[int]bool{}
	for _, k := range kills {
		for n := range r.lost(k.from, k.end, k.at) {
			excused[n] = true
		}
	}
	r.settle(took)
	for _, n := range r.tally.missing(r.gen.count()) {
		if !excused[n] {
			t.Errorf("message %d is missing", n)
		}
	}
}

// Killed while all is well.
func TestProbeKilledHealthy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.collect()
	from := 0
	excused := map[int]bool{}
	for range pick(4, 30) {
		r.run()
		r.until("the uplink is up", func() bool { return r.state() == "up" })
		r.traffic(pick(3000, 10000))
		r.elapse(2 * time.Second)
		at := time.Now()
		r.kill(r.probe.Process)
		r.pause()
		// What the probe's kernel still has is on its way.
		arrived, since := -1, time.Now()
		r.until("nothing more arrives", func() bool {
			if n := r.scan().unique; n != arrived {
				arrived, since = n, time.Now()
			}
			return time.Since(since) > time.Second
		})
		for n := range r.lost(from, r.gen.count(), at) {
			excused[n] = true
		}
		from = r.gen.count()
	}
	r.run()
	r.traffic(2000)
	r.elapse(time.Second)
	r.pause()
	r.captured(from)
	took := r.delivered(func(n int) bool { return excused[n] })
	r.stop()
	r.settle(took)
}

// SIGTERM during an outage, with traffic: what was made is kept, and the next
// run delivers it.
func TestStoppedInOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run()
	r.traffic(pick(3000, 8000))
	r.elapse(pick(3*time.Second, 20*time.Second))
	m := r.stop()
	r.pause()
	first := r.gen.count()
	made := int(m.Sum("heptap_uplink_made_total"))
	if kept := place(m, "spooled"); kept != made || made == 0 {
		t.Errorf("%d records made, %d kept: %s", made, kept, uplinkText(m))
	}
	r.run()
	if carried := int(r.metrics().Sum("heptap_uplink_carried_in_total")); carried != made {
		t.Errorf("%d records kept, %d found", made, carried)
	}
	r.traffic(2000)
	r.elapse(time.Second)
	r.collect()
	r.elapse(time.Second)
	r.pause()
	r.captured(first)
	// The probe reads messages in order: what it had not read when it was
	// stopped comes last.
	took := r.delivered(func(n int) bool { return n >= made && n < first })
	r.stop()
	r.settle(took)
	if y := r.scan(); y.unique != made+r.gen.count()-first {
		t.Errorf("%d delivered of %d: missing %s", y.unique, made+r.gen.count()-first, spans(y.missing(r.gen.count())))
	}
}

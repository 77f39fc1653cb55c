package faults_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"heptap/scripts/lab/box"
)

// life is one run of the probe that was killed, and what it had said last.
type life struct {
	from, end  int // messages of the run, with those that nobody captured any more
	made, safe int // below: of those records had been made, and these were on disk or acknowledged
	at         time.Time
}

// killProbe reads what the probe says of itself and kills it. from is the first message of its run.
func (r *rig) killProbe(from int) life {
	r.t.Helper()
	m := r.metrics()
	at := time.Now()
	r.kill(r.probe.Process)
	r.pause()
	made := from + made(m)
	unsaved := int(m.Sum("heptap_log_unsaved_records"))
	r.promise(m)
	return life{from: from, end: r.gen.count(), made: made, safe: made - unsaved, at: at}
}

// promise checks for how long a record was neither acknowledged nor on disk at most: half a second until it is
// due, an eighth until that is noticed, a commit under way and the one that has it; and for as long as the machine held
// the probe up, of which the test itself has its share. It is the probe that measures, as it would in the field.
func (r *rig) promise(m box.Metrics) {
	r.t.Helper()
	seconds := func(name string) time.Duration { return time.Duration(m.Sum(name) * float64(time.Second)) }
	most, commit := seconds("heptap_log_unsaved_most_seconds"), seconds("heptap_spool_commit_most_seconds")
	if bound := 625*time.Millisecond + 2*commit + 200*time.Millisecond + 3*r.held.most(); most > bound {
		r.t.Errorf("records were unsaved for %v; with commits of %v at most, and a machine that stood still for %v, it may be %v", most, commit, r.held.most(), bound)
	}
	r.unsaved, r.commit = max(r.unsaved, most), max(r.commit, commit)
}

// heldUp measures how late the machine lets a process go on that has slept.
type heldUp struct{ worst atomic.Int64 }

func (h *heldUp) most() time.Duration { return time.Duration(h.worst.Load()) }

// holdups begins to measure, until the test ends.
func (r *rig) holdups() {
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(cancel)
	go func() {
		const nap = 10 * time.Millisecond
		for ctx.Err() == nil {
			began := time.Now()
			time.Sleep(nap)
			r.held.worst.Store(max(r.held.worst.Load(), int64(time.Since(began)-nap)))
		}
	}()
}

// lost checks of a life that none is missing that was safe, and that those missing are the last of it,
// and returns them.
func (r *rig) lost(k life) (excused map[int]bool) {
	r.t.Helper()
	excused = map[int]bool{}
	oldest := time.Duration(0)
	for n := k.from; n < k.end; n++ {
		switch {
		case r.tally.has(n) && len(excused) > 0:
			r.t.Errorf("message %d has come, and of those before it in the same run %d are missing", n, len(excused))
		case r.tally.has(n):
			continue
		case n < k.safe:
			r.t.Errorf("message %d is missing: of %d to %d the probe had said that only those from %d on were unsaved", n, k.from, k.made-1, k.safe)
		}
		if age := k.at.Sub(r.gen.when(n)); !r.tally.has(n) {
			oldest = max(oldest, age)
			excused[n] = true
		}
	}
	r.ages = append(r.ages, oldest)
	return excused
}

// Killed while the collector is away, again and again at any moment: each time the spool is whole, and nothing
// is gone but what the probe says that it costs.
func TestProbeKilledInOutage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.holdups()
	c := r.collect()
	r.run()
	rate, rnd := pick(3000, 1000), rand.New(rand.NewPCG(seed(t), 1))
	r.traffic(rate)
	r.elapse(time.Second)
	r.kill(c.Process)
	var lives []life
	from := 0
	for range pick(5, 200) {
		r.elapse(500*time.Millisecond + time.Duration(rnd.Int64N(int64(1500*time.Millisecond))))
		lives = append(lives, r.killProbe(from))
		r.heptap("spool", "verify", r.spoolFile())
		from = r.gen.count()
		r.run()
		r.traffic(rate)
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
	for _, k := range lives {
		for n := range r.lost(k) {
			excused[n] = true
		}
	}
	r.settle(took)
	r.costs(excused)
	for _, n := range r.tally.missing(r.gen.count()) {
		if !excused[n] {
			t.Errorf("message %d is missing", n)
		}
	}
}

// costs prints what the kills cost.
func (r *rig) costs(excused map[int]bool) {
	r.t.Helper()
	slices.Sort(r.ages)
	n := len(r.ages)
	r.t.Logf("%d kills cost %d messages; the oldest of each was sent %v before (median), %v (9 of 10), %v (at most); by the probe's own word unsaved for %v at most, with commits of %v at most; the machine stood still for %v",
		n, len(excused), r.ages[n/2].Round(time.Millisecond), r.ages[n*9/10].Round(time.Millisecond), r.ages[n-1].Round(time.Millisecond),
		r.unsaved.Round(time.Millisecond), r.commit.Round(time.Millisecond), r.held.most().Round(time.Millisecond))
}

// Killed while all is well.
func TestProbeKilledHealthy(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.holdups()
	r.collect()
	from := 0
	excused := map[int]bool{}
	for range pick(4, 30) {
		r.run()
		r.until("the uplink is up", func() bool { return r.state() == "up" })
		r.traffic(pick(3000, 10000))
		r.elapse(2 * time.Second)
		k := r.killProbe(from)
		// What the probe's kernel still has is on its way.
		arrived, since := -1, time.Now()
		r.until("nothing more arrives", func() bool {
			if n := r.scan().unique; n != arrived {
				arrived, since = n, time.Now()
			}
			return time.Since(since) > time.Second
		})
		for n := range r.lost(k) {
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
	r.costs(excused)
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

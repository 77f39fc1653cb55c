package uplink

import (
	"sync"
	"testing"
	"time"

	"heptap/capture/record"
)

// severalOf are the options of a Log with these collectors, named a, b, c, ...
func severalOf(s Spool, fcs ...*fakeCollector) Options {
	o := Options{Spool: s}
	for i, fc := range fcs {
		o.Collectors = append(o.Collectors, Collector{Name: string(rune('a' + i)), Dial: fc.dial, NewEncoder: func() Encoder { return &testEncoder{} }})
	}
	return o
}

// has asserts that the collector read the records from to to-1.
func (r *rig) has(fc *fakeCollector, name string, first uint64, from, to int) {
	r.t.Helper()
	r.law()
	fc.mu.Lock()
	defer fc.mu.Unlock()
	missing := 0
	for i := from; i < to; i++ {
		if fc.got[first+uint64(i)] == 0 {
			missing++
		}
	}
	if missing > 0 {
		r.t.Errorf("%s: %d of %d records are missing", name, missing, to-from)
	}
	for i, e := range fc.errs {
		if i < 4 {
			r.t.Errorf("%s: %s", name, e)
		}
	}
}

func (r *rig) of(name string) CollectorStats {
	r.t.Helper()
	r.law()
	for _, c := range r.l.Stats().Collectors {
		if c.Collector == name {
			return c
		}
	}
	r.t.Fatalf("no collector %s", name)
	return CollectorStats{}
}

// TestDeadOneDisturbsNobody: one that is away for ten minutes costs another neither
// time nor connections nor records.
func TestDeadOneDisturbsNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fine, dead, s := newFakeCollector(), newFakeCollector(), newFakeSpool()
		dead.dead = true
		r := newRig(t, severalOf(s, fine, dead))
		for range 600 {
			r.add(20, record.Call, 800)
			time.Sleep(time.Second)
			if got := fine.count(); got%20 != 0 {
				t.Fatalf("after %d records the fine one lags", got)
			}
		}
		a, b := r.of("a"), r.of("b")
		if fine.count() != 12000 || a.Resent != 0 || a.Dials > 14 || a.State != Up || a.Backlog != 0 {
			t.Errorf("the fine one has %d of 12000, resent %d, connections %d, %v, backlog %d", fine.count(), a.Resent, a.Dials, a.State, a.Backlog)
		}
		if b.Backlog < 11900 || b.State == Up {
			t.Errorf("the dead one: backlog %d, %v", b.Backlog, b.State)
		}
		dead.start()
		time.Sleep(2 * time.Minute)
		r.whole(fine, 12000)
		r.has(dead, "b", r.l.first, 0, 12000)
		if b := r.of("b"); b.Backlog != 0 || s.len() != 0 {
			t.Errorf("after it is back: backlog %d, %d on disk", b.Backlog, s.len())
		}
		r.stop()
		fine.stop()
		dead.stop()
	})
}

// TestFarBehindMakesRoom: at the spool's cap the one that is far behind loses its oldest
// records, and another one that is away for a moment then loses none, periodic
// ones neither.
func TestFarBehindMakesRoom(t *testing.T) {
	bubble(t, func(t *testing.T) {
		behind, fine, s := newFakeCollector(), newFakeCollector(), newFakeSpool()
		behind.dead, s.limit = true, 4000
		o := severalOf(s, behind, fine)
		o.BarrierAge = 5 * time.Second // what may have to be sent again is a small part of the spool
		r := newRig(t, o)
		for range 100 { // the lane is overtaken by what is evicted
			r.add(100, record.Periodic, 300)
			time.Sleep(time.Second)
		}
		fine.kill()
		for range 5 {
			r.add(100, record.Periodic, 300)
			time.Sleep(time.Second)
		}
		fine.start()
		time.Sleep(time.Minute)
		b := r.of("b")
		r.has(fine, "b", r.l.first, 0, 10500)
		if b.Evicted.Sum()+b.Shed.Sum() != 0 {
			t.Errorf("the other one lost %v and %v", b.Evicted, b.Shed)
		}
		a := r.of("a")
		if a.Evicted.Sum() < 7000 || a.Evicted.Sum()+a.Spooled != 10500 || a.Shed.Sum() != 0 {
			t.Errorf("the one far behind: evicted %v, spooled %d, shed %v", a.Evicted, a.Spooled, a.Shed)
		}
		r.stop()
		behind.stop()
		fine.stop()
	})
}

// TestFarBehindMakesRoomInMemory is the same where nothing can be stored.
func TestFarBehindMakesRoomInMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		behind, fine := newFakeCollector(), newFakeCollector()
		behind.dead = true
		o := severalOf(nil, behind, fine)
		o.Memory, o.BarrierBytes = 1<<20, 64<<10
		r := newRig(t, o)
		for range 400 {
			r.add(20, record.Periodic, 900)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		r.has(fine, "b", r.l.first, 0, 8000)
		if b := r.of("b"); b.Evicted.Sum()+b.Shed.Sum() != 0 || b.Confirmed != 8000 {
			t.Errorf("the other one lost %v and %v, confirmed %d", b.Evicted, b.Shed, b.Confirmed)
		}
		if a := r.of("a"); a.Evicted.Sum() < 6000 || a.Shed.Sum() != 0 {
			t.Errorf("the one that is away: evicted %v, shed %v", a.Evicted, a.Shed)
		}
		r.stop()
		behind.stop()
		fine.stop()
	})
}

// TestAddedAndRemoved: a new collector begins with what is made then; what waited for
// one that was removed is there for a day.
func TestAddedAndRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		one, two, s := newFakeCollector(), newFakeCollector(), newFakeSpool()
		two.dead = true
		run := func(o Options, n int) (r *rig, first uint64) {
			r = newRig(t, o)
			first = r.l.first
			r.add(n, record.Call, 300)
			time.Sleep(10 * time.Second)
			return r, first
		}
		both, onlyOne := severalOf(s, one, two), severalOf(s, one)
		// One waits for a collector, and has everything.
		one.dead = true
		r, e1 := run(onlyOne, 100)
		r.stop()
		// Another joins: it has what is made from then on.
		r, e2 := run(both, 200)
		if a, b := r.of("a"), r.of("b"); a.Spooled != 300 || b.Spooled != 200 || b.CarriedIn != 0 {
			t.Errorf("spooled %d and %d, carried in %d", a.Spooled, b.Spooled, b.CarriedIn)
		}
		r.stop()
		// It is removed: what waits for it is kept, and nothing more put to it.
		one.start()
		r, _ = run(onlyOne, 50)
		if b := r.of("b"); !b.Removed || b.Spooled != 200 || b.Made != 0 || b.CarriedIn != 200 {
			t.Errorf("removed: %+v", b)
		}
		if s.len() != 200 {
			t.Errorf("%d records on disk", s.len())
		}
		r.whole(one, 0)
		r.has(one, "a", e1, 0, 100)
		r.stop()
		// It is put back, and has what waited for it.
		two.start()
		r, e4 := run(both, 10)
		r.has(two, "b", e2, 0, 200)
		r.has(two, "b", e4, 0, 10)
		if two.count() != 210 {
			t.Errorf("it has %d records", two.count())
		}
		// Removed with something waiting, the 10 that it has not confirmed among it,
		// and not put back for more than a day.
		two.kill()
		r.add(70, record.Call, 300)
		time.Sleep(10 * time.Second)
		r.stop()
		r, _ = run(onlyOne, 1)
		if b := r.of("b"); b.Spooled != 80 {
			t.Errorf("%d wait for the one removed", b.Spooled)
		}
		time.Sleep(25 * time.Hour)
		if n := len(r.l.Stats().Collectors); n != 1 || s.len() != 0 {
			t.Errorf("after a day there are %d collectors, %d records on disk", n, s.len())
		}
		if names := s.Cursors(); len(names) != 2 { // the log's own, and a's
			t.Errorf("cursors %v", names)
		}
		r.stop()
		one.stop()
		two.stop()
	})
}

// TestReplaced: where no collector stays, the new one has what waited for the former.
func TestReplaced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old, next, s := newFakeCollector(), newFakeCollector(), newFakeSpool()
		old.dead = true
		r := newRig(t, severalOf(s, old))
		first := r.l.first
		r.add(100, record.Call, 300)
		time.Sleep(10 * time.Second)
		r.stop()
		o := severalOf(s, next)
		o.Collectors[0].Name = "z"
		r = newRig(t, o)
		time.Sleep(2 * time.Minute)
		r.has(next, "z", first, 0, 100)
		if n := len(r.l.Stats().Collectors); n != 1 || s.len() != 0 {
			t.Errorf("%d collectors, %d records on disk", n, s.len())
		}
		r.stop()
		old.stop()
		next.stop()
	})
}

// TestEvictedWhileRead: a lane that reads the spool when something has been evicted and is in no
// book yet has to wait, or it would take the gap for numbers that never were. In real time: waiting for a
// lock would stop the clock of a bubble.
func TestEvictedWhileRead(t *testing.T) {
	away, s := newFakeCollector(), newFakeSpool()
	away.dead, s.max = true, 100
	o := severalOf(s, away)
	o.SpillAfter = 20 * time.Millisecond
	ready, fetched := make(chan struct{}), make(chan struct{})
	var r *rig
	var ln *lane
	s.after = sync.OnceFunc(func() {
		<-ready
		go func() {
			ln = newLane(r.l.collectors[0], backlog)
			_ = ln.fetch() // the fake's cannot fail
			close(fetched)
		}()
		select {
		case <-fetched:
			t.Error("the spool was read before it was booked what is evicted")
		case <-time.After(50 * time.Millisecond):
		}
	})
	r = newRig(t, o)
	close(ready)
	r.add(300, record.Call, 300)
	<-fetched
	r.stop()
	if ln.read.losses != r.l.losses || len(ln.read.entries) != 100 {
		t.Errorf("read %d records after %d losses of %d", len(ln.read.entries), ln.read.losses, r.l.losses)
	}
}

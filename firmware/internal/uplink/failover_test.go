package uplink

import (
	"testing"
	"time"

	"heptap/capture/record"
)

func failoverOf(s Spool, back time.Duration, fcs ...*fakeCollector) (Options, *Failover) {
	var members []Member
	for i, fc := range fcs {
		members = append(members, Member{Name: string(rune('a' + i)), Dial: fc.dial, NewEncoder: func() Encoder { return &testEncoder{} }})
	}
	f := NewFailover(back, members...)
	return Options{Spool: s, Collectors: []Collector{{Name: "group", Dial: f.Dial, Beside: f.Run, NewEncoder: members[0].NewEncoder}}}, f
}

// either asserts that the collectors together have the first n records, and not more
// duplicates than were counted.
func (r *rig) either(n int, fcs ...*fakeCollector) {
	r.t.Helper()
	c := r.law()
	missing, dups := 0, uint64(0)
	for i := range n {
		times := 0
		for _, fc := range fcs {
			fc.mu.Lock()
			times += fc.got[r.l.first+uint64(i)]
			fc.mu.Unlock()
		}
		if times == 0 {
			missing++
		} else {
			dups += uint64(times - 1)
		}
	}
	if missing > 0 {
		r.t.Errorf("%d of %d records are missing", missing, n)
	}
	if dups > c.Resent {
		r.t.Errorf("%d duplicates, %d counted", dups, c.Resent)
	}
}

func active(t *testing.T, f *Failover) (name string) {
	t.Helper()
	for _, m := range f.Status() {
		if m.Active {
			name += m.Member
		}
	}
	return name
}

func TestFailover(t *testing.T) {
	for _, how := range []struct {
		name       string
		fail, heal func(fc *fakeCollector)
	}{
		{"dead", (*fakeCollector).kill, (*fakeCollector).start},
		{"frozen", func(fc *fakeCollector) { fc.set(func() { fc.frozen = true }) }, (*fakeCollector).start},
		{"closes on everything", func(fc *fakeCollector) { fc.set(func() { fc.hate = func(uint64) bool { return true } }) },
			func(fc *fakeCollector) { fc.set(func() { fc.hate = nil }) }},
	} {
		t.Run(how.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				first, second, s := newFakeCollector(), newFakeCollector(), newFakeSpool()
				o, f := failoverOf(s, time.Minute, first, second)
				r := newRig(t, o)
				n := 0
				minutes := func(m int) {
					for range m * 60 {
						r.add(20, record.Call, 700)
						n += 20
						time.Sleep(time.Second)
						r.law()
					}
				}
				minutes(2)
				if second.count() != 0 || active(t, f) != "a" {
					t.Errorf("%d records at the second one, %s is active", second.count(), active(t, f))
				}
				how.fail(first)
				minutes(3)
				before := first.count()
				minutes(2)
				if active(t, f) != "b" || second.count() < 2*60*20 || how.name != "closes on everything" && first.count() != before {
					t.Errorf("after the failure %s is active, %d records at the second one", active(t, f), second.count())
				}
				if st := f.Status(); how.name != "closes on everything" && (!st[0].Failed || st[0].Reason == "") {
					t.Errorf("%+v", st[0])
				}
				r.either(0, first, second)
				how.heal(first)
				time.Sleep(50 * time.Second)
				if how.name != "closes on everything" && active(t, f) != "b" {
					t.Error("back at once")
				}
				minutes(5)
				if st := f.Status(); active(t, f) != "a" || st[0].Failed || st[0].Confirmed == 0 || st[1].Confirmed == 0 {
					t.Errorf("after it is well again: %+v", st)
				}
				if err := r.shutdown(time.Minute); err != nil {
					t.Error(err)
				}
				r.either(n, first, second)
				if c := r.law(); c.Confirmed != uint64(n) || s.len() != 0 {
					t.Errorf("confirmed %d of %d, %d on disk", c.Confirmed, n, s.len())
				}
				first.stop()
				second.stop()
			})
		})
	}
}

// TestFailoverAllDead: while nobody is there everything waits, and goes to whoever
// comes first.
func TestFailoverAllDead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second, s := newFakeCollector(), newFakeCollector(), newFakeSpool()
		first.dead, second.dead = true, true
		o, f := failoverOf(s, time.Minute, first, second)
		r := newRig(t, o)
		r.add(1000, record.Call, 700)
		time.Sleep(10 * time.Minute)
		if c := r.law(); c.Spooled != 1000 || c.State != Down {
			t.Errorf("%v, %+v", c.State, c.Counts)
		}
		second.start()
		time.Sleep(2 * time.Minute)
		r.either(1000, second)
		if active(t, f) != "b" {
			t.Errorf("%s is active", active(t, f))
		}
		r.stop()
		first.stop()
		second.stop()
	})
}

// TestFailoverIdleClose: a member that closes an idle connection has not failed.
func TestFailoverIdleClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second := newFakeCollector(), newFakeCollector()
		o, f := failoverOf(nil, time.Minute, first, second)
		r := newRig(t, o)
		for range 5 {
			time.Sleep(time.Minute)
			first.kill()
			first.start()
		}
		time.Sleep(time.Minute)
		if st := f.Status(); active(t, f) != "a" || st[0].Failed || second.dials != 0 {
			t.Errorf("%+v", st)
		}
		r.stop()
		first.stop()
		second.stop()
	})
}

// TestStatus: rate, backlog, since when, and when the next attempt is.
func TestStatus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		r := newRig(t, fc.opts(s))
		for range 60 {
			r.add(50, record.Call, 300)
			time.Sleep(time.Second)
		}
		if c := r.law(); c.Rate < 45 || c.Rate > 55 || c.Backlog != 0 || !c.Waiting.IsZero() || !c.Next.IsZero() {
			t.Errorf("while all is well: %+v", c.Status)
		}
		fc.kill()
		for range 120 {
			r.add(50, record.Call, 300)
			time.Sleep(time.Second)
		}
		c := r.law()
		if waited := time.Since(c.Waiting); c.Rate > 1 || c.Backlog < 5900 || waited < 115*time.Second || waited > 120*time.Second {
			t.Errorf("while it is away: %v, %+v", waited, c.Status)
		}
		if in := time.Until(c.Next); in <= 0 || in > 30*time.Second || c.State != Down || c.Reason == "" {
			t.Errorf("next attempt in %v, %v: %s", in, c.State, c.Reason)
		}
		fc.start()
		time.Sleep(time.Minute)
		if c := r.law(); c.Backlog != 0 || !c.Waiting.IsZero() || !c.Next.IsZero() || c.State != Up {
			t.Errorf("when it is back: %+v", c.Status)
		}
		r.stop()
		fc.stop()
	})
}

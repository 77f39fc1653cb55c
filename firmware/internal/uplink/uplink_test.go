package uplink

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"heptap/capture/record"
)

// bubble runs f with fake time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

func (r *rig) shutdown(d time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	err := r.l.Shutdown(ctx)
	<-r.done
	r.law()
	return err
}

func TestHealthyWritesNothingToDisk(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		r := newRig(t, fc.opts(s))
		for range 600 { // ten minutes
			r.add(20, record.Call, 800)
			time.Sleep(time.Second)
		}
		if err := r.shutdown(time.Minute); err != nil {
			t.Error(err)
		}
		r.whole(fc, 12000)
		c := r.law()
		if c.Confirmed != 12000 || c.Resent != 0 || s.commits != 1 {
			t.Errorf("confirmed %d, resent %d, commits %d (one is Open's)", c.Confirmed, c.Resent, s.commits)
		}
		// One a minute, for nothing reached the size; and the last.
		if c.Barriers < 9 || c.Barriers > 12 {
			t.Errorf("%d barriers in ten minutes", c.Barriers)
		}
		fc.stop()
	})
}

func TestBarrierBySize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		r := newRig(t, fc.opts(s))
		for range 100 { // 10 s, 1 MB each 0.1 s
			r.add(1000, record.Call, 900)
			time.Sleep(100 * time.Millisecond)
		}
		c := r.law()
		if c.Barriers < 4 || c.Barriers > 6 {
			t.Errorf("%d barriers in 10 s at 10 MB/s, want one every 2 s", c.Barriers)
		}
		if s.commits != 1 || c.Resent != 0 {
			t.Errorf("commits %d, resent %d", s.commits, c.Resent)
		}
		r.stop()
		fc.stop()
	})
}

func TestCollectorAway(t *testing.T) {
	for _, order := range []struct {
		name   string
		strict bool
	}{{"lanes", false}, {"strict", true}} {
		t.Run(order.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				fc, s := newFakeCollector(), newFakeSpool()
				r := newRig(t, fc.opts(s, func(c *Collector) { c.Strict = order.strict }))
				for i := range 600 { // 60 s at 2,000/s; away from 15 to 45
					switch i {
					case 150:
						fc.kill()
					case 450:
						fc.start()
					}
					r.add(200, record.Call, 700)
					time.Sleep(100 * time.Millisecond)
					r.law()
					if got, c := r.spooled(s), r.law(); i == 300 && got != c.Spooled {
						t.Fatalf("%d on disk, %d counted", got, c.Spooled)
					}
				}
				time.Sleep(60 * time.Second)
				r.whole(fc, 120000)
				c := r.law()
				if c.Spooled != 0 || s.len() != 0 {
					t.Errorf("%d records still spooled, %d on disk", c.Spooled, s.len())
				}
				if c.State != Up {
					t.Errorf("state %v: %s", c.State, c.Reason)
				}
				if err := r.shutdown(time.Minute); err != nil {
					t.Error(err)
				}
				if c := r.law(); c.Confirmed != 120000 {
					t.Errorf("confirmed %d", c.Confirmed)
				}
				fc.stop()
			})
		})
	}
}

func TestKilledWithFullBufferManyTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		o := fc.opts(s)
		o.BarrierBytes = 64 << 10
		o.BarrierGap = 50 * time.Millisecond
		r := newRig(t, o)
		n := 0
		for range 20 {
			r.add(500, record.Call, 700)
			n += 500
			time.Sleep(30 * time.Millisecond)
			fc.set(func() { fc.frozen = true })
			r.add(500, record.Call, 700)
			n += 500
			time.Sleep(200 * time.Millisecond)
			fc.kill()
			time.Sleep(500 * time.Millisecond)
			fc.start()
			time.Sleep(2 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		r.whole(fc, n)
		if c := r.law(); c.Spooled != 0 || c.Resent == 0 {
			t.Errorf("spooled %d, resent %d", c.Spooled, c.Resent)
		}
		r.stop()
		fc.stop()
	})
}

func TestFrozenFromTheStartThenKilled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.frozen = true
		r := newRig(t, fc.opts(s))
		for range 120 {
			r.add(20, record.Call, 700)
			time.Sleep(time.Second)
		}
		fc.kill()
		time.Sleep(time.Second)
		fc.start()
		time.Sleep(3 * time.Minute)
		r.whole(fc, 2400)
		r.stop()
		fc.stop()
	})
}

// A collector that was frozen from the start for so long that it seemed never to answer a half-close is known
// better when it does: nothing is left to a tail.
func TestFrozenFromTheStartThenWell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.frozen = true
		o := fc.opts(s)
		o.BarrierAge = 3 * time.Second
		r := newRig(t, o)
		n := 0
		add := func() {
			r.add(20, record.Call, 700)
			n += 20
			time.Sleep(time.Second)
		}
		for i := 0; !r.law().Fallback; i++ {
			if add(); i > 60 {
				t.Fatal("it never falls back")
			}
		}
		fc.set(func() { fc.frozen = false })
		add()
		time.Sleep(time.Minute)
		if c := r.law(); c.Fallback || c.Confirmed != uint64(n) {
			t.Errorf("of %d: fallback %v, %+v", n, c.Fallback, c.Counts)
		}
		r.whole(fc, n)
		r.stop()
		fc.stop()
	})
}

func TestNeverAnswersHalfClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.mute = true
		o := fc.opts(s)
		o.Tail = 1 << 20
		r := newRig(t, o)
		n := 0
		for range 300 {
			r.add(50, record.Call, 700)
			n += 50
			time.Sleep(time.Second)
		}
		r.whole(fc, n)
		c := r.law()
		if !c.Fallback || c.Released == 0 || c.Confirmed != 0 {
			t.Fatalf("fallback %v, released %d, confirmed %d", c.Fallback, c.Released, c.Confirmed)
		}
		if tail := c.InMemory + c.Spooled; tail > 2*(1<<20)/700 {
			t.Errorf("%d records are kept for a tail of 1 MiB per lane", tail)
		}
		if c.State != Up {
			t.Errorf("state %v: %s", c.State, c.Reason)
		}
		before := c.Resent
		fc.kill()
		time.Sleep(time.Second)
		fc.start()
		time.Sleep(time.Minute)
		r.whole(fc, n)
		if c := r.law(); c.Resent == before || c.Resent-before > 4*(1<<20)/700 {
			t.Errorf("resent %d after the break", c.Resent-before)
		}
		r.stop()
		fc.stop()
	})
}

func TestAcceptsAndNeverReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		r := newRig(t, fc.opts(s))
		r.add(1000, record.Call, 700)
		time.Sleep(5 * time.Second)
		fc.set(func() { fc.frozen = true })
		for range 60 {
			r.add(1000, record.Call, 700)
			time.Sleep(time.Second)
			r.law()
		}
		c := r.law()
		if c.State == Up || c.State == Draining {
			t.Errorf("state %v while nothing is read", c.State)
		}
		if c.Spooled < 55000 || c.Resent > 5000 {
			t.Errorf("spooled %d, resent %d", c.Spooled, c.Resent)
		}
		fc.set(func() { fc.frozen = false })
		time.Sleep(2 * time.Minute)
		r.whole(fc, 61000)
		if c := r.law(); c.Spooled != 0 || c.State != Up {
			t.Errorf("spooled %d, state %v", c.Spooled, c.State)
		}
		r.stop()
		fc.stop()
	})
}

func TestClosesBeforeAnythingConfirmed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.hate = func(uint64) bool { return true }
		r := newRig(t, fc.opts(s))
		r.add(100, record.Call, 700)
		time.Sleep(5 * time.Minute)
		c := r.law()
		if c.Quarantined != 0 || c.State == Up || c.State == Draining || !strings.Contains(c.Reason, "TLS expected") {
			t.Errorf("quarantined %d, state %v, reason %q", c.Quarantined, c.State, c.Reason)
		}
		if fc.dials > 600 {
			t.Errorf("%d dials in 5 minutes", fc.dials)
		}
		fc.set(func() { fc.hate = nil })
		time.Sleep(5 * time.Minute)
		r.whole(fc, 100)
		r.stop()
		fc.stop()
	})
}

func TestPoisonedRecord(t *testing.T) {
	for _, order := range []struct {
		name   string
		strict bool
	}{{"lanes", false}, {"strict", true}} {
		t.Run(order.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				fc, s := newFakeCollector(), newFakeSpool()
				r := newRig(t, fc.opts(s, func(c *Collector) { c.Strict = order.strict }))
				bad := map[uint64]bool{r.l.first + 300: true, r.l.first + 301: true, r.l.first + 777: true}
				fc.set(func() { fc.hate = func(seq uint64) bool { return bad[seq] } })
				r.add(1000, record.Call, 700)
				for range 30 {
					time.Sleep(20 * time.Second)
					r.law()
				}
				c := r.law()
				if c.Quarantined != 3 || len(s.quarantine) != 3 {
					t.Errorf("quarantined %d, in the spool %d", c.Quarantined, len(s.quarantine))
				}
				fc.mu.Lock()
				n := len(fc.got)
				fc.mu.Unlock()
				if n != 997 || c.Spooled != 0 {
					t.Errorf("%d of 997 arrived, %d spooled", n, c.Spooled)
				}
				r.shutdown(time.Minute)
				if c := r.law(); c.Confirmed != 997 {
					t.Errorf("confirmed %d", c.Confirmed)
				}
				fc.stop()
			})
		})
	}
}

// TestSilence says that the uplink is down long before TCP gives up.
func TestSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.kernel = 1 << 10
		r := newRig(t, fc.opts(s))
		state := func() Status { return r.l.Stats().Collectors[0].Status }
		r.add(10, record.Call, 100)
		time.Sleep(5 * time.Second)
		if st := state(); st.State != Up {
			t.Fatalf("%v: %s", st.State, st.Reason)
		}
		fc.set(func() { fc.frozen = true })
		r.add(100, record.Call, 700)
		time.Sleep(4 * time.Second)
		if st := state(); st.State != Down || !strings.Contains(st.Reason, "acknowledged") {
			t.Errorf("silent for 4 s: %v: %s", st.State, st.Reason)
		}
		if c := r.law(); c.Spooled == 0 {
			t.Error("nothing went to disk")
		}
		fc.set(func() { fc.frozen = false })
		time.Sleep(10 * time.Second) // long before BarrierAge
		if c := r.law(); c.Spooled != 0 {
			t.Errorf("%d records still on disk", c.Spooled)
		}
		if st := state(); st.State != Up || st.Reason != "" {
			t.Errorf("heard again: %v: %s", st.State, st.Reason)
		}
		r.shutdown(time.Minute)
		r.law()
		fc.stop()
	})
}

// TestPoisonAlone has one bad record among good ones that keep coming, or that
// have ceased: there is no later record in the backlog to compare it with.
func TestPoisonAlone(t *testing.T) {
	for name, goesOn := range map[string]bool{"live traffic": true, "quiet": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				fc, s := newFakeCollector(), newFakeSpool()
				r := newRig(t, fc.opts(s))
				bad := r.l.first + 100
				fc.set(func() { fc.hate = func(seq uint64) bool { return seq == bad } })
				r.add(150, record.Call, 700)
				for range 600 {
					time.Sleep(200 * time.Millisecond)
					if goesOn {
						r.add(10, record.Call, 700)
					}
				}
				c := r.law()
				if c.Quarantined != 1 || s.quarantine[bad] == "" || c.Spooled != 0 {
					t.Errorf("quarantined %d, spooled %d", c.Quarantined, c.Spooled)
				}
				r.shutdown(time.Minute)
				if c := r.law(); c.Confirmed != c.Made-1 {
					t.Errorf("confirmed %d of %d", c.Confirmed, c.Made)
				}
				fc.stop()
			})
		})
	}
}

func TestFilteredAndTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		var first uint64
		o := fc.opts(s, func(c *Collector) {
			c.NewEncoder = func() Encoder {
				return &testEncoder{noPeriodic: true, refuse: func(seq uint64) bool { return seq == first+2 }}
			}
		})
		first = 1 << epochBits
		r := newRig(t, o)
		for range 10 {
			r.add(5, record.Call, 100)
			r.add(5, record.Periodic, 100)
			r.add(1, record.Call, 100)
		}
		time.Sleep(2 * time.Minute)
		c := r.law()
		if c.Filtered != 50 || c.Quarantined != 1 || c.Confirmed != 59 || s.quarantine[first+2] == "" {
			t.Errorf("filtered %d, quarantined %d, confirmed %d", c.Filtered, c.Quarantined, c.Confirmed)
		}
		r.stop()
		fc.stop()
	})
}

func TestProbeCrash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		r := newRig(t, fc.opts(s))
		for range 50 {
			r.add(100, record.Call, 700)
			time.Sleep(100 * time.Millisecond)
		}
		made := r.law().Made
		s2 := s.crash()
		r.stop()
		if lost := made - uint64(s2.len()); lost > 1000 {
			t.Fatalf("%d records lost in the crash, more than the last second's 1000", lost)
		}
		fc.start()
		r2 := newRig(t, fc.opts(s2))
		if c := r2.law(); c.CarriedIn != uint64(s2.len()) {
			t.Errorf("carried in %d of %d", c.CarriedIn, s2.len())
		}
		r2.add(100, record.Call, 700)
		time.Sleep(time.Minute)
		if c := r2.law(); c.Confirmed != c.CarriedIn && c.Confirmed != c.CarriedIn+100 || s2.len() != 0 {
			t.Errorf("confirmed %d, carried in %d, on disk %d", c.Confirmed, c.CarriedIn, s2.len())
		}
		if r2.l.first>>epochBits != 2 {
			t.Errorf("second run's numbers begin at %d", r2.l.first)
		}
		r2.stop()
		fc.stop()
	})
}

func TestShutdownStoresTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		r := newRig(t, fc.opts(s))
		r.add(500, record.Call, 700)
		time.Sleep(10 * time.Millisecond)
		fc.set(func() { fc.frozen = true })
		r.add(500, record.Call, 700)
		if err := r.shutdown(3 * time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		c := r.law()
		if c.InMemory != 0 || c.Spooled+c.Confirmed != 1000 || int(c.Spooled) != s.len() || s.closed != 1 {
			t.Errorf("in memory %d, spooled %d, confirmed %d, on disk %d", c.InMemory, c.Spooled, c.Confirmed, s.len())
		}
		if err := r.l.Append(r.buf); !errors.Is(err, ErrClosed) {
			t.Errorf("Append after Shutdown: %v", err)
		}
		fc.kill()
		fc.start()
		r2 := newRig(t, fc.opts(s.crash()))
		time.Sleep(time.Minute)
		r2.law()
		if fc.count() != 1000 {
			t.Errorf("%d of 1000 arrived", fc.count())
		}
		r2.stop()
		fc.stop()
	})
}

func TestNoCollectorKeepsEverything(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newFakeSpool()
		r := newRig(t, Options{Spool: s})
		r.add(1000, record.Call, 700)
		time.Sleep(2 * time.Second)
		if c := r.law(); c.Spooled != 1000 || s.len() != 1000 {
			t.Errorf("spooled %d, on disk %d", c.Spooled, s.len())
		}
		if err := r.shutdown(time.Second); err != nil {
			t.Error(err)
		}
		fc := newFakeCollector()
		r2 := newRig(t, fc.opts(s.crash()))
		time.Sleep(time.Minute)
		if c := r2.law(); c.CarriedIn != 1000 || fc.count() != 1000 || c.Confirmed != 1000 {
			t.Errorf("carried in %d, arrived %d, confirmed %d", c.CarriedIn, fc.count(), c.Confirmed)
		}
		r2.stop()
		fc.stop()
	})
}

func TestShedByClass(t *testing.T) {
	for _, order := range [][]record.Class{nil, {record.Line, record.Periodic}} {
		testShedByClass(t, order)
	}
}

func testShedByClass(t *testing.T, order []record.Class) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		s.fail = errors.New("no space")
		o := fc.opts(s)
		o.Memory, o.Shed = 1<<20, order
		if order == nil {
			order = []record.Class{record.Periodic, record.KeepAlive, record.Line, record.Routine, record.Query, record.Final}
		}
		r := newRig(t, o)
		for range 100 {
			for c := record.Periodic; c < record.NumClasses; c++ {
				r.add(10, c, 700)
			}
			time.Sleep(20 * time.Millisecond)
			r.law()
		}
		c := r.law()
		for i, class := range order[1:] {
			if c.Shed[order[i]]+20 < c.Shed[class] || c.Shed[order[0]] == 0 { // two rounds: memory is counted by the page
				t.Errorf("shed %v, want the most of %v", c.Shed, order)
			}
		}
		for class, n := range c.Shed {
			if n > 0 && !slices.Contains(order, record.Class(class)) {
				t.Errorf("shed %v, want none but of %v", c.Shed, order)
			}
		}
		if c.Evicted.Sum() == 0 {
			t.Error("nothing evicted from a full memory")
		}
		if used := r.l.Stats().Memory; used > o.Memory {
			t.Errorf("memory tier %d of %d", used, o.Memory)
		}
		st := r.l.Stats()
		if st.DiskErrors == 0 || st.DiskError == "" {
			t.Error("disk errors not shown")
		}
		s.set(func() { s.fail = nil })
		fc.start()
		time.Sleep(2 * time.Minute)
		c = r.law()
		if c.InMemory+c.Spooled > 0 && c.Confirmed == 0 {
			t.Errorf("%+v", c.Counts)
		}
		if n := uint64(fc.count()); n != c.Made-c.Shed.Sum()-c.Evicted.Sum() {
			t.Errorf("arrived %d; made %d, shed %d, evicted %d", n, c.Made, c.Shed.Sum(), c.Evicted.Sum())
		}
		r.stop()
		fc.stop()
	})
}

func TestSpoolFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		s.max = 3000
		r := newRig(t, fc.opts(s))
		r.add(1000, record.Call, 700)
		time.Sleep(70 * time.Second) // confirmed
		fc.kill()
		for range 100 {
			r.add(100, record.Call, 700)
			time.Sleep(100 * time.Millisecond)
			r.law()
		}
		time.Sleep(2 * time.Second)
		if c := r.law(); c.Evicted.Sum() == 0 || c.Spooled != 3000 || r.spooled(s) != 3000 {
			t.Errorf("evicted %d, spooled %d, on disk %d", c.Evicted.Sum(), c.Spooled, r.spooled(s))
		}
		fc.start()
		for range 100 {
			r.add(10, record.Call, 700)
			time.Sleep(100 * time.Millisecond)
			r.law()
		}
		time.Sleep(time.Minute)
		c := r.law()
		if n := uint64(fc.count()); n+c.Evicted.Sum() != c.Made {
			t.Errorf("arrived %d, evicted %d, made %d", n, c.Evicted.Sum(), c.Made)
		}
		r.stop()
		fc.stop()
	})
}

func TestDrainRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		o := fc.opts(s, func(c *Collector) { c.DrainRate = 500 })
		o.BackoffMax = time.Second
		r := newRig(t, o)
		r.add(5000, record.Call, 700)
		time.Sleep(2 * time.Second)
		fc.start()
		time.Sleep(5 * time.Second) // up to 1 s and a bit of that is backoff
		n := fc.count()
		if n < 1000 || n > 3000 {
			t.Errorf("%d records drained in 5 s at 500/s", n)
		}
		if c := r.law(); c.State != Draining {
			t.Errorf("state %v", c.State)
		}
		time.Sleep(20 * time.Second)
		r.whole(fc, 5000)
		r.stop()
		fc.stop()
	})
}

// What is too old stays on disk, whatever the order and over a restart; the rest is
// sent, and the books balance.
func TestHeldBack(t *testing.T) {
	for _, order := range []string{"live", "strict"} {
		t.Run(order, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				fc, s := newFakeCollector(), newFakeSpool()
				fc.dead = true
				var first, young atomic.Uint64
				o := fc.opts(s, func(c *Collector) {
					c.Strict = order == "strict"
					c.Hold = func(rec []byte) bool { seq := seqOf(rec); return seq < first.Load()+young.Load() }
				})
				r := newRig(t, o)
				first.Store(r.l.first)
				young.Store(3000)
				r.add(5000, record.Call, 700)
				time.Sleep(5 * time.Second)
				fc.start()
				time.Sleep(2 * time.Minute)
				r.add(10, record.Call, 700)
				time.Sleep(2 * time.Minute)
				c := r.law()
				if c.Held != 3000 || c.Spooled != 3000 || c.Backlog != 0 || c.Confirmed != 2010 || c.State != Up {
					t.Errorf("held %d, spooled %d, backlog %d, confirmed %d, state %v", c.Held, c.Spooled, c.Backlog, c.Confirmed, c.State)
				}
				if n := fc.count(); n != 2010 || r.spooled(s) != 3000 {
					t.Errorf("%d arrived, %d on disk", n, r.spooled(s))
				}
				r.stop()

				young.Store(2000) // of the 3,000, the younger ones may be sent by now
				s = s.crash()
				o.Spool = s
				r = newRig(t, o)
				time.Sleep(3 * time.Minute)
				if c := r.law(); c.Held != 2000 || c.Spooled != 2000 || c.State != Up || fc.count() != 3010 {
					t.Errorf("after a restart: held %d, spooled %d, state %v, %d arrived", c.Held, c.Spooled, c.State, fc.count())
				}
				r.stop()
				fc.stop()
			})
		})
	}
}

// Records that grow too old while a backlog drains are held back once what is before
// them is confirmed; a connection that breaks meanwhile loses nothing of that.
func TestHeldBackWhileDraining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		var first, young atomic.Uint64
		r := newRig(t, fc.opts(s, func(c *Collector) {
			c.DrainRate = 500
			c.Hold = func(rec []byte) bool {
				seq := seqOf(rec) - first.Load()
				return seq >= 2000 && seq < young.Load() // the first 2,000 are sent before they are too old
			}
		}))
		first.Store(r.l.first)
		r.add(5000, record.Call, 700)
		time.Sleep(5 * time.Second)
		fc.start()
		time.Sleep(2 * time.Second)
		young.Store(4000)
		time.Sleep(3 * time.Second)
		fc.kill()
		time.Sleep(time.Second)
		fc.start()
		time.Sleep(5 * time.Minute)
		c := r.law()
		if c.Held == 0 || c.Held != c.Spooled || c.State != Up || uint64(fc.count()) != 5000-c.Held {
			t.Errorf("held %d, spooled %d, state %v, %d arrived", c.Held, c.Spooled, c.State, fc.count())
		}
		fc.mu.Lock()
		for i := range uint64(5000) {
			if (i < 2000 || i >= 4000) && fc.got[r.l.first+i] == 0 {
				t.Errorf("record %d is missing", i)
			}
		}
		fc.mu.Unlock()
		r.stop()
		fc.stop()
	})
}

// What is held back makes room like anything else that is old.
func TestHeldBackIsEvicted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead, s.max = true, 4000
		var first atomic.Uint64
		r := newRig(t, fc.opts(s, func(c *Collector) { c.Hold = func(rec []byte) bool { return seqOf(rec) < first.Load()+1000 } }))
		first.Store(r.l.first)
		r.add(2000, record.Call, 700)
		time.Sleep(5 * time.Second)
		fc.start()
		time.Sleep(2 * time.Minute)
		if c := r.law(); c.Held != 1000 {
			t.Fatalf("held %d", c.Held)
		}
		fc.kill()
		for range 5 {
			r.add(700, record.Call, 700)
			time.Sleep(2 * time.Second)
		}
		c := r.law()
		if c.Evicted.Sum() == 0 || c.Held+c.Evicted.Sum() != 1000 {
			t.Errorf("held %d, evicted %d", c.Held, c.Evicted.Sum())
		}
		r.stop()
		fc.stop()
	})
}

func TestLiveGoesFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		r := newRig(t, fc.opts(s, func(c *Collector) { c.DrainRate = 500 }))
		r.add(5000, record.Call, 700)
		time.Sleep(2 * time.Second)
		fc.start()
		for r.l.Stats().Collectors[0].State != Draining { // the pause before the next attempt is random
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond)
		r.add(10, record.Call, 700)
		time.Sleep(100 * time.Millisecond)
		if c := r.law(); c.Spooled < 1000 {
			t.Fatalf("the backlog is gone already: %d", c.Spooled)
		}
		fc.mu.Lock()
		for i := range 10 {
			if fc.got[r.l.first+5000+uint64(i)] == 0 {
				t.Errorf("live record %d waits behind the backlog", i)
			}
		}
		fc.mu.Unlock()
		r.stop()
		fc.stop()
	})
}

func TestDatagramRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.datagram = true
		r := newRig(t, fc.opts(s, func(c *Collector) { c.Datagram = true }))
		n := 0
		add := func(k int) {
			for range k {
				r.add(10, record.Call, 700)
				n += 10
				time.Sleep(100 * time.Millisecond)
				r.law()
			}
		}
		add(100)
		if c := r.law(); c.SentUnconfirmed == 0 || c.Confirmed != 0 || s.commits != 1 {
			t.Errorf("sent %d, confirmed %d, commits %d", c.SentUnconfirmed, c.Confirmed, s.commits)
		}
		fc.set(func() { fc.dead = true })
		add(100)
		if c := r.law(); c.State == Up || c.Spooled < 900 {
			t.Errorf("state %v, spooled %d", c.State, c.Spooled)
		}
		fc.set(func() { fc.dead = false })
		add(100)
		time.Sleep(time.Minute)
		r.whole(fc, n)
		if c := r.law(); c.SentUnconfirmed != uint64(n) || c.Confirmed != 0 || c.State != Up {
			t.Errorf("sent %d of %d, confirmed %d, state %v", c.SentUnconfirmed, n, c.Confirmed, c.State)
		}
		r.stop()
		fc.stop()
	})
}

// A port that refused in the middle of a backlog has it all soon after it is open
// again: there is no record in doubt, for which it would be tried one by one.
func TestDatagramRefusedWhileDraining(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.datagram, fc.dead = true, true
		r := newRig(t, fc.opts(s, func(c *Collector) { c.Datagram = true }))
		until := func(ok func(CollectorStats) bool) {
			t.Helper()
			for end := time.Now().Add(time.Minute); !ok(r.law()); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("it does not come to that: %+v", r.law())
				}
			}
		}
		const n = 20000 // four seconds' worth
		for range n / 100 {
			r.add(100, record.Call, 700)
			time.Sleep(20 * time.Millisecond)
		}
		until(func(c CollectorStats) bool { return c.Spooled > n/20*19 })
		fc.set(func() { fc.dead = false })
		until(func(c CollectorStats) bool { return c.Spooled < n/10*9 })
		if got := fc.count(); got > n/2 {
			t.Errorf("%d were sent within a second", got)
		}
		broken := r.law().Broken
		fc.set(func() { fc.dead = true })
		until(func(c CollectorStats) bool { return c.Broken > broken })
		fc.set(func() { fc.dead = false })
		left := r.law().Spooled
		until(func(c CollectorStats) bool { return c.Spooled < left }) // the pause before another attempt is any length
		time.Sleep(10 * time.Second)
		if c := r.law(); c.Spooled != 0 {
			t.Errorf("nobody refuses, and %d still wait", c.Spooled)
		}
		r.whole(fc, n)
		r.stop()
		fc.stop()
	})
}

// A kernel that does not say each time that a port refuses costs little all the same: after a refusal
// live records too go by degrees, and the rest waits.
func TestDatagramRefusedNowAndThen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.datagram, fc.untold = true, 2500*time.Millisecond
		r := newRig(t, fc.opts(s, func(c *Collector) { c.Datagram = true }))
		n := 0
		add := func(seconds int) {
			for range seconds * 10 {
				r.add(100, record.Call, 700)
				n += 100
				time.Sleep(100 * time.Millisecond)
			}
			r.law()
		}
		add(5)
		fc.set(func() { fc.dead = true })
		add(60)
		fc.set(func() { fc.dead = false })
		add(5)
		time.Sleep(2 * time.Minute)
		c := r.law()
		lost := n - fc.count()
		t.Logf("of 60000 that were made while the port refused %d were lost, in %d attempts", lost, c.Broken)
		if lost > 6000 || c.InMemory+c.Spooled != 0 {
			t.Errorf("%d lost, and %d still wait", lost, c.InMemory+c.Spooled)
		}
		r.stop()
		fc.stop()
	})
}

// While a backlog drains at a limited rate it is known how far that is, and how long it will take,
// whatever the live lane takes of the rate.
func TestDrainProgress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		r := newRig(t, fc.opts(s, func(c *Collector) { c.DrainRate = 500 }))
		const waiting = 20000
		for range waiting / 200 {
			r.add(200, record.Call, 700)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		if c := r.law(); c.Left != 0 || c.Most != c.Backlog || c.Backlog < waiting/4*3 {
			t.Errorf("before: %d of %d wait, %v left", c.Backlog, c.Most, c.Left)
		}
		fc.start()
		r.l.Retry()
		type point struct {
			at   time.Time
			left time.Duration
		}
		var points []point
		most, had := r.law().Most, uint64(waiting+1)
		for {
			r.add(100, record.Call, 700) // 200 a second
			time.Sleep(500 * time.Millisecond)
			c := r.law()
			if c.Backlog == 0 {
				break
			}
			if c.Backlog > had || c.Most != most || len(points) > 1000 {
				t.Fatalf("%d wait after %d, of %d", c.Backlog, had, c.Most)
			}
			had = c.Backlog
			points = append(points, point{time.Now(), c.Left})
		}
		took := time.Since(points[0].at)
		if took < 50*time.Second || took > 80*time.Second {
			t.Errorf("20000 at 300 a second took %v", took)
		}
		for i, p := range points {
			really := time.Since(p.at)
			if off := (p.left - really).Abs(); i > 20 && off > really/5+3*time.Second {
				t.Errorf("after %v: %v left, was said to be %v", took-really, really, p.left)
			}
		}
		time.Sleep(3 * time.Second)
		if c := r.law(); c.Left != 0 || c.Most != 0 {
			t.Errorf("afterwards: %d, %v left", c.Most, c.Left)
		}
		time.Sleep(time.Minute)
		r.stop()
		fc.stop()
	})
}

// What waits for its next attempt makes it when it is told that there is a way again,
// and waits as briefly as at first when that was wrong.
func TestRetry(t *testing.T) {
	for _, strict := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			fc, s := newFakeCollector(), newFakeSpool()
			fc.dead = true
			r := newRig(t, fc.opts(s, func(c *Collector) { c.Strict = strict }))
			r.add(100, record.Call, 700)
			time.Sleep(5 * time.Minute)
			dials := r.law().Dials
			time.Sleep(10 * time.Second)
			if n := r.law().Dials - dials; n > 1 {
				t.Fatalf("%d attempts in 10 s after five minutes", n)
			}
			for range 3 { // a cable that comes before the address
				dials = r.law().Dials
				r.l.Retry()
				time.Sleep(time.Millisecond)
				if n := r.law().Dials - dials; n != 1 {
					t.Fatalf("%d attempts at once", n)
				}
				time.Sleep(time.Second)
				if n := r.law().Dials - dials; n < 3 {
					t.Errorf("%d attempts in the second after it", n)
				}
				time.Sleep(5 * time.Minute)
			}
			fc.start()
			r.l.Retry()
			time.Sleep(100 * time.Millisecond)
			if c := r.law(); c.State != Up && c.State != Draining {
				t.Errorf("%v: %s", c.State, c.Reason)
			}
			r.l.Retry() // of no use to who is connected
			dials = r.law().Dials
			r.add(100, record.Call, 700)
			time.Sleep(time.Minute)
			r.whole(fc, 200)
			if n := r.law().Dials - dials; n > 6 {
				t.Errorf("%d attempts while it is there", n)
			}
			r.stop()
			fc.stop()
		})
	}
}

func TestTwoCollectors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, s := newFakeCollector(), newFakeCollector(), newFakeSpool()
		b.dead = true
		o := a.opts(s)
		o.Collectors = append(o.Collectors, Collector{Name: "b", Dial: b.dial, NewEncoder: func() Encoder { return &testEncoder{} }})
		r := newRig(t, o)
		for range 100 {
			r.add(20, record.Call, 700)
			time.Sleep(100 * time.Millisecond)
			r.law()
		}
		if a.count() != 2000 {
			t.Errorf("%d of 2000 arrived at a", a.count())
		}
		if st := r.l.Stats(); st.Collectors[1].Spooled < 1700 {
			t.Errorf("b's spooled %d", st.Collectors[1].Spooled)
		}
		b.start()
		time.Sleep(time.Minute)
		if b.count() != 2000 {
			t.Errorf("%d of 2000 arrived at b", b.count())
		}
		time.Sleep(time.Minute)
		if s.len() != 0 {
			t.Errorf("%d left on disk", s.len())
		}
		r.stop()
		a.stop()
		b.stop()
	})
}

func TestDamagedSpool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		r := newRig(t, fc.opts(s))
		r.add(1000, record.Call, 700)
		time.Sleep(5 * time.Second)
		s.set(func() { s.damage = true })
		r.add(1000, record.Call, 700)
		time.Sleep(5 * time.Second)
		r.law()
		if st := r.l.Stats(); st.Damages != 1 || s.len() != 1000 {
			t.Errorf("%d damages, %d on disk", st.Damages, s.len())
		}
		fc.start()
		time.Sleep(2 * time.Minute)
		c := r.law()
		if c.Damaged != 1000 || c.Confirmed != 1000 || c.Spooled != 0 || fc.count() != 1000 {
			t.Errorf("damaged %d, confirmed %d, spooled %d, arrived %d", c.Damaged, c.Confirmed, c.Spooled, fc.count())
		}
		r.stop()
		fc.stop()
	})
}

// TestCursorSurvivesRestart checks that a restart in the middle of a drain
// sends little again, and nothing is lost.
func TestCursorSurvivesRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		rate := func(c *Collector) { c.DrainRate = 500 }
		o := fc.opts(s, rate)
		o.BarrierBytes = 64 << 10
		r := newRig(t, o)
		r.add(10000, record.Call, 700)
		time.Sleep(3 * time.Second)
		fc.start()
		time.Sleep(12 * time.Second)
		first := r.l.first
		s2 := s.crash()
		r.stop()
		n := fc.count()
		o = fc.opts(s2, rate)
		r2 := newRig(t, o)
		c := r2.law()
		if c.CarriedIn >= 10000 || c.CarriedIn < 10000-uint64(n) {
			t.Errorf("carried in %d, %d had arrived", c.CarriedIn, n)
		}
		time.Sleep(2 * time.Minute)
		c = r2.law()
		if c.Confirmed != c.CarriedIn || s2.len() != 0 {
			t.Errorf("confirmed %d of %d, %d on disk", c.Confirmed, c.CarriedIn, s2.len())
		}
		for i := range uint64(10000) {
			if fc.got[first+i] == 0 {
				t.Fatalf("record %d is missing", i)
			}
		}
		r2.stop()
		fc.stop()
	})
}

func TestBreakStoresAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		r := newRig(t, fc.opts(s))
		fc.set(func() { fc.frozen = true })
		r.add(100, record.Call, 700)
		time.Sleep(50 * time.Millisecond) // acknowledged, and too young to be spilled for its age
		fc.kill()
		time.Sleep(200 * time.Millisecond)
		if c := r.law(); c.Spooled != 100 || s.len() != 100 {
			t.Errorf("spooled %d, on disk %d", c.Spooled, s.len())
		}
		r.stop()
		fc.stop()
	})
}

// TestFrozenAfterAnswering checks that a collector which has answered once never
// falls back, however many barriers time out.
func TestFrozenAfterAnswering(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.kernel = 16 << 20
		o := fc.opts(s)
		o.Tail = 64 << 10
		r := newRig(t, o)
		r.add(100, record.Call, 700)
		time.Sleep(70 * time.Second)
		if c := r.law(); c.Confirmed != 100 {
			t.Fatalf("confirmed %d", c.Confirmed)
		}
		fc.set(func() { fc.frozen = true })
		for range 300 {
			r.add(20, record.Call, 700)
			time.Sleep(time.Second)
			if c := r.law(); c.Fallback || c.Released > 0 || c.Confirmed != 100 {
				t.Fatalf("fallback %v, released %d, confirmed %d", c.Fallback, c.Released, c.Confirmed)
			}
		}
		if c := r.law(); c.NoAnswer < 3 || c.State == Up {
			t.Errorf("%d barriers timed out, state %v", c.NoAnswer, c.State)
		}
		fc.kill()
		time.Sleep(time.Second)
		fc.start()
		time.Sleep(2 * time.Minute)
		r.whole(fc, 6100)
		r.stop()
		fc.stop()
	})
}

// TestFrozenHandshake checks that a connection at its barrier is half-closed and judged
// while nobody answers the handshake of the next one, and that the collector is down as
// soon as that has failed.
func TestFrozenHandshake(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.kernel = 16 << 20
		o := fc.opts(s)
		errHandshake := errors.New("no answer to the handshake")
		o.Collectors[0].Dial = func(ctx context.Context) (Conn, error) {
			fc.mu.Lock()
			frozen := fc.frozen
			fc.mu.Unlock()
			if !frozen {
				return fc.dial(ctx)
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Second):
				return nil, errHandshake
			}
		}
		r := newRig(t, o)
		r.add(100, record.Call, 700)
		time.Sleep(70 * time.Second)
		fc.set(func() { fc.frozen = true })
		before := r.law()
		r.add(6000, record.Call, 700) // a barrier's worth
		time.Sleep(1500 * time.Millisecond)
		if c := r.law(); c.Barriers != before.Barriers+1 || c.State != Connecting {
			t.Errorf("%d barriers after %d, state %v", c.Barriers, before.Barriers, c.State)
		}
		time.Sleep(10 * time.Second)
		if c := r.law(); c.State == Up || c.Reason != errHandshake.Error() || c.NoAnswer != 1 || c.Confirmed != 100 {
			t.Errorf("state %v (%s), %d not answered, %d confirmed", c.State, c.Reason, c.NoAnswer, c.Confirmed)
		}
		fc.kill()
		time.Sleep(time.Second)
		fc.start()
		time.Sleep(2 * time.Minute)
		r.whole(fc, 6100)
		r.stop()
		fc.stop()
	})
}

package uplink

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture/record"
)

// byNumber says that this run's first records are too old, up to limit, and that every
// tenth cannot tell.
func byNumber(first, limit *atomic.Uint64) func([]byte) (bool, bool) {
	return func(rec []byte) (bool, bool) {
		n := seqOf(rec) - first.Load()
		if n%10 == 9 {
			return false, false
		}
		return n < limit.Load(), true
	}
}

// What is too old goes, is counted by its class, and is not there after a crash; the
// rest arrives.
func TestExpired(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		var first, limit atomic.Uint64
		o := fc.opts(s)
		o.Expired = byNumber(&first, &limit)
		r := newRig(t, o)
		first.Store(r.l.first)
		r.add(1000, record.Call, 700)
		r.add(4000, record.Periodic, 700)
		time.Sleep(time.Minute)
		if c := r.law(); c.Expired.Sum() != 0 || c.Spooled != 5000 {
			t.Fatalf("expired %v, spooled %d, though none is too old", c.Expired, c.Spooled)
		}
		limit.Store(3005)
		time.Sleep(30 * time.Second)
		c := r.law()
		if c.Expired[record.Call] != 1000 || c.Expired[record.Periodic] != 2005 || c.Spooled != 1995 || c.Evicted.Sum() != 0 {
			t.Errorf("expired %v, spooled %d, evicted %v", c.Expired, c.Spooled, c.Evicted)
		}
		if n := s.len(); n != 1995 || r.spooled(s) != 1995 {
			t.Errorf("%d on disk", n)
		}
		s = s.crash()
		r.stop()

		o.Spool = s
		r = newRig(t, o)
		if c := r.law(); c.CarriedIn != 1995 {
			t.Errorf("%d carried in", c.CarriedIn)
		}
		fc.start()
		time.Sleep(2 * time.Minute)
		if c := r.law(); c.Confirmed != 1995 || c.Spooled != 0 || fc.count() != 1995 {
			t.Errorf("confirmed %d, spooled %d, %d arrived", c.Confirmed, c.Spooled, fc.count())
		}
		r.stop()
		fc.stop()
	})
}

// A record that cannot tell stays while what comes after it is young, and whatever
// comes before a young one.
func TestExpiredCannotTell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		var first atomic.Uint64
		o := fc.opts(s)
		o.Expired = func(rec []byte) (bool, bool) {
			n := seqOf(rec) - first.Load()
			return n == 1 || n == 6, n == 1 || n == 5 || n == 6 // 0 cannot tell, 2 to 4 cannot, 5 is young
		}
		r := newRig(t, o)
		first.Store(r.l.first)
		r.add(10, record.Call, 700)
		time.Sleep(time.Minute)
		if c := r.law(); c.Expired.Sum() != 2 || c.Spooled != 8 {
			t.Errorf("expired %d, spooled %d", c.Expired.Sum(), c.Spooled)
		}
		r.stop()
		fc.stop()
	})
}

// Records that get too old while they are on their way, or while the disk fails, are
// booked once.
func TestExpiredWhileSending(t *testing.T) {
	for _, fault := range []string{"frozen", "slow", "disk"} {
		t.Run(fault, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				fc, s := newFakeCollector(), newFakeSpool()
				fc.dead = true
				var first, limit atomic.Uint64
				o := fc.opts(s, func(c *Collector) { c.DrainRate = 200 })
				o.Expired = byNumber(&first, &limit)
				r := newRig(t, o)
				first.Store(r.l.first)
				r.add(10000, record.Call, 700)
				time.Sleep(15 * time.Second)
				fc.start()
				for fc.count() < 500 {
					time.Sleep(100 * time.Millisecond)
				}
				switch fault {
				case "frozen":
					fc.set(func() { fc.frozen = true })
				case "disk":
					s.set(func() { s.fail = errors.New("sick") })
				}
				limit.Store(8005)
				for range 200 {
					time.Sleep(100 * time.Millisecond)
					r.law()
				}
				switch fault {
				case "frozen":
					fc.kill()
					time.Sleep(time.Second)
					fc.start()
				case "disk":
					s.set(func() { s.fail = nil })
				}
				time.Sleep(3 * time.Minute)
				c := r.law()
				if c.Spooled != 0 || c.InMemory != 0 || c.Expired[record.Call] == 0 || c.Confirmed+c.Expired.Sum() != 10000 {
					t.Errorf("confirmed %d, expired %v, spooled %d", c.Confirmed, c.Expired, c.Spooled)
				}
				if n := uint64(fc.count()); n < c.Confirmed {
					t.Errorf("%d arrived of %d confirmed", n, c.Confirmed)
				}
				fc.mu.Lock()
				for i := uint64(8005); i < 10000; i++ {
					if fc.got[r.l.first+i] == 0 {
						t.Fatalf("record %d, which is young, is missing", i)
					}
				}
				fc.mu.Unlock()
				r.stop()
				fc.stop()
			})
		})
	}
}

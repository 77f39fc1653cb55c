package uplink

import (
	"errors"
	"testing"
	"time"

	"heptap/capture/record"
)

// TestLateSpool: a run whose disk did not work keeps its records in memory, and stores at its end what
// nobody has confirmed behind what an earlier run left. The next run sends it all.
func TestLateSpool(t *testing.T) {
	bubble(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour) // a bubble begins in 2000
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		r := newRig(t, fc.opts(s))
		r.add(300, record.Call, 700)
		time.Sleep(3 * time.Second)
		r.stop()
		s = s.crash()

		sick := true
		o := fc.opts(nil)
		o.Spool = nil
		o.Late = func() (Spool, error) {
			if sick {
				return nil, errors.New("read-only")
			}
			return s, nil
		}
		r = newRig(t, o)
		fc.start()
		r.add(200, record.Call, 700)
		time.Sleep(2 * time.Minute)
		if c := r.law(); c.Confirmed != 200 || fc.count() != 200 {
			t.Errorf("confirmed %d of 200 without a disk, arrived %d", c.Confirmed, fc.count())
		}
		fc.kill()
		r.add(100, record.Call, 700)
		time.Sleep(time.Second)
		sick = false
		r.stop()
		if c := r.law(); c.CarriedIn != 300 || c.Spooled != 400 || c.InMemory != 0 || s.len() != 400 {
			t.Errorf("carried in %d, spooled %d, in memory %d, on disk %d", c.CarriedIn, c.Spooled, c.InMemory, s.len())
		}

		fc.start()
		r = newRig(t, fc.opts(s.crash()))
		time.Sleep(2 * time.Minute)
		if c := r.law(); c.CarriedIn != 400 || c.Confirmed != 400 || fc.count() != 600 {
			t.Errorf("carried in %d, confirmed %d, arrived %d", c.CarriedIn, c.Confirmed, fc.count())
		}
		r.stop()
		fc.stop()
	})
}

// TestLateSpoolAhead: a spool whose numbers are ahead is left as it is.
func TestLateSpoolAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool() // in 2000, both runs begin at the same number
		fc.dead = true
		r := newRig(t, fc.opts(s))
		r.add(300, record.Call, 700)
		time.Sleep(3 * time.Second)
		r.stop()
		s = s.crash()
		o := fc.opts(nil)
		o.Spool = nil
		o.Late = func() (Spool, error) { return s, nil }
		r = newRig(t, o)
		r.add(10, record.Call, 700)
		r.stop()
		if c := r.law(); c.InMemory != 10 || s.len() != 300 || s.closed != 1 {
			t.Errorf("in memory %d, on disk %d, closed %d times", c.InMemory, s.len(), s.closed)
		}
		fc.stop()
	})
}

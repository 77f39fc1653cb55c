package uplink

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"heptap/capture/record"
)

// What went wrong last is known when all is well again, and how old the oldest record is
// that waits, also when it waited in the run before.
func TestPast(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		began := time.Now()
		var known atomic.Bool
		known.Store(true)
		made := func(rec []byte) (time.Time, bool) { return began.Add(-time.Hour), known.Load() }
		o := fc.opts(s)
		o.Made = made
		r := newRig(t, o)
		time.Sleep(10 * time.Second)
		if c := r.law(); !c.Oldest.IsZero() || c.Trouble == "" || c.Trouble != c.Reason || time.Since(c.TroubleAt) > 31*time.Second {
			t.Errorf("nothing waits: %+v", c.Past)
		}
		r.add(100, record.Call, 700)
		time.Sleep(10 * time.Second)
		if c := r.law(); !c.Oldest.Equal(began.Add(-time.Hour)) {
			t.Errorf("some wait: %+v", c.Past)
		}
		known.Store(false)
		time.Sleep(6 * time.Second)
		if c := r.law(); !c.Oldest.IsZero() {
			t.Errorf("the time is not known: %+v", c.Past)
		}
		known.Store(true)
		s = s.crash()
		r.stop()

		o.Spool = s
		r = newRig(t, o)
		time.Sleep(6 * time.Second)
		if c := r.law(); c.CarriedIn != 100 || !c.Oldest.Equal(began.Add(-time.Hour)) {
			t.Errorf("after a restart: %+v, %d carried in", c.Past, c.CarriedIn)
		}
		fc.start()
		time.Sleep(2 * time.Minute)
		c := r.law()
		if c.Spooled != 0 || !c.Oldest.IsZero() || c.Reason != "" || c.Trouble == "" || time.Since(c.TroubleAt) < time.Minute {
			t.Errorf("all is well: %q, %+v", c.Reason, c.Past)
		}
		if n := c.BacklogBytes(0, 0); n != 0 {
			t.Errorf("%d octets wait of nothing", n)
		}
		c.Backlog = 3
		if n := c.BacklogBytes(10, 1000); n != 300 {
			t.Errorf("%d octets wait", n)
		}
		r.stop()
		fc.stop()
	})
}

func TestOneLine(t *testing.T) {
	if s := oneLine(errors.Join(errors.New("a: no"), errors.New("b: no"))); s != "a: no; b: no" {
		t.Error(s)
	}
}

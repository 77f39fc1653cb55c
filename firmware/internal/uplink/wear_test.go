package uplink

import (
	"testing"
	"testing/synctest"
	"time"

	"heptap/capture/record"
)

// TestTrickle: what comes slowly in an outage makes two commits in SpillAfter at most, and none of it
// stays in memory alone for longer than that.
func TestTrickle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fc, s := newFakeCollector(), newFakeSpool()
		fc.dead = true
		r := newRig(t, severalOf(s, fc))
		commits := func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.commits
		}
		begun := commits() // that of Open
		const seconds, each = 60, 20
		for i := range seconds * each {
			r.add(1, record.Call, 300)
			time.Sleep(time.Second / each)
			synctest.Wait() // no commit is under way between the two
			n, u := r.of("a").InMemory, r.l.Stats().Unsaved
			if n > each*3/4 || u.Records != n || u.For > 800*time.Millisecond {
				t.Fatalf("after %d records %d are in memory alone, said to be %+v", i+1, n, u)
			}
		}
		if most := r.l.Stats().Unsaved.Most; most < 500*time.Millisecond || most > 750*time.Millisecond {
			t.Errorf("unsaved for %v at most", most)
		}
		if n := commits() - begun; n > 2*seconds || n < seconds {
			t.Errorf("%d commits in %d s", n, seconds)
		}
		r.stop()
		fc.stop()
	})
}

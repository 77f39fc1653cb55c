package uplink

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"heptap/capture/record"
)

// TestNotForAll: what is not for a collector is counted as filtered when it is made, and
// neither waits for it, nor is sent to it, nor lost by it, whatever happens.
func TestNotForAll(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { notForAll(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

// gone counts what was lost while it was under way: it is booked when its flight ends.
func (r *rig) gone(collector int) (n uint64) {
	r.l.mu.Lock()
	defer r.l.mu.Unlock()
	for _, f := range r.l.collectors[collector].flights {
		n += uint64(len(f.gone))
	}
	return n
}

func notForAll(t *testing.T, rnd *rand.Rand) {
	fcs := []*fakeCollector{newFakeCollector(), newFakeCollector(), newFakeCollector()}
	s := newFakeSpool()
	s.max = []int{0, 0, 700}[rnd.IntN(3)]
	options := func() Options {
		o := severalOf(s, fcs...)
		o.Collectors[1].Filtered, o.Collectors[2].Filtered = true, true
		o.Collectors[2].Strict = rnd.IntN(2) == 0
		o.Memory, o.BarrierBytes = 1<<20, 32<<10
		return o
	}
	var r *rig
	var bits [3]uint8
	reopen := func() {
		r = newRig(t, options())
		for i, name := range []string{"a", "b", "c"} {
			bit := r.l.Bit(name)
			if bits[i] != 0 && bit != bits[i] || (bit == 0) != (i == 0) {
				t.Fatalf("%s had bit %x, and has %x", name, bits[i], bit)
			}
			bits[i] = bit
		}
	}
	reopen()
	var made, filtered, lost [3]uint64 // what they were to have in all; the others of this run
	var not [3]map[uint64]bool         // numbers that they are not to have
	not[0], not[1], not[2] = map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
	var run [3]uint64
	check := func() {
		synctest.Wait()
		r.law()
		for i, name := range []string{"a", "b", "c"} {
			c := r.of(name)
			if c.Filtered != filtered[i] || c.Filtered > c.Made {
				t.Fatalf("%s: %d filtered, want %d", name, c.Filtered, filtered[i])
			}
			if n := r.spooledFor(s, i) + r.gone(i); c.Spooled != n {
				t.Fatalf("%s: %d on disk, %d counted", name, n, c.Spooled)
			}
			run[i] = c.Evicted.Sum() + c.Shed.Sum()
		}
	}
	next := func() uint64 {
		r.l.mu.Lock()
		defer r.l.mu.Unlock()
		return r.l.next
	}
	add := func(n int) {
		for range n {
			rec := testRecord(record.Class(rnd.IntN(int(record.NumClasses))), 100+rnd.IntN(900))
			rec.Skip = []uint8{0, bits[1], bits[2], bits[1] | bits[2]}[rnd.IntN(4)]
			seq := next()
			b, err := rec.AppendBinary(nil)
			if err == nil {
				err = r.l.Append(b)
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range made {
				if rec.Skip&bits[i] != 0 {
					filtered[i]++
					not[i][seq] = next() > seq // it took the number, and was not shed
				} else {
					made[i]++
				}
			}
		}
	}
	for range 60 {
		fc := fcs[rnd.IntN(3)]
		switch rnd.IntN(8) {
		case 0:
			fc.kill()
		case 1, 2:
			fc.start()
		case 3:
			fc.set(func() { fc.frozen = true })
		case 5:
			s.set(func() { s.fail = errors.New("no disk") })
			add(2000)
		case 6:
			s.set(func() { s.fail = nil })
		case 4:
			s.set(func() { s.fail = nil })
			time.Sleep(5 * time.Second)
			r.stop()
			check()
			for i := range lost {
				lost[i], filtered[i] = lost[i]+run[i], 0
			}
			reopen()
		}
		add(rnd.IntN(60))
		time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
		check()
	}
	s.set(func() { s.fail = nil })
	for _, fc := range fcs {
		fc.start()
	}
	time.Sleep(5 * time.Minute)
	check()
	for i, name := range []string{"a", "b", "c"} {
		fc, c := fcs[i], r.of(name)
		lost[i] += run[i]
		if c.Spooled != 0 {
			t.Errorf("%s: %d still on disk", name, c.Spooled)
		}
		got := uint64(fc.count())
		for seq, stored := range not[i] {
			if stored && fc.got[seq] > 0 {
				t.Errorf("%s has %d, which is not for it", name, seq)
			}
		}
		// What was lost while it was under way may have arrived all the same.
		if got > made[i] || got+lost[i] < made[i] {
			t.Errorf("%s has %d of %d, and lost %d", name, got, made[i], lost[i])
		}
	}
	r.stop()
	for _, fc := range fcs {
		fc.stop()
	}
}

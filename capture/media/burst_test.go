package media_test

import (
	"math/rand/v2"
	"testing"

	"heptap/capture/media"
)

// RFC 3611 4.7.2 by its definition, over the numbers that never came.
func burstsOf(missing []bool) (n, numbers, gone uint64) {
	first, last, lost := 0, -1, uint64(0)
	end := func() {
		if lost > 1 {
			n, numbers, gone = n+1, numbers+uint64(last-first+1), gone+lost
		}
		lost = 0
	}
	for i, m := range missing {
		if !m {
			continue
		}
		if lost == 0 || i-last-1 >= 16 {
			end()
			first = i
		}
		last = i
		lost++
	}
	end()
	return n, numbers, gone
}

func TestBursts(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 9))
		n := 50 + rng.IntN(3000)
		missing := make([]bool, n)
		rate := []float64{0, 0.001, 0.02, 0.1, 0.4}[seed%5]
		for i := 1; i < n-1; i++ {
			switch {
			case rng.Float64() < rate:
				missing[i] = true
			case rng.Float64() < 0.001: // an outage, up to longer than the window
				for j := i; j < min(n-1, i+rng.IntN(400)); j++ {
					missing[j] = true
				}
			}
		}
		tab, s := media.New(media.Config{Streams: 4}), newSender(1)
		var last *int
		for i := range n {
			if missing[i] || last != nil && *last == i {
				continue
			}
			if i+3 < n && !missing[i+3] && rng.IntN(20) == 0 { // a late packet is not lost
				late := i
				if i > 0 {
					last = nil
					mustAdd(t, tab, s.packet(uint16(64000+i+3), uint32(i+3)*160, int64(i)*20*ms))
					mustAdd(t, tab, s.packet(uint16(64000+late), uint32(late)*160, int64(i)*20*ms))
					skip := i + 3
					last = &skip
					continue
				}
			}
			mustAdd(t, tab, s.packet(uint16(64000+i), uint32(i)*160, int64(i)*20*ms))
		}
		x := flush(tab)[0]
		wn, wnum, wgone := burstsOf(missing)
		if uint64(x.Bursts) != wn || uint64(x.BurstNumbers) != wnum || uint64(x.BurstMissing) != wgone {
			t.Errorf("seed %d: %d bursts of %d, %d missing; want %d, %d, %d", seed, x.Bursts, x.BurstNumbers, x.BurstMissing, wn, wnum, wgone)
		}
	}
}

// Telephone-events (RFC 4733 2.5.1): updates and the three ends of one event
// count once, no jitter comes of them, and no other payload is taken for one.
func TestTelephoneEvents(t *testing.T) {
	tab, s := media.New(media.Config{Streams: 4}), newSender(1)
	var now int64
	for range 100 {
		mustAdd(t, tab, s.next(now))
		now += 20 * ms
	}
	for key := range 5 {
		ts := s.ts
		for update := range 8 {
			s.seq++
			s.pt, s.mark = 101, update == 0
			p := s.packet(s.seq, ts, now)
			p.Payload = append(p.Payload[:12:12], byte(key), 10, byte(160*(min(update, 5)+1)>>8), byte(160*(min(update, 5)+1)))
			if update >= 5 {
				p.Payload[13] |= 0x80
			}
			mustAdd(t, tab, p)
			now += 20*ms + int64(key)*3*ms
		}
		s.pt, s.mark = 8, false
		s.ts += 160 * 8
		for range 20 {
			mustAdd(t, tab, s.next(now))
			now += 20 * ms
		}
	}
	x := flush(tab)[0]
	if x.Events != 5 || x.EventUnits != 5*960 || x.EventType != 101 || int64(x.MaxJitter) > int64(ms)/100 || x.PayloadType != 8 {
		t.Errorf("%d events, %d units, type %d, jitter %d", x.Events, x.EventUnits, x.EventType, x.MaxJitter)
	}
}

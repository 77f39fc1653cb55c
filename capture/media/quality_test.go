package media_test

import (
	"math"
	"testing"
	"time"

	"heptap/capture/media"
)

func TestQuality(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		codec         string
		loss, burst   float64
		delay, jitter time.Duration
		r, mos        float64
	}{
		{"PCMU", 0, 1, 0, 0, 93.2, 4.409},
		{"pcma", 0, 1, 0, 0, 93.2, 4.409},
		{"PCMU", 1, 1, 0, 0, 93.2 - 95.0/26.1, 4.328},                // 1 % with concealment
		{"PCMU", 5, 1, 0, 0, 93.2 - 95*5/30.1, 3.923},                //
		{"PCMU-noplc", 1, 1, 0, 0, 93.2 - 95/5.3, 3.834},             // without
		{"PCMU", 5, 2, 0, 0, 93.2 - 95*5/(2.5+25.1), 3.864},          // in bursts
		{"G729", 0, 1, 0, 0, 82.2, 4.104},                            //
		{"G729", 2, 1, 0, 0, 82.2 - 84*2/21.0, 3.787},                //
		{"PCMU", 0, 1, 100 * ms, 0, 93.2 - 2.4, 4.358},               //
		{"PCMU", 0, 1, 100 * ms, 50 * ms, 93.2 - 4.8 - 2.497, 4.226}, // 200 ms in all
		{"PCMU", 100, 1, 0, 0, 93.2 - 95*100/125.1, 1.177},           //
		{"G722", 0, 1, 0, 0, 116 / 1.29, 4.337},                      //
		{"AMR", 0, 1, 0, 0, 88.2, 4.292},                             //
	} {
		r, mos := media.Quality(c.codec, c.loss, c.burst, c.delay, c.jitter)
		if math.Abs(r-c.r) > 0.01 || math.Abs(mos-c.mos) > 0.001 {
			t.Errorf("%+v: R %.3f MOS %.3f", c, r, mos)
		}
	}
}

// MOS over R as ITU-T G.107 Annex B tabulates it.
func TestMOSOfR(t *testing.T) {
	for _, c := range []struct{ r, mos float64 }{{90, 4.34}, {80, 4.03}, {70, 3.60}, {60, 3.10}, {50, 2.58}} {
		lo, hi := 0.0, 100.0
		var r, mos float64
		for range 60 { // the loss that makes R
			mid := (lo + hi) / 2
			if r, mos = media.Quality("PCMU-NOPLC", mid, 1, 0, 0); r > c.r {
				lo = mid
			} else {
				hi = mid
			}
		}
		if math.Abs(r-c.r) > 1e-6 || math.Abs(mos-c.mos) > 0.006 {
			t.Errorf("R %v: MOS %v, want %v", r, mos, c.mos)
		}
	}
}

// Whatever goes in, the result is on the scale, and more loss, delay or jitter
// never sounds better.
func TestQualityIsMonotone(t *testing.T) {
	for _, codec := range []string{"PCMA", "G729", "G723", "GSM", "iLBC", "G722", "opus", "AMR", "AMR-WB", "no such codec", ""} {
		best, _ := media.Quality(codec, 0, 1, 0, 0)
		lastLoss, lastDelay, lastJitter := best, best, best
		for i := range 400 {
			loss, mos := media.Quality(codec, float64(i)/4, 1, 0, 0)
			delay, _ := media.Quality(codec, 0, 1, time.Duration(i)*time.Millisecond, 0)
			jitter, _ := media.Quality(codec, 0, 1, 0, time.Duration(i)*time.Millisecond)
			bursty, _ := media.Quality(codec, float64(i)/4, 3, 0, 0)
			if loss > lastLoss || delay > lastDelay || jitter > lastJitter || bursty > loss || mos < 1 || mos > 4.5 {
				t.Fatalf("%s at %d: loss %v after %v, delay %v after %v, jitter %v after %v, bursty %v, MOS %v",
					codec, i, loss, lastLoss, delay, lastDelay, jitter, lastJitter, bursty, mos)
			}
			lastLoss, lastDelay, lastJitter = loss, delay, jitter
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -5} {
		r, mos := media.Quality("PCMA", v, v, -time.Hour, -time.Hour)
		if !(r >= 0 && r <= 100 && mos >= 1 && mos <= 4.5) {
			t.Errorf("%v: R %v MOS %v", v, r, mos)
		}
	}
}

package probe

import (
	"math/rand/v2"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/record"
)

// options has no Call-ID, so that the correlator passes it on as it is.
const options = "OPTIONS sip:x SIP/2.0\r\nCSeq: 1 OPTIONS\r\nVia: SIP/2.0/UDP x\r\n\r\n"

// Workers hand over items at random, each no later than the watermark and its
// source's lag allow. What comes out is sorted by time, and all of it.
func TestMergeSorts(t *testing.T) {
	for seed := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var now, last int64
		out, sent := 0, 0
		workers := make([]*worker, 1+rng.IntN(4))
		for i := range workers {
			in := Input{Lag: time.Duration(rng.IntN(30)) * time.Millisecond}
			workers[i] = testWorker(in, 1, func() int64 { return now })
		}
		m := testMerge(workers, func() int64 { return now }, func(r *record.Record) {
			if r.Mono < last {
				t.Errorf("seed %d: %d after %d", seed, r.Mono, last)
			}
			last = r.Mono
			out++
		})
		at := make([]int64, len(workers))
		for range 400 {
			now += rng.Int64N(20e6)
			i := rng.IntN(len(workers))
			w := workers[i]
			oldest := now - int64(Watermark) - w.lag // what came before was handed over in time
			for at[i] = max(at[i], oldest); at[i] < now && rng.IntN(4) > 0; at[i] += rng.Int64N(5e6) {
				p := capture.Packet{Mono: at[i], Payload: []byte(options), Src: make([]byte, 4), Dst: make([]byte, 4),
					Protocol: capture.ProtoUDP, IPID: uint16(1 + sent)}
				if !w.cur.addPacket(&p, capture.SIP, p.Mono) {
					break
				}
				w.time = at[i]
				sent++
			}
			if len(w.cur.items) > 0 {
				w.send()
			}
			if w.time > w.progress.Load() && len(w.cur.items) == 0 && rng.IntN(2) == 0 {
				w.progress.Store(w.time)
			}
			if rng.IntN(2) == 0 {
				m.turn()
			}
		}
		for _, w := range workers {
			w.wait = true
			w.send()
			close(w.full)
		}
		for !m.done() {
			m.turn()
		}
		if out != sent || m.late.Load() != 0 {
			t.Fatalf("seed %d: %d of %d came out, %d late", seed, out, sent, m.late.Load())
		}
	}
}

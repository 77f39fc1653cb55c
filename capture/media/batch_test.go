package media_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"heptap/capture"
	"heptap/capture/media"
)

// ownCopy returns p as it would lie in a batch: with memory of its own.
func ownCopy(p *capture.Packet) capture.Packet {
	c := *p
	c.Src, c.Payload = bytes.Clone(p.Src), bytes.Clone(p.Payload)
	return c
}

// TestAddBatch counts the same packets one by one and in batches of all sizes:
// streams that begin, go on, lose and repeat packets, and noise between them.
func TestAddBatch(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		one, many := media.New(media.Config{Streams: 300}), media.New(media.Config{Streams: 300})
		s := newSender(0)
		seqs := make([]uint16, 400) // more than the tables hold
		var batch []capture.Packet
		var got, want []media.Snapshot
		for now := int64(0); now < 2000*ms; now += ms {
			i := rng.Uint32N(400)
			seqs[i] += uint16(rng.Uint32N(3))
			place(s, i)
			p := s.packet(seqs[i], uint32(seqs[i])*160, now)
			switch rng.IntN(10) {
			case 0:
				p.Payload = p.Payload[:rng.IntN(len(p.Payload))]
			case 1:
				p.Payload[0] = byte(rng.Uint32())
			}
			one.Add(p)
			batch = append(batch, ownCopy(p))
			if len(batch) == media.BatchSize || rng.IntN(8) == 0 {
				many.AddBatch(batch)
				batch = batch[:0]
				one.Snapshot(now, func(x *media.Snapshot) { want = append(want, *x) })
				many.Snapshot(now, func(x *media.Snapshot) { got = append(got, *x) })
			}
		}
		many.AddBatch(batch)
		got, want = append(got, flush(many)...), append(want, flush(one)...)
		if !slices.Equal(got, want) || len(want) < 100 {
			t.Fatalf("seed %d: %d snapshots, one by one %d", seed, len(got), len(want))
		}
		if a, b := many.Stats(), one.Stats(); a != b {
			t.Fatalf("seed %d: %+v, one by one %+v", seed, a, b)
		}
	}
}

// BenchmarkBatch is one packet of a batch, beside the same with Add: the
// streams' turns come at random. The time to make the packets is in both.
func BenchmarkBatch(b *testing.B) {
	for _, streams := range []int{100, 2000, 20_000, 100_000} {
		for _, batched := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/batched=%v", streams, batched), func(b *testing.B) { benchmarkBatch(b, streams, batched) })
		}
	}
}

func benchmarkBatch(b *testing.B, streams int, batched bool) {
	tab := media.New(media.Config{Streams: streams})
	var senders [media.BatchSize]*sender
	var batch [media.BatchSize]capture.Packet
	for i := range senders {
		senders[i] = newSender(0)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	seqs := make([]uint16, streams)
	fill := func() {
		for i, s := range senders {
			n := rng.Uint32N(uint32(streams))
			place(s, n)
			seqs[n]++
			batch[i] = *s.packet(seqs[n], uint32(seqs[n])*160, int64(seqs[n])*20*ms)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		fill()
		if batched {
			tab.AddBatch(batch[:])
			continue
		}
		for i := range batch {
			tab.Add(&batch[i])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*media.BatchSize), "ns/packet")
}

func TestBatchAllocs(t *testing.T) {
	tab := media.New(media.Config{Streams: 100})
	var batch []capture.Packet
	for i := range uint32(media.BatchSize) {
		s := newSender(i)
		batch = append(batch, ownCopy(s.packet(1, 160, 0)))
	}
	tab.AddBatch(batch)
	if n := testing.AllocsPerRun(1000, func() { tab.AddBatch(batch) }); n != 0 {
		t.Fatalf("%v allocations per batch", n)
	}
}

package media_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"heptap/capture"
	"heptap/capture/media"
)

// BenchmarkAdd is one packet: a jitter sample, a sequence step, nothing lost.
// Between 100 and 100,000 streams only the caches should tell.
func BenchmarkAdd(b *testing.B) {
	for _, streams := range []int{100, 2000, 10_000, 100_000} {
		for _, random := range []bool{false, true} {
			order := "inorder"
			if random {
				order = "random"
			}
			b.Run(fmt.Sprintf("%d/%s", streams, order), func(b *testing.B) { benchmarkAdd(b, streams, random) })
		}
	}
}

func benchmarkAdd(b *testing.B, streams int, random bool) {
	tab := media.New(media.Config{Streams: streams, Idle: time.Hour})
	s := newSender(0)
	seqs := make([]uint16, streams)
	order := make([]uint32, 1<<17)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range order {
		order[i] = uint32(i % streams)
		if random {
			order[i] = rng.Uint32N(uint32(streams))
		}
	}
	p := s.packet(0, 0, 0)
	add := func(i uint32, mono int64) {
		place(s, i)
		seqs[i]++
		binary.BigEndian.PutUint16(s.buf[2:], seqs[i])
		binary.BigEndian.PutUint32(s.buf[4:], uint32(seqs[i])*160)
		binary.BigEndian.PutUint32(s.buf[8:], s.ssrc)
		p.Mono, p.Wall = mono, mono
		if tab.Add(p) != media.Counted {
			b.Fatal("not counted")
		}
	}
	for range 60 {
		for i := range streams {
			add(uint32(i), int64(seqs[i])*20*ms)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for b.Loop() {
		i := order[n&(len(order)-1)]
		n++
		add(i, int64(seqs[i])*20*ms)
	}
}

// BenchmarkNoise is a datagram that begins a candidate and recycles another.
func BenchmarkNoise(b *testing.B) {
	tab := media.New(media.Config{})
	s := newSender(0)
	rng := rand.New(rand.NewPCG(1, 1))
	b.ReportAllocs()
	for b.Loop() {
		s.ssrc = rng.Uint32()
		tab.Add(s.packet(1, 1, 1))
	}
}

func BenchmarkSnapshotNothingDue(b *testing.B) {
	tab := media.New(media.Config{})
	s := newSender(0)
	for range 100 {
		tab.Add(s.next(0))
	}
	b.ReportAllocs()
	for b.Loop() {
		tab.Snapshot(1, func(*media.Snapshot) {})
	}
}

func BenchmarkSnapshotDue(b *testing.B) {
	const streams = 1000
	tab := media.New(media.Config{Idle: 1 << 62})
	s := newSender(0)
	for r := range 60 {
		for i := range uint32(streams) {
			place(s, i)
			tab.Add(s.packet(uint16(r), uint32(r)*160, int64(r)*20*ms))
		}
	}
	var now int64
	var seen, r int
	for b.Loop() {
		b.StopTimer()
		for i := range uint32(streams) {
			place(s, i)
			tab.Add(s.packet(uint16(60+r), uint32(r)*160, now))
		}
		r++
		b.StartTimer()
		now += 2 * second
		tab.Snapshot(now, func(x *media.Snapshot) { seen++ })
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(max(seen, 1)), "ns/snapshot")
}

// FuzzAdd feeds packets cut out of the input: whatever they are, the accounts
// balance and the snapshots make sense.
func FuzzAdd(f *testing.F) {
	s := newSender(1)
	var seed []byte
	for range 8 {
		p := s.next(0)
		seed = append(seed, 1, 1, 20, byte(len(p.Payload[:20])))
		seed = append(seed, p.Payload[:20]...)
	}
	f.Add(seed)
	f.Add([]byte("\x00\x00\x00\x0c\x80\x08\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tab := media.New(media.Config{Streams: 8})
		p := capture.Packet{Src: []byte{10, 0, 0, 1}, Dst: []byte{10, 0, 0, 2}, Protocol: capture.ProtoUDP, DstPort: 5000}
		var sent, packets, strays, copies uint64
		take := func(x *media.Snapshot) {
			if !x.Ended {
				return
			}
			packets += x.Packets
			strays += uint64(x.Strays)
			copies += uint64(x.Copies)
			if x.Packets == 0 || x.Expected == 0 || x.Missing > x.Expected || uint64(x.Reordered)+x.Duplicates > x.Packets ||
				uint64(x.LossEvents) > x.Missing || x.Lost != int64(x.Expected-x.Packets) || int64(x.Jitter) > int64(x.MaxJitter) ||
				int64(x.IntervalMaxJitter) > int64(x.MaxJitter) || int64(x.MaxJitter) > 2e9 || x.MaxDelta < x.IntervalMaxDelta ||
				uint64(x.BurstMissing) > uint64(x.BurstNumbers) || uint64(x.BurstMissing) > x.Missing || x.CopyLagMax > int64(time.Second) || x.CopyLagMean > x.CopyLagMax {
				t.Fatalf("%+v", *x)
			}
		}
		for len(b) >= 4 { // flow, flags, time, length, payload
			n := min(int(b[3]), len(b)-4)
			p.SrcPort = 1000 + 10*uint16(b[0])
			p.Truncated = b[1]&2 != 0
			p.IPID, p.TTL, p.Tunnel = uint16(b[1]>>2&1), b[1]>>3&1, uint32(b[1]&1)*uint32(b[0]&1)
			p.Mono += int64(int8(b[2])) * ms << (b[1] >> 4)
			p.Payload = b[4 : 4+n : 4+n]
			b = b[4+n:]
			tab.Add(&p)
			sent++
			if p.Truncated {
				tab.Snapshot(p.Mono, take)
			}
		}
		tab.Flush(take)
		st := tab.Stats()
		if st.Packets+st.NotRTP+st.Full != sent || st.Candidates+st.Confirmed != 0 ||
			st.Created != st.Ended+st.CandidatesExpired+st.CandidatesRecycled {
			t.Fatalf("%d sent, %+v", sent, st)
		}
		if st.CandidatesRecycled == 0 && packets+strays+copies != st.Packets || st.Copies > st.Packets {
			t.Fatalf("%d + %d in streams, %+v", packets, strays, st)
		}
	})
}

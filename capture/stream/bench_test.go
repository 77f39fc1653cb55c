package stream_test

import (
	"bytes"
	"testing"

	"heptap/capture"
	"heptap/capture/stream"
)

// message is 900 octets that end a line; half of it does not.
var message = append(bytes.Repeat([]byte("x"), 899), '\n')

// bench has conns connections that are known and idle, and one packet.
func bench(conns int, step int64) (a *stream.Assembler, p *capture.Packet, next []uint32, y *tally) {
	y = &tally{keep: true}
	a = stream.New(y.config(stream.Config{}))
	next = make([]uint32, conns)
	for n := range conns {
		a.Segment(flow(n, 0, S, 9, nil, 1))
		a.Segment(flow(n, 0, A, 10, message, 1))
		next[n] = 10 + uint32(len(message))
	}
	return a, flow(0, 0, A, 0, message, step), next, y
}

// aim makes p the next segment of connection n.
func aim(p *capture.Packet, n int, seq uint32, data []byte) {
	i := uint32(0x0b00_0000 + n>>4)
	p.Src[0], p.Src[1], p.Src[2], p.Src[3] = byte(i>>24), byte(i>>16), byte(i>>8), byte(i)
	p.SrcPort = 1024 + uint16(n&15)
	p.TCP.Seq, p.Payload, p.Length = seq, data, len(data)
}

func BenchmarkInOrder(b *testing.B) {
	for _, bb := range []struct {
		name  string
		conns int
	}{{"1", 1}, {"10000", 10_000}} {
		b.Run(bb.name, func(b *testing.B) {
			a, p, next, _ := bench(bb.conns, 2)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				aim(p, n, next[n], message)
				next[n] += uint32(len(message))
				p.Mono += 1000
				a.Segment(p)
				if n++; n == len(next) {
					n = 0
				}
			}
		})
	}
}

// A message in two segments: the first half is kept.
func BenchmarkHalves(b *testing.B) {
	a, p, next, _ := bench(1000, 2)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		halves(a, p, next, n)
		n = (n + 1) % len(next)
	}
}

func halves(a *stream.Assembler, p *capture.Packet, next []uint32, n int) {
	aim(p, n, next[n], message[:450])
	p.Mono += 1000
	a.Segment(p)
	aim(p, n, next[n]+450, message[450:])
	a.Segment(p)
	next[n] += 900
}

// Two segments that have changed places.
func BenchmarkReordered(b *testing.B) {
	a, p, next, _ := bench(1000, 2)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		reordered(a, p, next, n)
		n = (n + 1) % len(next)
	}
}

func reordered(a *stream.Assembler, p *capture.Packet, next []uint32, n int) {
	aim(p, n, next[n]+900, message)
	p.Mono += 1000
	a.Segment(p)
	aim(p, n, next[n], message)
	a.Segment(p)
	next[n] += 1800
}

func BenchmarkReleased(b *testing.B) {
	a := stream.New(stream.Config{Ignore: stream.NewIgnore(1 << 16)})
	p := flow(1, 0, A, 1, message, 1)
	b.ReportAllocs()
	for b.Loop() {
		a.Segment(p)
	}
}

func BenchmarkSYNFlood(b *testing.B) {
	a, p, _, _ := bench(1000, 2)
	p.TCP.Flags, p.Payload, p.Length = S, nil, 0
	b.ReportAllocs()
	n := 1000
	for b.Loop() {
		aim(p, n, uint32(n), nil)
		p.Mono += 1000
		a.Segment(p)
		n++
	}
}

func BenchmarkIgnored(b *testing.B) {
	g := stream.NewIgnore(1 << 16)
	p := flow(1, 0, A, 1, message, 1)
	b.Run("v4", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if g.Ignored(p) {
				b.Fatal("ignored")
			}
		}
	})
	p.Src, p.Dst = make([]byte, 16), bytes.Repeat([]byte{1}, 16)
	b.Run("v6", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if g.Ignored(p) {
				b.Fatal("ignored")
			}
		}
	})
}

func TestAllocs(t *testing.T) {
	a, p, next, y := bench(64, 2)
	g := stream.NewIgnore(1 << 10)
	n := 0
	for _, tt := range []struct {
		name string
		f    func()
	}{
		{"in order", func() {
			aim(p, n, next[n], message)
			next[n] += 900
			a.Segment(p)
		}},
		{"halves", func() { halves(a, p, next, n) }},
		{"reordered", func() { reordered(a, p, next, n) }},
		{"given up", func() {
			aim(p, n, next[n]+900, message)
			next[n] += 1800
			a.Segment(p)
			p.Mono += 2e9
			a.Advance(p.Mono)
		}},
		{"syn", func() {
			aim(p, 100_000+n, 1, nil)
			p.TCP.Flags = S
			a.Segment(p)
			p.TCP.Flags = A
		}},
		{"ignored", func() { g.Ignored(p) }},
		{"stats", func() { a.Advance(p.Mono); a.Stats() }},
	} {
		run := func() { tt.f(); n = (n + 1) % len(next) }
		for range 200 {
			run()
		}
		if allocs := testing.AllocsPerRun(1000, run); allocs != 0 {
			t.Errorf("%s: %v allocations", tt.name, allocs)
		}
	}
	if y.lines[0] < 5000 {
		t.Errorf("%d lines: it was not what it should be", y.lines[0])
	}
}

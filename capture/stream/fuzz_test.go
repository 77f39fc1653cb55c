package stream_test

import (
	"encoding/binary"
	"testing"

	"heptap/capture"
	"heptap/capture/stream"
)

// octet is what every copy of an octet is, by its sequence number.
func octet(seq uint32) byte { return byte(seq ^ seq>>8*37) }

// prover is a handler that knows each octet by its number.
type prover struct {
	t     *testing.T
	c     *stream.Conn
	end   [2]uint32 // after the last octet shown
	left  [2]int
	begun [2]bool
	over  bool
	shown *uint64
}

func (p *prover) Data(dir int, pending []byte, fresh int, gap int64, at *stream.At) int {
	if p.over || fresh < 1 || len(pending)-fresh != p.left[dir] || gap != 0 && p.left[dir] > 0 || gap < -1 {
		p.t.Fatalf("Data(%d, %d octets, %d, %d): left %d, over %v", dir, len(pending), fresh, gap, p.left[dir], p.over)
	}
	end := p.c.Next(dir)
	seq := end - uint32(len(pending))
	for i, b := range pending {
		if b != octet(seq+uint32(i)) {
			p.t.Fatalf("octet %d is not itself", seq+uint32(i))
		}
	}
	if p.begun[dir] && gap >= 0 && end-uint32(fresh) != p.end[dir]+uint32(gap) {
		p.t.Fatalf("dir %d: %d after %d, gap %d", dir, end-uint32(fresh), p.end[dir], gap)
	}
	p.begun[dir], p.end[dir] = true, end
	*p.shown += uint64(fresh)
	n := 0
	switch pending[len(pending)-1] % 8 {
	case 0:
		n = len(pending)
	case 1:
		n = len(pending) / 2
	case 2:
		p.c.Keep()
	case 3:
		if at.Mono%64 == 0 {
			p.c.Release()
			p.over = true
		}
		n = 1 << 20 // more than there is
	case 4:
		n = -1
	}
	p.left[dir] = len(pending) - min(max(n, 0), len(pending))
	return n
}

func (p *prover) Cut(dir int, pending []byte, why stream.Reason, at *stream.Meta) {
	if p.over || len(pending) != p.left[dir] || len(pending) == 0 && why != stream.FIN || at == nil {
		p.t.Fatalf("Cut(%d, %d octets, %v): left %d, over %v", dir, len(pending), why, p.left[dir], p.over)
	}
	p.left[dir] = 0
}

func (p *prover) Closed(stream.Reason) {
	if p.over || p.left[0]+p.left[1] > 0 {
		p.t.Fatalf("Closed: left %d, over %v", p.left, p.over)
	}
	p.over = true
}

// FuzzSegments makes each eight octets a segment of one of eight connections,
// of which four have a place.
func FuzzSegments(f *testing.F) {
	op := func(who, flags byte, off, n uint16, later byte) []byte {
		b := []byte{who, flags}
		b = binary.BigEndian.AppendUint16(b, off)
		b = binary.BigEndian.AppendUint16(b, n)
		return append(b, later, 0)
	}
	join := func(ops ...[]byte) (all []byte) {
		for _, o := range ops {
			all = append(all, o...)
		}
		return all
	}
	f.Add(join(op(0, S, 99, 0, 1), op(1, S|A, 99, 0, 1), op(0, A, 100, 500, 1), op(0, A, 800, 500, 1), op(1, A, 100, 9, 1), op(0, A, 600, 400, 1), op(0, F|A, 1300, 0, 1), op(1, F|A, 109, 0, 1)))
	f.Add(join(op(0, A, 1000, 1400, 1), op(0, A, 4000, 1400, 1), op(0, A, 3000, 2000, 1), op(0, A, 10000, 3000, 200), op(0, A, 2400, 600, 255), op(0, R, 8000, 0, 1)))
	f.Add(join(op(0, A, 0, 4000, 1), op(2, A, 0, 4000, 1), op(4, A, 0, 4000, 1), op(6, A, 0, 4000, 1), op(8, A, 0, 4000, 1), op(10, A, 9000, 4000, 40), op(0, S, 0x8000, 0, 1), op(1, S|A, 5, 0, 1), op(0, A, 0x8001, 77, 1)))
	f.Fuzz(func(t *testing.T, script []byte) {
		var shown, segments uint64
		config := stream.Config{Connections: 4, Openings: 16, BytesPerConnection: 16 << 10, TotalBytes: 64 << 10, Ignore: stream.NewIgnore(1)}
		config.New = func(c *stream.Conn) stream.Handler {
			if c.Flow().Src.Port() == 1 {
				return nil
			}
			return &prover{t: t, c: c, shown: &shown}
		}
		a := stream.New(config)
		a.FixSeeds()
		now := int64(0)
		for ; len(script) >= 8; script = script[8:] {
			segments++
			now += int64(script[6]) * ms
			send(a, script[:8], now)
			if err := a.Check(); err != nil {
				t.Fatal(err)
			}
		}
		a.Advance(now + 500*ms)
		if err := a.Check(); err != nil {
			t.Fatal(err)
		}
		a.Flush()
		s := a.Stats()
		if s.Delivered != shown || s.Ports[0].Segments != segments || s.BufferedBytes != 0 || s.Openings != 0 {
			t.Fatalf("%d octets shown, %d segments: %+v", shown, segments, s)
		}
		var ended uint64
		for _, n := range s.Closed {
			ended += n
		}
		if ended+s.Released != s.Ports[0].Connections {
			t.Fatalf("%d connections, %d ended, %d released", s.Ports[0].Connections, ended, s.Released)
		}
		if int64(s.MemoryBytes) > config.MemoryBytes() {
			t.Fatalf("%d octets held, at most %d were promised", s.MemoryBytes, config.MemoryBytes())
		}
	})
}

// send makes a segment of op and gives it to a.
func send(a *stream.Assembler, op []byte, now int64) {
	who, dir := op[0]>>1&7, op[0]&1
	base := [2]uint32{1<<32 - 30000, 1<<31 - 30000}
	n := int(binary.BigEndian.Uint16(op[4:]) % 5000)
	if op[1]&S != 0 && op[7]&1 == 0 {
		n = 0
	}
	p := capture.Packet{
		Src: []byte{10, 0, 0, 1}, Dst: []byte{10, 0, 0, 2}, SrcPort: uint16(who), DstPort: 5060, Protocol: capture.ProtoTCP,
		Mono: now, Wall: now, Length: n,
		TCP: capture.TCP{Flags: op[1] & 0x3f, Seq: base[dir] + uint32(binary.BigEndian.Uint16(op[2:]))},
	}
	if op[7]&2 != 0 {
		p.TCP.Seq += 0x1000_0000 // a stray
	}
	p.TCP.Ack = base[1-dir] + uint32(op[7])<<8
	for i := range n {
		seq := p.TCP.Seq + uint32(i)
		if op[1]&S != 0 {
			seq++
		}
		p.Payload = append(p.Payload, octet(seq))
	}
	if op[7]&4 != 0 {
		p.Payload = p.Payload[:n/2]
	}
	if dir == 1 {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	a.Segment(&p)
	clear(p.Payload)
}

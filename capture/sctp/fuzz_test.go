package sctp_test

import (
	"slices"
	"testing"

	"heptap/capture"
	"heptap/capture/sctp"
)

// FuzzAdd reads packets from data: one octet each for end and time, cut, tag and
// length, then chunks. Whatever they are, the table stays within its bounds,
// forgets everything in the end, and delivers no more octets than came.
func FuzzAdd(f *testing.F) {
	frame := func(packets ...*capture.Packet) (b []byte) {
		for _, p := range packets {
			side := byte(p.SrcPort - 5060)
			b = append(b, side, 0, byte(p.SCTP.VTag), byte(len(p.Payload)))
			b = append(b, p.Payload...)
		}
		return b
	}
	f.Add(frame(handshake(0)...))
	f.Add(frame(slices.Concat(handshake(0), each(dat(100, begin, "a"), dat(102, end, "c"), dat(101, 0, "b")))...))
	f.Add(frame(each(idat(1, begin, 1, 5, 0, "a"), idat(2, begin, 2, 5, 0, "x"), idat(3, end, 1, 5, 1, "b"), idat(4, end, 2, 5, 1, "y"))...))
	f.Add(frame(from(0, 1, 0, dat(1<<32-1, begin, "a"), dat(0, end, "b")), from(1, 2, 0, sack(9)), from(0, 1, 0, chunk(192, 0, u32(5))), from(0, 1, 0, chunk(6, 0, u16(1, 4)))))
	f.Add(frame(from(0, 1, 0, dat(1, one, "a")), from(0, 2, 0, dat(1, one, "b")), from(0, 1, 0, dat(1, one, "c")), from(1, 3, 0, chunk(7, 0, u32(1)), chunk(8, 0), chunk(14, 1))))
	f.Fuzz(func(t *testing.T, data []byte) {
		came, went, named := 0, 0, 0
		open := map[uint64]bool{} // associations that were named and have not ended
		check := func(a sctp.Association) {
			var h sctp.History
			a.History(&h)
			octets := h.Sent[0].Octets + h.Sent[1].Octets
			if octets > uint64(came) || h.Began.Mono > h.Last.Mono || h.Shutdown > 1 || h.Abort > 1 || h.Flow.Proto != capture.ProtoSCTP {
				t.Fatalf("%d octets came, %+v", came, h)
			}
		}
		tab := sctp.New(sctp.Config{Associations: 3, Bytes: 1, Fragments: 6, Held: 300,
			Message: func(m *sctp.Message) {
				went += len(m.Payload)
				check(m.Association)
				if m.Association.Name() == 0 && named < 100 && m.Association.Keep() {
					named++
					m.Association.SetName(uint64(named))
					open[uint64(named)] = true
				}
			},
			Event: func(e *sctp.Event) {
				check(e.Association)
				switch name := e.Association.Name(); {
				case name == 0 || e.Kind == sctp.Opened:
				case !open[name]:
					t.Fatalf("%d is %v, and had ended", name, e.Kind)
				default:
					delete(open, name)
				}
			}})
		mono := int64(0)
		for len(data) >= 4 {
			n := min(int(data[3]), len(data)-4)
			p := from(int(data[0]&1), uint32(data[2]&7), 0)
			p.Src[1], p.SrcPort = data[0]>>1&1, p.SrcPort+uint16(data[0]>>2&3)
			mono += int64(data[0]>>4) * 300 * ms
			p.Mono, p.Port = mono, data[1]
			p.Payload = data[4:][:n:n]
			p.Length = n + int(data[1]&3)
			p.Truncated = p.Length > n
			came += n
			tab.Add(p)
			data = data[4+n:]
		}
		tab.Advance(mono)
		s := tab.Stats()
		if s.Associations > 3 || s.Fragments > 6 || s.Bytes > 6*300 || went > came {
			t.Fatalf("%d octets of %d, %+v", went, came, s)
		}
		seen := uint64(0)
		for _, p := range s.Ports {
			seen += p.Data
		}
		if s.Messages > seen || s.Data < s.Repeats+seen || s.Data > s.Repeats+seen+s.WrongTag {
			t.Fatalf("%d seen, %+v", seen, s)
		}
		tab.Flush()
		if s := tab.Stats(); s.Associations+s.Fragments+s.Bytes != 0 || len(open) > 0 {
			t.Fatalf("left: %v, %+v", open, s)
		}
	})
}

package relay

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// TestStreamCounts plays sequence numbers to a stream: those in lost are not
// sent on, the others in the order of departures.
func TestStreamCounts(t *testing.T) {
	for _, tc := range []struct {
		name       string
		arrivals   []uint16
		lost       []uint16
		departures []uint16
		want       Stream
	}{
		{"all in order", []uint16{1, 2, 3}, nil, []uint16{1, 2, 3}, Stream{Seen: 3, Delivered: 3}},
		{"lost at the ends and inside", []uint16{1, 2, 3, 4, 5}, []uint16{1, 3, 5}, []uint16{2, 4},
			Stream{Seen: 5, Delivered: 2, LostBefore: 1, LostInner: 1, LostAfter: 1}},
		{"all lost", []uint16{1, 2}, []uint16{1, 2}, nil, Stream{Seen: 2, LostBefore: 2}},
		{"over the wrap", []uint16{65534, 65535, 0, 1}, []uint16{65535}, []uint16{65534, 0, 1}, Stream{Seen: 4, Delivered: 3, LostInner: 1}},
		{"one late", []uint16{1, 2, 3}, nil, []uint16{1, 3, 2}, Stream{Seen: 3, Delivered: 3, Reordered: 1}},
		{"the first late", []uint16{1, 2, 3}, []uint16{2}, []uint16{3, 1}, Stream{Seen: 3, Delivered: 2, Reordered: 1, LostInner: 1}},
		{"a copy, late", []uint16{1, 2}, nil, []uint16{1, 2, 1}, Stream{Seen: 2, Delivered: 3, Duplicated: 1}},
		{"a copy of what is late", []uint16{1, 2}, nil, []uint16{2, 1, 1}, Stream{Seen: 2, Delivered: 3, Duplicated: 1, Reordered: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStream(streamID{}, 1, tc.arrivals[0])
			numbers := map[uint16]int64{}
			for _, seq := range tc.arrivals {
				numbers[seq] = s.arrive(seq)
			}
			for _, seq := range tc.lost {
				s.lost = append(s.lost, numbers[seq])
			}
			for _, seq := range tc.departures {
				s.depart(numbers[seq])
			}
			if got := s.stats(); got != tc.want {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

// TestOneRateDoesNotChangeAnother draws the fate of packets with and without
// the other impairments.
func TestOneRateDoesNotChangeAnother(t *testing.T) {
	lost := func(imp Impairment) (numbers []int) {
		imp.ReorderBy = 3
		s := newStream(streamID{ssrc: 7}, 42, 0)
		for i := range 1000 {
			if s.fate(&imp).lost {
				numbers = append(numbers, i)
			}
		}
		return numbers
	}
	alone, together := lost(Impairment{Loss: 0.05}), lost(Impairment{Loss: 0.05, Duplicate: 0.5, Reorder: 0.5, Jitter: 1e6})
	if len(alone) < 30 || len(alone) > 75 {
		t.Errorf("%d of 1000 lost, want about 50", len(alone))
	}
	for i := range alone {
		if i >= len(together) || alone[i] != together[i] {
			t.Fatalf("lost alone: %v; together: %v", alone, together)
		}
	}
}

// udp is an Ethernet frame with a UDP datagram.
func udp(src, dst uint16, payload ...byte) []byte {
	b := make([]byte, 14+20+8)
	b[12], b[14], b[23] = 8, 0x45, 17
	copy(b[26:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[34:], src)
	binary.BigEndian.PutUint16(b[36:], dst)
	return append(b, payload...)
}

func TestWhatIsImpaired(t *testing.T) {
	rtp := []byte{0x80, 0x88, 0x12, 0x34, 0, 0, 0, 0, 1, 2, 3, 4}
	with := func(i int, v byte) []byte {
		c := append([]byte(nil), rtp...)
		c[i] = v
		return c
	}
	change := func(f []byte, i int, v byte) []byte { f[i] = v; return f }
	for _, tc := range []struct {
		name  string
		frame []byte
		want  bool
	}{
		{"RTP to the ports", udp(9, 20000, rtp...), true},
		{"RTP from the ports", udp(20010, 9, rtp...), true},
		{"RTP beside the ports", udp(19999, 20011, rtp...), false},
		{"RTCP", udp(9, 20001, with(1, 200)...), false},
		{"version 1", udp(9, 20000, with(0, 0x40)...), false},
		{"too short", udp(9, 20000, rtp[:11]...), false},
		{"TCP", change(udp(9, 20000, rtp...), 23, 6), false},
		{"a fragment", change(udp(9, 20000, rtp...), 21, 1), false},
		{"the first of fragments", change(udp(9, 20000, rtp...), 20, 0x20), false},
		{"IPv6", change(udp(9, 20000, rtp...), 14, 0x60), false},
		{"ARP", change(udp(9, 20000, rtp...), 13, 6), false},
		{"nothing", nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLane(nil, nil, Config{MinPort: 20000, MaxPort: 20010}, Impairment{}, 0)
			id, seq, ok := l.impaired(tc.frame)
			if ok != tc.want {
				t.Fatalf("impaired: %v, want %v", ok, tc.want)
			}
			if ok && (seq != 0x1234 || id.ssrc != 0x01020304 || id.src.Addr() != netip.MustParseAddr("10.0.0.1") || id.dst.Addr() != netip.MustParseAddr("10.0.0.2")) {
				t.Errorf("%+v, %#x", id, seq)
			}
		})
	}
}

package defrag_test

import (
	"encoding/binary"
	"testing"

	"heptap/capture"
	"heptap/capture/defrag"
)

// FuzzAdd reads fragments from data, 12 octets and their content each: kind,
// id, time, offset, length, octets captured. Whatever comes out was put in at
// that place of that datagram, and the table stays within its bounds.
func FuzzAdd(f *testing.F) {
	one := func(kind byte, id, time byte, off, length, captured int) []byte {
		b := []byte{kind, id, time, 0}
		b = binary.BigEndian.AppendUint16(b, uint16(off))
		b = binary.BigEndian.AppendUint16(b, uint16(length))
		return append(b, byte(captured), 1, 2, 3)
	}
	join := func(all ...[]byte) (b []byte) {
		for _, x := range all {
			b = append(b, x...)
		}
		return b
	}
	for _, six := range []byte{0, 1} {
		f.Add(join(one(six|2, 1, 0, 0, 1480, 255), one(six, 1, 0, 185, 520, 255)))
		f.Add(join(one(six, 1, 0, 185, 520, 255), one(six|2, 1, 0, 0, 1480, 255), one(six, 1, 0, 185, 520, 255)))
		f.Add(join(one(six|2, 1, 0, 0, 16, 255), one(six|2, 1, 0, 1, 16, 255), one(six, 1, 255, 3, 5, 3)))
		f.Add(join(one(six|2, 1, 0, 8191, 65535, 255), one(six, 1, 0, 8191, 7, 255), one(six|2, 1, 0, 0, 65528, 255)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		seen := map[[2]uint32]map[int][]byte{} // by version and id, then offset
		check := func(p *capture.Packet, id uint32) {
			if len(p.Payload) > p.Length || len(p.Payload) < p.Length && !p.Truncated || p.Fragment.Valid || p.Length > 65535 {
				t.Fatalf("%d of %d octets, %v", len(p.Payload), p.Length, p.Truncated)
			}
			at := seen[[2]uint32{uint32(len(p.Src)), id}]
			for i, b := range p.Payload {
				if !contains(at[i/8*8], i%8, b) {
					t.Fatalf("octet %d is %d, which never came", i, b)
				}
			}
		}
		c := defrag.Config{Datagrams: 5, Bytes: defrag.MinBytes, Fragments: 9}
		c.Partial = func(p *capture.Packet) { check(p, uint32(p.IPID)) }
		tab := defrag.New(c)
		mono := int64(0)
		for len(data) >= 12 {
			p := &capture.Packet{Protocol: 17, Length: int(binary.BigEndian.Uint16(data[6:])), IPID: uint16(data[1] % 8)}
			p.Src, p.Dst = []byte{1, 2, 3, 4}, []byte{1, 2, 3, 5}
			if data[0]&1 != 0 {
				p.Src, p.Dst = append(make([]byte, 12), p.Src...), append(make([]byte, 12), p.Dst...)
			}
			mono += int64(data[2]) * 10 * ms
			p.Mono = mono
			p.Fragment = capture.Fragment{ID: uint32(p.IPID), Offset: binary.BigEndian.Uint16(data[4:]) << 3, More: data[0]&2 != 0, Valid: true}
			n := p.Length
			if data[8] != 255 {
				n = min(n, int(data[8]))
			}
			p.Payload = make([]byte, n)
			for i := range p.Payload {
				p.Payload[i] = data[9]&1 + byte(i)*(data[10]&1)
			}
			p.Truncated = n < p.Length
			k := [2]uint32{uint32(len(p.Src)), p.Fragment.ID}
			if seen[k] == nil {
				seen[k] = map[int][]byte{}
			}
			for i := 0; i < n; i += 8 {
				at := int(p.Fragment.Offset) + i
				row := make([]byte, 8+1)
				row[8] = byte(copy(row[:8], p.Payload[i:]))
				if rows := seen[k][at]; len(rows) < 9*64 {
					seen[k][at] = append(rows, row...)
				} else {
					return // enough of one place
				}
			}
			if w := tab.Add(p); w != nil {
				check(w, p.Fragment.ID)
			}
			data = data[12:]
		}
		tab.Advance(mono)
		s := tab.Stats()
		if s.Bytes > defrag.MinBytes || s.Datagrams > 5 {
			t.Fatalf("%d octets, %d datagrams", s.Bytes, s.Datagrams)
		}
		balanced(t, s)
		tab.Flush()
		if s := tab.Stats(); s.Bytes != 0 || s.Datagrams != 0 {
			t.Fatalf("%d octets, %d datagrams left", s.Bytes, s.Datagrams)
		}
	})
}

// contains reports whether one of rows, nine octets each, has b at place i.
func contains(rows []byte, i int, b byte) bool {
	for ; len(rows) > 0; rows = rows[9:] {
		if i < int(rows[8]) && rows[i] == b {
			return true
		}
	}
	return false
}

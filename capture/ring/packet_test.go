package ring_test

import (
	"encoding/binary"
	"net/netip"

	"heptap/capture"
)

// packet describes a frame for tests of filters.
type packet struct {
	src, dst     string
	proto        uint8
	sport, dport uint16
	payload      []byte
	tags         []uint16 // TCIs of tags in the data, the outermost first
	options      int      // IPv4 options, in words
	frag         uint16   // IPv4 flags and fragment offset
	extension    bool     // an IPv6 hop-by-hop header
	dstMAC       byte     // last octet
}

// frame returns the Ethernet frame. Checksums are left zero.
func (p packet) frame() []byte {
	b := []byte{2, 0, 0, 0, 0, p.dstMAC, 2, 0, 0, 0, 0, 8}
	for i, tci := range p.tags {
		tpid := []uint16{0x8100, 0x88a8, 0x9100}[(i+len(p.tags))%3]
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, tpid), tci)
	}
	src, dst := netip.MustParseAddr(p.src), netip.MustParseAddr(p.dst)
	l4 := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, p.sport), p.dport)
	l4 = append(append(l4, 0, byte(8+len(p.payload)), 0, 0), p.payload...)
	if p.proto == capture.ProtoTCP {
		l4 = append(l4, make([]byte, 12)...)
	}
	if src.Is4() {
		b = append(b, 0x08, 0x00, 0x45+byte(p.options), 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+4*p.options+len(l4)))
		b = binary.BigEndian.AppendUint16(append(b, 0, 1), p.frag)
		b = append(b, 64, p.proto, 0, 0)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		for range p.options {
			b = append(b, 1, 1, 1, 1)
		}
		return append(b, l4...)
	}
	next := p.proto
	if p.extension {
		l4, next = append([]byte{p.proto, 0, 1, 4, 0, 0, 0, 0}, l4...), 0
	}
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(l4))), next, 64)
	b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	return append(b, l4...)
}

// skb is a frame as the kernel runs a filter on it.
type skb struct {
	data    []byte
	raw     bool // no link header
	hasVLAN bool
	tci     uint16
}

// view is what the filter's documentation says about an skb, worked out
// without any of the filter's code.
type view struct {
	skb
	tags       []uint16 // all of them
	ethertype  int      // -1: none
	l3         []byte   // from the network header on
	v4, v6     bool     // with a whole header
	proto      int      // -1: none
	ports      []byte   // nil: none
	srcA, dstA netip.Addr
}

func (s skb) view() view {
	v := view{skb: s, ethertype: -1, proto: -1}
	if s.hasVLAN {
		v.tags = append(v.tags, s.tci)
	}
	v.link()
	switch {
	case v.ethertype == 0x0800 && len(v.l3) >= 20:
		v.v4, v.proto = true, int(v.l3[9])
		v.srcA, _ = netip.AddrFromSlice(v.l3[12:16])
		v.dstA, _ = netip.AddrFromSlice(v.l3[16:20])
		if l4 := int(v.l3[0]&15) * 4; binary.BigEndian.Uint16(v.l3[6:])&0x1fff == 0 && len(v.l3) >= l4+4 {
			v.ports = v.l3[l4:][:4]
		}
	case v.ethertype == 0x86dd && len(v.l3) >= 40:
		v.v6, v.proto = true, int(v.l3[6])
		v.srcA, _ = netip.AddrFromSlice(v.l3[8:24])
		v.dstA, _ = netip.AddrFromSlice(v.l3[24:40])
		if len(v.l3) >= 44 {
			v.ports = v.l3[40:44]
		}
	}
	if v.proto != 6 && v.proto != 17 && v.proto != 132 {
		v.ports = nil
	}
	return v
}

func (v *view) link() {
	if v.raw {
		v.l3 = v.data
		if len(v.data) > 0 {
			v.ethertype = map[byte]int{4: 0x0800, 6: 0x86dd}[v.data[0]>>4]
		}
		return
	}
	rest := v.data
	if len(rest) < 14 {
		return
	}
	rest = rest[12:]
	for n := 0; ; n++ {
		v.ethertype = int(binary.BigEndian.Uint16(rest))
		tag := v.ethertype == 0x8100 || v.ethertype == 0x88a8 || v.ethertype == 0x9100
		if !tag || n == capture.MaxVLANTags {
			v.l3 = rest[2:]
			return
		}
		if len(rest) < 6 {
			v.ethertype = -1
			return
		}
		v.tags = append(v.tags, binary.BigEndian.Uint16(rest[2:]))
		rest = rest[4:]
	}
}

func (v view) port(i int) int { return int(binary.BigEndian.Uint16(v.ports[2*i:])) }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

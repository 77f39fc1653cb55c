package capturetest

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"heptap/capture"
)

// Kind is a way to wrap a frame in another.
type Kind uint8

// The encapsulations that Tunnel builds. Those that carry IP packets lose the
// Ethernet header of the frame, its VLAN tags included.
const (
	KindVLAN         Kind = iota // one 802.1Q tag, id ID
	KindQinQ                     // an 802.1ad tag, id ID, before one of 802.1Q, id ID+1
	KindMPLS                     // two labels, the outer one ID, around IP
	KindMPLSEthernet             // a pseudowire without control word (RFC 4448)
	KindMPLSControl              // one with it
	KindPPPoE                    // session ID (RFC 2516)
	KindPPPoEShort               // with the PPP protocol compressed to one octet
	KindIPIP                     // IP in IP, either version in that of Src
	KindGRE                      // IP in GRE (RFC 2784), key ID unless that is 0
	KindGREFull                  // with checksum, key, sequence number and routing
	KindGREEthernet              // transparent Ethernet bridging, key ID unless that is 0
	KindNVGRE                    // virtual subnet ID (RFC 7637)
	KindPPTP                     // GRE version 1 (RFC 2637), call ID, around PPP
	KindERSPAN1                  // no header at all after GRE's
	KindERSPAN2                  // session ID
	KindERSPAN3                  // session ID, with the platform's subheader
	KindERSPAN3IP                // session ID, frame type 2: an IP packet
	KindEtherIP                  // RFC 3378
	KindL2TPv3                   // over IP, session ID, no cookie, with the default sublayer (RFC 3931)
	KindL2TPv3UDP                // over UDP, with a cookie of eight octets
	KindL2TPv2                   // over UDP, session ID, around PPP (RFC 2661)
	KindVNTag                    // Cisco's
	KindETag                     // 802.1BR
	KindPBB                      // 802.1ah, service ID
	KindISL                      // Cisco's, VLAN ID
	KindVXLAN                    // VNI ID (RFC 7348)
	KindVXLANPolicy              // with a group policy
	KindVXLANGPE                 // generic protocol extension, around IP
	KindGeneve                   // VNI ID, with options (RFC 8926)
	KindGeneveIP                 // around IP
	KindTZSP                     // with tags
	KindHPERM                    // Hewlett-Packard's
	KindGTP                      // tunnel ID, no optional fields (3GPP TS 29.281)
	KindGTPExtended              // with sequence number and extension headers
	KindTeredo                   // with an origin indication (RFC 4380), around IPv6
	KindNSH                      // RFC 8300, service path ID
	NumKinds
)

var kindNames = [NumKinds]string{"vlan", "qinq", "mpls", "mpls-ethernet", "mpls-control", "pppoe", "pppoe-short", "ipip", "gre", "gre-full",
	"gre-ethernet", "nvgre", "pptp", "erspan1", "erspan2", "erspan3", "erspan3-ip", "etherip", "l2tpv3", "l2tpv3-udp", "l2tpv2", "vntag",
	"etag", "pbb", "isl", "vxlan", "vxlan-policy", "vxlan-gpe", "geneve", "geneve-ip", "tzsp", "hperm", "gtp", "gtp-extended", "teredo", "nsh"}

// String returns the name tests print.
func (k Kind) String() string { return kindNames[k] }

// Tunnel says how to wrap a frame. Src and Dst are the ends of those that run
// over IP; without them they are 198.51.100.1 and 198.51.100.2. Port is the
// destination port of those that run over UDP; 0 is the well-known one.
type Tunnel struct {
	Kind     Kind
	ID       uint32
	Src, Dst netip.Addr
	Port     uint16
}

// Reverse returns the tunnel in the other direction.
func (t Tunnel) Reverse() Tunnel {
	src, dst := t.ends()
	t.Src, t.Dst = dst, src
	return t
}

func (t Tunnel) ends() (src, dst netip.Addr) {
	if !t.Src.IsValid() {
		return netip.AddrFrom4([4]byte{198, 51, 100, 1}), netip.AddrFrom4([4]byte{198, 51, 100, 2})
	}
	return t.Src, t.Dst
}

// Encap returns what decode should say a frame was wrapped in.
func (t Tunnel) Encap() capture.Encap {
	switch t.Kind {
	case KindVLAN, KindQinQ, KindISL:
		return capture.EncapVLAN
	case KindMPLS, KindMPLSEthernet, KindMPLSControl:
		return capture.EncapMPLS
	case KindPPPoE, KindPPPoEShort:
		return capture.EncapPPPoE
	case KindIPIP:
		return capture.EncapIPIP
	case KindGRE, KindGREFull, KindGREEthernet, KindNVGRE, KindPPTP:
		return capture.EncapGRE
	case KindERSPAN1, KindERSPAN2, KindERSPAN3, KindERSPAN3IP:
		return capture.EncapGRE | capture.EncapERSPAN
	case KindVXLAN, KindVXLANPolicy, KindVXLANGPE:
		return capture.EncapVXLAN
	case KindGeneve, KindGeneveIP:
		return capture.EncapGeneve
	case KindTZSP:
		return capture.EncapTZSP
	case KindHPERM:
		return capture.EncapHPERM
	case KindGTP, KindGTPExtended:
		return capture.EncapGTP
	}
	return capture.EncapOther
}

// Fits says whether the tunnel can carry frame: some carry only IP packets,
// one only IPv6, and tags go into a frame, which one of ISL's is not: what
// follows its addresses is no ethertype, and behind a tag nothing would tell it
// from LLC.
func (t Tunnel) Fits(frame []byte) bool {
	etherType, _ := network(frame)
	ip := etherType == 0x0800 || etherType == 0x86dd
	switch t.Kind {
	case KindMPLS, KindPPPoE, KindPPPoEShort, KindIPIP, KindGRE, KindGREFull, KindPPTP, KindERSPAN3IP, KindL2TPv2, KindVXLANGPE, KindGeneveIP,
		KindGTP, KindGTPExtended:
		return ip
	case KindTeredo:
		return etherType == 0x86dd
	case KindISL:
		return len(frame) <= 1480 // its length must not look like an ethertype
	case KindVLAN, KindQinQ, KindVNTag, KindETag:
		return etherType >= 0x0600
	}
	return true
}

// Wrap returns an Ethernet frame with the Ethernet frame inside it. The caller
// owns it.
func (t Tunnel) Wrap(frame []byte) []byte {
	if !t.Fits(frame) {
		panic(fmt.Sprintf("capturetest: %v cannot carry this frame", t.Kind))
	}
	etherType, ip := network(frame)
	id16, id24, id32 := be16(uint16(t.ID)), be32(t.ID)[1:], be32(t.ID)
	switch t.Kind {
	case KindVLAN:
		return join(frame[:12], []byte{0x81, 0}, id16, frame[12:])
	case KindQinQ:
		return join(frame[:12], []byte{0x88, 0xa8}, id16, []byte{0x81, 0}, be16(uint16(t.ID)+1), frame[12:])
	case KindMPLS:
		return link(0x8847, be32(t.ID<<12|64), be32(17<<12|0x100|64), ip)
	case KindMPLSEthernet:
		return link(0x8847, be32(t.ID<<12|0x100|64), frame)
	case KindMPLSControl:
		return link(0x8847, be32(t.ID<<12|0x100|64), []byte{0, 0, 0, 0}, frame)
	case KindPPPoE:
		return link(0x8864, []byte{0x11, 0}, id16, be16(uint16(2+len(ip))), be16(ppp(etherType)), ip)
	case KindPPPoEShort:
		return link(0x8864, []byte{0x11, 0}, id16, be16(uint16(1+len(ip))), []byte{byte(ppp(etherType))}, ip)
	case KindIPIP:
		return t.ip(map[uint16]byte{0x0800: 4, 0x86dd: 41}[etherType], ip)
	case KindGRE, KindGREEthernet:
		return t.gre(etherType, frame, ip)
	case KindGREFull:
		route := []byte{8, 0, 0, 4, 203, 0, 113, 1, 0, 0, 0, 0} // one address, then the end (RFC 1701)
		b := join([]byte{0xf0, 0}, be16(etherType), []byte{0, 0, 0, 0}, id32, be32(99), route, ip)
		binary.BigEndian.PutUint16(b[4:], checksum(b))
		return t.ip(47, b)
	case KindNVGRE:
		return t.ip(47, []byte{0x20, 0, 0x65, 0x58}, id24, []byte{byte(len(frame))}, frame)
	case KindPPTP:
		return t.ip(47, []byte{0x30, 0x81, 0x88, 0x0b}, be16(uint16(4+len(ip))), id16, be32(5), be32(6), []byte{0xff, 0x03}, be16(ppp(etherType)), ip)
	case KindERSPAN1:
		return t.ip(47, []byte{0, 0, 0x88, 0xbe}, frame)
	case KindERSPAN2:
		return t.ip(47, []byte{0x10, 0, 0x88, 0xbe}, be32(3), []byte{0x10, 5}, be16(uint16(t.ID)&0x3ff), be32(1), frame)
	case KindERSPAN3:
		return t.ip(47, []byte{0x10, 0, 0x22, 0xeb}, be32(3), []byte{0x20, 5}, be16(uint16(t.ID)&0x3ff), be32(1000), []byte{0, 0, 0, 1}, make([]byte, 8), frame)
	case KindERSPAN3IP:
		return t.ip(47, []byte{0x10, 0, 0x22, 0xeb}, be32(3), []byte{0x20, 5}, be16(uint16(t.ID)&0x3ff), be32(1000), []byte{0, 0, 2 << 2, 0}, ip)
	case KindEtherIP:
		return t.ip(97, []byte{0x30, 0}, frame)
	case KindL2TPv3:
		return t.ip(115, id32, make([]byte, 4), frame)
	case KindVNTag:
		return join(frame[:12], []byte{0x89, 0x26}, id32, frame[12:])
	case KindETag:
		return join(frame[:12], []byte{0x89, 0x3f}, id32, []byte{0, 0}, frame[12:])
	case KindPBB:
		return link(0x88e7, []byte{0}, id24, frame)
	case KindISL:
		return join([]byte{1, 0, 0x0c, 0, 0, 0}, frame[6:12], be16(uint16(len(frame)+16)), []byte{0xaa, 0xaa, 3, 0, 0, 0x0c},
			be16(uint16(t.ID)<<1), make([]byte, 4), frame, make([]byte, 4))
	case KindNSH:
		return link(0x894f, []byte{0x0f, 0xc2, 2, 3}, id24, []byte{255}, frame)
	}
	return t.udp(etherType, frame, ip)
}

// gre builds GRE (RFC 2784, 2890) with or without a key.
func (t Tunnel) gre(etherType uint16, frame, ip []byte) []byte {
	if t.Kind == KindGREEthernet {
		etherType, ip = 0x6558, frame
	}
	if t.ID == 0 {
		return t.ip(47, []byte{0, 0}, be16(etherType), ip)
	}
	return t.ip(47, []byte{0x20, 0}, be16(etherType), be32(t.ID), ip)
}

// udp builds those that run over UDP.
func (t Tunnel) udp(etherType uint16, frame, ip []byte) []byte {
	id24 := be32(t.ID)[1:]
	var port uint16
	var b []byte
	switch t.Kind {
	case KindL2TPv3UDP:
		port, b = 1701, join([]byte{0, 3, 0, 0}, be32(t.ID), []byte{1, 2, 3, 4, 5, 6, 7, 8}, frame)
	case KindL2TPv2:
		port, b = 1701, join([]byte{0x40, 2}, be16(uint16(12+len(ip))), []byte{0, 9}, be16(uint16(t.ID)), []byte{0xff, 3}, be16(ppp(etherType)), ip)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	case KindVXLAN:
		port, b = 4789, join([]byte{8, 0, 0, 0}, id24, []byte{0}, frame)
	case KindVXLANPolicy:
		port, b = 4789, join([]byte{0x88, 8, 0x12, 0x34}, id24, []byte{0}, frame)
	case KindVXLANGPE:
		port, b = 4790, join([]byte{0x0c, 0, 0, map[uint16]byte{0x0800: 1, 0x86dd: 2}[etherType]}, id24, []byte{0}, ip)
	case KindGeneve, KindGeneveIP:
		if t.Kind == KindGeneve {
			etherType, ip = 0x6558, frame
		}
		port, b = 6081, join([]byte{3, 0}, be16(etherType), id24, []byte{0}, []byte{1, 8, 1, 1, 9, 9, 9, 9}, []byte{1, 8, 2, 0}, ip)
	case KindTZSP:
		port, b = 37008, join([]byte{1, 0, 0, 1}, []byte{10, 1, 0xd0}, []byte{0}, []byte{41, 2, 1, 2}, []byte{1}, frame)
	case KindHPERM:
		port, b = 7932, join(make([]byte, 8), be32(t.ID<<16), frame)
	case KindGTP:
		port, b = 2152, join([]byte{0x30, 0xff}, be16(uint16(len(ip))), be32(t.ID), ip)
	case KindGTPExtended: // a PDU session container, then a PDCP number (TS 29.281 5.2.2)
		port, b = 2152, join([]byte{0x36, 0xff}, be16(uint16(12+len(ip))), be32(t.ID), []byte{0, 5, 0, 0x85}, []byte{1, 0, 9, 0xc0}, []byte{1, 0, 1, 0}, ip)
	case KindTeredo:
		port, b = 3544, join([]byte{0, 0, 0x12, 0x34, 1, 2, 3, 4}, ip)
	}
	if t.Port != 0 {
		port = t.Port
	}
	src, dst := t.ends()
	return UDP(netip.AddrPortFrom(src, 50000), netip.AddrPortFrom(dst, port), b)
}

// ip returns an Ethernet frame with an IP packet of that protocol.
func (t Tunnel) ip(protocol byte, parts ...[]byte) []byte {
	src, dst := t.ends()
	payload := join(parts...)
	if src.Is6() {
		head := join([]byte{0x60, 0, 0, 0}, be16(uint16(len(payload))), []byte{protocol, 64}, src.AsSlice(), dst.AsSlice())
		return link(0x86dd, head, payload)
	}
	head := join([]byte{0x45, 0}, be16(uint16(20+len(payload))), []byte{0, 0, 0, 0, 64, protocol, 0, 0}, src.AsSlice(), dst.AsSlice())
	sumIPv4(head)
	return link(0x0800, head, payload)
}

// sumIPv4 fills in the header checksum (RFC 791 3.1).
func sumIPv4(head []byte) {
	head[10], head[11] = 0, 0
	binary.BigEndian.PutUint16(head[10:], checksum(head))
}

// checksum returns the Internet checksum of b (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i, c := range b {
		sum += uint32(c) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// network returns the ethertype of an Ethernet frame behind its VLAN tags, and
// what it carries.
func network(frame []byte) (uint16, []byte) {
	etherType, b := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	for etherType == 0x8100 || etherType == 0x88a8 {
		etherType, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	return etherType, b
}

// ppp returns the PPP protocol (IANA) of an ethertype.
func ppp(etherType uint16) uint16 { return map[uint16]uint16{0x0800: 0x21, 0x86dd: 0x57}[etherType] }

// link returns an Ethernet frame between locally administered addresses.
func link(etherType uint16, parts ...[]byte) []byte {
	return join([]byte{2, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 3}, be16(etherType), join(parts...))
}

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }
func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

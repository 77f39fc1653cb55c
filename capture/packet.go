package capture

import "net/netip"

// IP protocol numbers (IANA).
const (
	ProtoICMP = 1
	ProtoTCP  = 6
	ProtoUDP  = 17
	ProtoSCTP = 132
)

// Packet is the view decode makes of a frame: of the UDP datagram, TCP segment
// or SCTP packet inside it, or of the IP fragment that is all it has of one. The
// byte slices point into the frame and are borrowed with it.
type Packet struct {
	Src, Dst         []byte // IP addresses, 4 or 16 octets
	SrcPort, DstPort uint16 // 0 for a fragment
	// Payload is what follows the UDP or TCP header, the chunks of SCTP, or the
	// fragment's data, as far as it was captured.
	Payload    []byte
	Wall, Mono int64 // see Frame
	// Length is what Payload had on the wire, by the IP header: more than
	// len(Payload) when Truncated.
	Length    int
	Tunnel    uint32 // names the tunnel the packet was in, 0 for none; see FiveTuple.Tunnel
	Encap     Encap  // what the packet was wrapped in
	VLAN      uint16 // VLAN id (0-4095) of the innermost tag, in or outside of tunnels; valid when HasVLAN
	IPID      uint16 // IPv4 identification, 0 for IPv6
	HasVLAN   bool
	Truncated bool  // the capture cut Payload short
	Protocol  uint8 // ProtoUDP, ProtoTCP, ProtoSCTP or ProtoICMP (see decode.Unreachable); of a fragment any IP protocol
	TTL       uint8 // or IPv6 hop limit
	TOS       uint8 // or IPv6 traffic class
	Port      uint8 // mirror port index
	Depth     uint8 // IP headers around this one: tunnels opened so far
	// Unknown is set by a drop, and then says what it was that decode does not
	// read: a link type, an ethertype, a PPP or an IP protocol; see DropReason
	// and its method Unknown.
	Unknown uint16

	Ethernet Ethernet // addresses of the innermost Ethernet header, zero without one

	TCP      TCP      // valid when Protocol is ProtoTCP and Fragment is not Valid
	SCTP     SCTP     // valid when Protocol is ProtoSCTP and Fragment is not Valid
	Fragment Fragment // Valid when the packet is a fragment
}

// Ethernet is the two addresses that an Ethernet header begins with (IEEE 802.3
// 3.2.3).
type Ethernet struct{ Dst, Src [6]byte }

// TCP is what a TCP header says (RFC 9293 3.1).
type TCP struct {
	Seq, Ack uint32
	Window   uint16 // as in the header, not scaled
	MSS      uint16 // maximum segment size option of a SYN (RFC 9293 3.2), 0 without one
	Flags    uint8  // FlagFIN and so on
}

// The flags of TCP (RFC 9293 3.1).
const (
	FlagFIN uint8 = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
	FlagURG
)

// SCTP is what an SCTP common header says beside its ports (RFC 9260 3.1).
type SCTP struct {
	VTag uint32 // verification tag: names the association, one per direction
}

// Fragment is where an IP fragment belongs (RFC 791 3.2, RFC 8200 4.5).
type Fragment struct {
	ID     uint32 // identification
	Offset uint16 // of Payload in the packet, in octets
	More   bool   // more fragments follow
	Valid  bool
}

// Encap is the set of encapsulations a packet was found in.
type Encap uint32

// The encapsulations. A frame that has several carries all their bits.
const (
	EncapVLAN   Encap = 1 << iota // one or more VLAN tags
	EncapMPLS                     // RFC 3032
	EncapPPPoE                    // RFC 2516
	EncapIPIP                     // IP in IP, 6in4, 4in6 (RFC 2003, 4213, 2473)
	EncapGRE                      // RFC 2784, 2890
	EncapERSPAN                   // types I, II, III; with EncapGRE, which they run over
	EncapVXLAN                    // RFC 7348, GPE included
	EncapGeneve                   // RFC 8926
	EncapTZSP                     // TaZmen sniffer protocol
	EncapHPERM                    // HP's remote mirroring
	EncapGTP                      // GTP-U, 3GPP TS 29.281
	EncapOther                    // EtherIP, L2TP, Teredo, VN-Tag, E-Tag, PBB, NSH

	NumEncaps = 12
)

// EncapName returns the name of bit i of an Encap as metrics print it.
func EncapName(i int) string {
	return [NumEncaps]string{"vlan", "mpls", "pppoe", "ipip", "gre", "erspan", "vxlan", "geneve", "tzsp", "hperm", "gtp", "other"}[i]
}

// FiveTuple returns p's addresses in a form that does not borrow.
func (p *Packet) FiveTuple() FiveTuple {
	return FiveTuple{
		Proto:  p.Protocol,
		Tunnel: p.Tunnel,
		Src:    netip.AddrPortFrom(addr(p.Src), p.SrcPort),
		Dst:    netip.AddrPortFrom(addr(p.Dst), p.DstPort),
	}
}

func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// FiveTuple names a flow.
type FiveTuple struct {
	Src, Dst netip.AddrPort
	Proto    uint8 // IP protocol number
	// Tunnel tells apart networks that use the same addresses: it is made of the
	// VXLAN and Geneve network ids and GRE keys around the packet, and 0 without
	// any. Ids that differ by direction (GTP TEIDs, MPLS labels) or that only
	// name a mirror session (ERSPAN) are not part of it. It means nothing
	// outside the process, and no record carries it.
	Tunnel uint32
}

// Reverse returns the flow in the other direction.
func (f FiveTuple) Reverse() FiveTuple {
	return FiveTuple{Proto: f.Proto, Src: f.Dst, Dst: f.Src, Tunnel: f.Tunnel}
}

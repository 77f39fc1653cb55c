package capture

import "net/netip"

// IP protocol numbers (IANA).
const (
	ProtoTCP  = 6
	ProtoUDP  = 17
	ProtoSCTP = 132
)

// Packet is the view decode makes of a frame that carries a UDP datagram. The
// byte slices point into the frame and are borrowed with it.
type Packet struct {
	Src, Dst         []byte // IP addresses, 4 or 16 octets
	SrcPort, DstPort uint16
	Payload          []byte // the datagram's payload, as far as it was captured
	Wall, Mono       int64  // see Frame
	VLAN             uint16 // VLAN id (0-4095) of the innermost tag; valid when HasVLAN
	IPID             uint16 // IPv4 identification, 0 for IPv6
	HasVLAN          bool
	Truncated        bool  // the capture cut Payload short
	Protocol         uint8 // ProtoUDP
	TTL              uint8 // or IPv6 hop limit
	TOS              uint8 // or IPv6 traffic class
	Port             uint8 // mirror port index
}

// FiveTuple returns p's addresses in a form that does not borrow.
func (p *Packet) FiveTuple() FiveTuple {
	return FiveTuple{
		Proto: p.Protocol,
		Src:   netip.AddrPortFrom(addr(p.Src), p.SrcPort),
		Dst:   netip.AddrPortFrom(addr(p.Dst), p.DstPort),
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
}

// Reverse returns the flow in the other direction.
func (f FiveTuple) Reverse() FiveTuple {
	return FiveTuple{Proto: f.Proto, Src: f.Dst, Dst: f.Src}
}

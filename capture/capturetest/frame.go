package capturetest

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"heptap/capture"
)

// Option changes how UDP, TCP and SCTP build their frame.
type Option func(*frame)

type frame struct {
	link     capture.LinkType
	vlans    []uint16
	ttl, tos uint8
	id       uint16
}

// Link makes the frame begin as link says; without it, it is Ethernet. VLAN
// tags exist on Ethernet only.
func Link(link capture.LinkType) Option { return func(f *frame) { f.link = link } }

// VLAN tags the frame, the outermost tag first. All tags are 802.1ad service
// tags (0x88a8) but for the innermost, which is 802.1Q (0x8100). Each value is
// a whole tag control information; a plain VLAN id is one of priority 0.
func VLAN(tci ...uint16) Option { return func(f *frame) { f.vlans = tci } }

// TTL sets the IPv4 time to live or IPv6 hop limit; it is 64 otherwise.
func TTL(n uint8) Option { return func(f *frame) { f.ttl = n } }

// TOS sets the IPv4 type of service or IPv6 traffic class.
func TOS(n uint8) Option { return func(f *frame) { f.tos = n } }

// IPID sets the IPv4 identification.
func IPID(n uint16) Option { return func(f *frame) { f.id = n } }

// UDP returns a whole frame with one UDP datagram from src to dst, lengths and
// checksums right. src and dst are of one IP version. The caller owns it. It
// panics on what cannot be a frame: that is a mistake in the test.
func UDP(src, dst netip.AddrPort, payload []byte, opts ...Option) []byte {
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	return build(src.Addr(), dst.Addr(), udp, payload, opts)
}

// TCP returns a whole frame with one TCP segment, as UDP does for a datagram.
func TCP(src, dst netip.AddrPort, tcp capture.TCP, payload []byte, opts ...Option) []byte {
	is := func(flag uint8) bool { return tcp.Flags&flag != 0 }
	var options []layers.TCPOption
	if tcp.MSS != 0 {
		options = []layers.TCPOption{{OptionType: layers.TCPOptionKindNop}, {OptionType: layers.TCPOptionKindMSS, OptionLength: 4,
			OptionData: binary.BigEndian.AppendUint16(nil, tcp.MSS)}}
	}
	return build(src.Addr(), dst.Addr(), &layers.TCP{
		SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), Seq: tcp.Seq, Ack: tcp.Ack, Window: tcp.Window,
		FIN: is(capture.FlagFIN), SYN: is(capture.FlagSYN), RST: is(capture.FlagRST), PSH: is(capture.FlagPSH),
		ACK: is(capture.FlagACK), URG: is(capture.FlagURG), Options: options,
	}, payload, opts)
}

// Unreachable returns a whole frame with the ICMP or ICMPv6 error of src that
// the packet in frame, made by this package without tags, did not arrive. It
// quotes what RFC 792 asks for, the IP header and 8 octets.
func Unreachable(src netip.Addr, code uint8, frame []byte) []byte {
	const ether = 14
	quoted := frame[ether:]
	if src.Is6() {
		quoted = quoted[:40+8]
		to, _ := netip.AddrFromSlice(quoted[8:24])
		return build(src, to, &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeDestinationUnreachable, code)},
			append(make([]byte, 4), quoted...), nil)
	}
	quoted = quoted[:20+8]
	to, _ := netip.AddrFromSlice(quoted[12:16])
	return build(src, to, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, code)}, quoted, nil)
}

// SCTP returns a whole frame with one SCTP packet of the given chunks
// (RFC 9260 3), as UDP does for a datagram.
func SCTP(src, dst netip.AddrPort, tag uint32, chunks []byte, opts ...Option) []byte {
	return build(src.Addr(), dst.Addr(), &layers.SCTP{
		SrcPort: layers.SCTPPort(src.Port()), DstPort: layers.SCTPPort(dst.Port()), VerificationTag: tag,
	}, chunks, opts)
}

// SCTPData returns a DATA chunk (RFC 9260 3.3.1), padded. The flags are those
// of the header: 1 ends a message, 2 begins one, 4 is unordered.
func SCTPData(flags uint8, tsn uint32, stream, seq uint16, ppid uint32, data []byte) []byte {
	b := []byte{0, flags}
	b = binary.BigEndian.AppendUint16(b, uint16(16+len(data)))
	b = binary.BigEndian.AppendUint32(b, tsn)
	b = binary.BigEndian.AppendUint16(b, stream)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, ppid)
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&3)...)
}

// build returns the frame around one transport header and its payload.
func build(src, dst netip.Addr, transport gopacket.SerializableLayer, payload []byte, opts []Option) []byte {
	f := frame{link: capture.LinkEthernet, ttl: 64}
	for _, o := range opts {
		o(&f)
	}
	var protocol layers.IPProtocol
	var checksum func(gopacket.NetworkLayer) error
	switch l := transport.(type) {
	case *layers.UDP:
		protocol, checksum = layers.IPProtocolUDP, l.SetNetworkLayerForChecksum
	case *layers.TCP:
		protocol, checksum = layers.IPProtocolTCP, l.SetNetworkLayerForChecksum
	case *layers.ICMPv4:
		protocol, checksum = layers.IPProtocolICMPv4, func(gopacket.NetworkLayer) error { return nil }
	case *layers.ICMPv6:
		protocol, checksum = layers.IPProtocolICMPv6, l.SetNetworkLayerForChecksum
	case *layers.SCTP:
		protocol, checksum = layers.IPProtocolSCTP, func(gopacket.NetworkLayer) error { return nil }
	}
	var ip interface {
		gopacket.SerializableLayer
		gopacket.NetworkLayer
	}
	if src.Is6() {
		ip = &layers.IPv6{Version: 6, NextHeader: protocol, TrafficClass: f.tos, HopLimit: f.ttl, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	} else {
		ip = &layers.IPv4{Version: 4, Protocol: protocol, TOS: f.tos, TTL: f.ttl, Id: f.id, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
	}
	must(checksum(ip))
	buf := gopacket.NewSerializeBuffer()
	opt := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	must(gopacket.SerializeLayers(buf, opt, ip, transport, gopacket.Payload(payload)))
	return append(f.header(src.Is6()), buf.Bytes()...)
}

// header returns the link header for an IP packet.
func (f *frame) header(v6 bool) []byte {
	etherType, family := uint16(0x0800), uint32(2)
	if v6 {
		etherType, family = 0x86dd, 30
	}
	switch f.link {
	case capture.LinkEthernet:
		b := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1} // locally administered addresses
		for i, tci := range f.vlans {
			tpid := uint16(0x88a8)
			if i == len(f.vlans)-1 {
				tpid = 0x8100
			}
			b = binary.BigEndian.AppendUint16(b, tpid)
			b = binary.BigEndian.AppendUint16(b, tci)
		}
		return binary.BigEndian.AppendUint16(b, etherType)
	case capture.LinkLinuxSLL:
		// To us, ARPHRD_ETHER, address of 6 octets.
		b := []byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}
		return binary.BigEndian.AppendUint16(b, etherType)
	case capture.LinkLinuxSLL2:
		b := binary.BigEndian.AppendUint16(nil, etherType)
		// Reserved, interface 2, ARPHRD_ETHER, to us, address of 6 octets.
		return append(b, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0)
	case capture.LinkNull:
		return binary.LittleEndian.AppendUint32(nil, family)
	case capture.LinkLoop:
		return binary.BigEndian.AppendUint32(nil, family)
	case capture.LinkRaw, capture.LinkRaw12, capture.LinkRaw14, capture.LinkIPv4, capture.LinkIPv6:
		return nil
	}
	panic(fmt.Sprintf("capturetest: no builder for link type %d", f.link))
}

// RTPPacket returns an RTP packet (RFC 3550 5.1) without CSRCs and extension.
// The top bit of payloadType is the marker.
func RTPPacket(payloadType uint8, seq uint16, timestamp, ssrc uint32, payload []byte) []byte {
	b := []byte{0x80, payloadType}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, timestamp)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, payload...)
}

// RTCPPacket returns a compound RTCP packet: a sender report without report
// blocks (RFC 3550 6.4.1) and an SDES with CNAME (6.5).
func RTCPPacket(ssrc uint32, ntp uint64, timestamp, packets, octets uint32, cname string) []byte {
	b := []byte{0x80, 200, 0, 6}
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = binary.BigEndian.AppendUint64(b, ntp)
	b = binary.BigEndian.AppendUint32(b, timestamp)
	b = binary.BigEndian.AppendUint32(b, packets)
	b = binary.BigEndian.AppendUint32(b, octets)
	item := append([]byte{1, byte(len(cname))}, cname...)
	item = append(item, make([]byte, 4-len(item)%4)...) // ends with one to four zeros
	b = append(b, 0x81, 202, 0, byte(1+len(item)/4))
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, item...)
}

func must(err error) {
	if err != nil {
		panic("capturetest: " + err.Error())
	}
}

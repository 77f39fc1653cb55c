package decode

import "heptap/capture"

// decoder is what is known of a frame while its headers are walked inwards.
// Every method that reads a header moves b behind it.
type decoder struct {
	view
	src, dst  []byte           // of the innermost IP header
	fragment  capture.Fragment // Valid ends the walk
	tunnel    uint32
	encap     capture.Encap
	id, vid   uint16
	unknown   uint16
	protocol  uint8
	ttl, tos  uint8
	addresses capture.Ethernet
	hasVLAN   bool
	tags      uint8 // of this Ethernet frame
	depth     uint8 // IP headers
	layers    uint8 // encapsulations
}

// Decode fills in p from the innermost UDP datagram, TCP segment, SCTP packet
// or IP fragment in f and returns capture.DropNone. p's slices borrow from
// f.Data. Any other reason says why f has none; then p.Encap says what was
// opened until there and p.Unknown what it was, see capture.DropReason, and the
// rest of p is left as it was.
func Decode(f *capture.Frame, p *capture.Packet) capture.DropReason {
	if plain(f, p) {
		return capture.DropNone
	}
	return decode(f, p)
}

// decode is the general way.
func decode(f *capture.Frame, p *capture.Packet) capture.DropReason {
	var d decoder
	if f.HasVLAN {
		d.tag(f.VLANTCI)
	}
	etherType, reason := d.link(f)
	if reason == capture.DropNone {
		reason = d.walk(etherType, p)
	}
	if reason != capture.DropNone {
		p.Encap, p.Unknown = d.encap, d.unknown
		return reason
	}
	p.Wall, p.Mono, p.Port = f.Wall, f.Mono, f.Port
	return capture.DropNone
}

// Resume goes on where a fragment stopped Decode. p is what package defrag makes
// of the fragments: the packet of the first one, with all there is of what was
// fragmented as Payload, Length and Truncated as always, but for a datagram that
// was given up, of which more may be missing than Length knows. p becomes what
// Decode would have made of the packet in one piece, but for its time and port,
// which stay; its slices borrow from what they borrowed from, and from Payload.
//
// p may be a fragment again, when what is in a tunnel was fragmented itself: its
// Depth is then higher than before, so MaxEncaps limits how often. On a drop p
// is changed as by Decode.
func Resume(p *capture.Packet) capture.DropReason {
	d := decoder{
		view: view{b: p.Payload, wire: max(p.Length, len(p.Payload)), known: !p.Truncated},
		src:  p.Src, dst: p.Dst, addresses: p.Ethernet, id: p.IPID, protocol: p.Protocol, ttl: p.TTL, tos: p.TOS,
		tunnel: p.Tunnel, encap: p.Encap, vid: p.VLAN, hasVLAN: p.HasVLAN,
		depth: p.Depth + 1, layers: p.Depth, // no IP header without an encapsulation; of others there may have been more
	}
	reason := d.resume(p)
	if reason != capture.DropNone {
		p.Encap, p.Unknown = d.encap, d.unknown
	}
	return reason
}

func (d *decoder) resume(p *capture.Packet) capture.DropReason {
	if reason := d.skipExtensions(len(d.src) == 16); reason != capture.DropNone {
		return reason
	}
	if d.fragment.Valid {
		return capture.DropIPv6Extension // a fragment header in what was fragmented
	}
	truncated := p.Truncated
	if truncated && d.protocol == protoUDP && len(d.b) >= udpHeader {
		d.wire = max(d.wire, int(d.u16(4))) // nobody but the datagram knows where it ended
	}
	etherType, reason := d.transport(p)
	if reason != capture.DropNone {
		return reason
	}
	if etherType != 0 {
		return d.walk(etherType, p)
	}
	p.Truncated = p.Truncated || truncated && d.protocol != protoUDP
	return capture.DropNone
}

// walk reads headers from the one that etherType announces, until p is filled
// in. All that is ever between two headers is an ethertype: there are some for
// a whole Ethernet frame and for PPP, too.
func (d *decoder) walk(etherType uint16, p *capture.Packet) (reason capture.DropReason) {
	for {
		switch etherType {
		case etherIPv4:
			reason = d.ipv4()
		case etherIPv6:
			reason = d.ipv6()
		default:
			if etherType, reason = d.open(etherType); reason != capture.DropNone {
				return reason
			}
			continue
		}
		if reason != capture.DropNone {
			return reason
		}
		if etherType, reason = d.transport(p); etherType == 0 || reason != capture.DropNone {
			return reason
		}
	}
}

// fill sets all of p but what is Decode's, TCP and Fragment. payload had length
// octets on the wire.
func (d *decoder) fill(p *capture.Packet, srcPort, dstPort uint16, payload []byte, length int) {
	// Field by field: a composite literal is built on the stack and copied.
	p.Src, p.Dst = d.src, d.dst
	p.SrcPort, p.DstPort = srcPort, dstPort
	p.Payload = payload
	p.Length, p.Truncated = length, length > len(payload)
	p.Tunnel, p.Encap, p.Depth = d.tunnel, d.encap, d.depth-1
	p.VLAN, p.HasVLAN = d.vid, d.hasVLAN
	p.IPID, p.TTL, p.TOS, p.Protocol = d.id, d.ttl, d.tos, d.protocol
	p.Unknown, p.Ethernet = 0, d.addresses
}

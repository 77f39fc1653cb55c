package decode

import (
	"encoding/binary"

	"heptap/capture"
)

// view is a run of octets: those that were captured, and how many there were.
type view struct {
	b    []byte
	wire int // at least len(b), unless the header that says so contradicts the one around it
	// known: a header said so. Of a frame we know no more than that it was not
	// shorter, for mirror ports cut frames and do not say it.
	known bool
}

// skip moves the view n octets on, which must have been captured.
func (v *view) skip(n int) {
	v.b = v.b[n:]
	v.wire -= n
}

// from returns the view from octet n on, captured or not.
func (v view) from(n int) view {
	v.b = v.b[min(n, len(v.b)):]
	v.wire -= n
	return v
}

func (v view) u16(n int) uint16 { return binary.BigEndian.Uint16(v.b[n:]) }

// verdict says whether octets are what they are taken for.
//
// To be independent of where a frame was cut, octets are judged from the front,
// yes is said only when all that could speak against it was seen, and when
// something is missing the verdict is cut, but no when it was never there.
type verdict uint8

const (
	no verdict = iota
	yes
	cut
)

// has says whether the view has n octets.
func (v view) has(n int) verdict {
	switch {
	case len(v.b) >= n:
		return yes
	case v.wire >= n || !v.known:
		return cut
	}
	return no
}

// proof is how much it takes to believe.
type proof uint8

const (
	possible proof = iota // nothing speaks against it
	likely                // and it is something we know
	certain               // and it is IP, with the lengths and the checksum right
)

// isEthernet judges whether v is an Ethernet frame.
func (v view) isEthernet(want proof) verdict {
	off := 12
	for range 1 + capture.MaxVLANTags {
		if r := v.has(off + 2); r != yes {
			return r
		}
		etherType := v.u16(off)
		off += 2
		switch {
		case isTag(etherType):
			off += 2
			continue
		case etherType == etherIPv4:
			return v.from(off).isIPv4(want)
		case etherType == etherIPv6:
			return v.from(off).isIPv6(want)
		case want == certain:
			return no
		case etherType < minEtherType:
			return v.from(off).isLLC(int(etherType))
		case want == possible || isKnown(etherType):
			return yes
		}
		return no
	}
	return no
}

// isLLC judges whether v is what an 802.3 length field of that value announces
// (IEEE 802.3 3.2.6): LLC between the service access points of spanning tree,
// SNAP, IPX, NetBIOS or ISO, or Novell's frames without any.
func (v view) isLLC(length int) verdict {
	if length < 3 || length > 1500 || v.known && length > v.wire {
		return no
	}
	if r := v.has(2); r != yes {
		return r
	}
	switch v.u16(0) {
	case 0x4242, 0xaaaa, 0xe0e0, 0xf0f0, 0xfefe, 0xffff:
		return yes
	}
	return no
}

// isIPv4 judges whether v is an IPv4 packet (RFC 791 3.1). One that is longer than
// what it is in may have been cut by a mirror, if its checksum is right.
func (v view) isIPv4(want proof) verdict {
	if len(v.b) > 0 && v.b[0]>>4 != 4 {
		return no
	}
	if r := v.has(ipv4Header); r != yes {
		return r
	}
	header, total := int(v.b[0]&15)*4, int(v.u16(2))
	if header < ipv4Header || total < header {
		return no
	}
	whole := !v.known || total <= v.wire
	if want == certain && !whole {
		return no
	}
	if r := v.has(header); r != yes {
		return r
	}
	if (want == certain || !whole) && !sumsUp(v.b[:header]) {
		return no
	}
	return yes
}

// sumsUp says whether the Internet checksum of b, of even length, is right
// (RFC 1071).
func sumsUp(b []byte) bool {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}

// isIPv6 judges whether v is an IPv6 packet (RFC 8200 3). It has no checksum: to
// be certain, it must end where v does.
func (v view) isIPv6(want proof) verdict {
	if len(v.b) > 0 && v.b[0]>>4 != 6 {
		return no
	}
	if r := v.has(ipv6Header); r != yes {
		return r
	}
	total := ipv6Header + int(v.u16(4))
	if want == certain && v.known && total != v.wire {
		return no
	}
	switch v.b[6] {
	case protoTCP, protoUDP, protoSCTP, protoICMPv6, protoIPIP, protoIPv6, protoGRE, protoESP, protoNone, protoEtherIP, protoL2TP, protoMPLS:
		return yes
	}
	if isExtension(v.b[6], true) {
		return yes
	}
	if want == possible && (!v.known || total <= v.wire) {
		return yes
	}
	return no
}

package packets

import (
	"encoding/binary"
	"hash/crc32"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/capture/rtp"
	"heptap/capture/sip"
	"heptap/firmware/internal/privacy"
)

// What of STUN (RFC 8489 5, 14; RFC 8656 18) matters here.
const (
	stunHeader    = 20
	stunSend      = 0x0016
	stunData      = 0x0017
	stunAttribute = 4
)

// relays reports whether a STUN message carries somebody else's datagram.
func relays(b []byte) bool {
	if len(b) < 2 {
		return true
	}
	t := binary.BigEndian.Uint16(b)
	return t == stunSend || t == stunData
}

const (
	tlsData   = 23 // application data (RFC 8446 5.1)
	tlsHeader = 5
	dnsHeader = 12
	rtcpFront = 8 // the first header, with the SSRC
)

// mask takes out of frames what is not for everybody.
type mask struct {
	privacy *privacy.Filter
	names   bool // numbers and names are replaced
	view    sip.View
}

// apply changes e, whose Data is the caller's own, and reports whether anything of
// it was taken out. p is what Decode says of it, if that is not nil.
func (m *mask) apply(e *entry, p *capture.Packet) bool {
	b := e.body()
	switch e.kind {
	case SIP:
		return mendUDP(e, p, func() { m.message(b) })
	case RTP:
		var h rtp.Header
		keep := min(len(b), rtp.HeaderSize)
		if h.ParseFront(b) {
			keep = min(len(b), h.PayloadOffset)
		}
		return e.cut(e.at + keep)
	case STUN:
		return mendUDP(e, p, func() { blankSTUN(b) })
	case RTCP:
		return m.names && e.cut(e.at+min(len(b), rtcpFront))
	case DNS:
		return m.names && e.cut(e.at+min(len(b), dnsHeader))
	case SCTP:
		return m.chunks(e)
	case Bare:
		return false
	}
	return e.cut(e.at) // TCP, for which see assemble; Fragment; Beside
}

// cut ends the frame at n.
func (e *entry) cut(n int) bool {
	if n >= len(e.Data) {
		return false
	}
	e.Data = e.Data[:n]
	return true
}

// message blanks a SIP message in place.
func (m *mask) message(b []byte) {
	r := record.Record{Type: record.SIP, Payload: b}
	if m.view.Parse(b) == nil {
		r.Primary = append([]byte(nil), m.view.CallID...) // package privacy leaves it
	}
	m.privacy.Apply(&r)
}

// blankSTUN zeroes what identifies and authenticates: USERNAME, MESSAGE-INTEGRITY,
// NONCE, MESSAGE-INTEGRITY-SHA256, PASSWORD of RFC 3489, USERHASH.
func blankSTUN(b []byte) {
	if len(b) < stunHeader {
		return
	}
	for b = b[stunHeader:]; len(b) > stunAttribute; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		value := b[stunAttribute:min(len(b), stunAttribute+n)]
		switch binary.BigEndian.Uint16(b) {
		case 0x0006, 0x0007, 0x0008, 0x0015, 0x001c, 0x001e:
			clear(value)
		}
		b = b[min(len(b), stunAttribute+(n+3)&^3):]
	}
}

// mendUDP has change change the payload of e and then makes the UDP checksum as right
// or wrong as it was before. It reports whether anything changed.
func mendUDP(e *entry, p *capture.Packet, change func()) bool {
	was := string(e.body())
	change()
	if was == string(e.body()) {
		return false
	}
	if p == nil || p.Protocol != capture.ProtoUDP || p.Fragment.Valid {
		return true
	}
	// In the payload of p, which in TURN is not that of e, but around it.
	at, ok := payloadAt(&e.Frame, p)
	if ok && at >= shortUDP && at <= e.at && (e.at-at)%2 == 0 {
		mend(e.Data[at-2:at], was, e.body())
	}
	return true
}

// tcpSum is where a TCP header has its checksum, counted from its beginning.
const tcpSum = 16

// mendTCP is that for the payload of a TCP segment, which was was.
func mendTCP(e *entry, p *capture.Packet, was string) {
	if p == nil || was == string(e.body()) {
		return
	}
	// The header's length is in its 13th octet (RFC 9293 3.1): of those that
	// there may be, one says that it is as long as it is.
	for header := 20; header <= 60 && header <= e.at; header += 4 {
		if h := e.Data[e.at-header:]; int(h[12]>>4)*4 == header && binary.BigEndian.Uint16(h) == p.SrcPort && binary.BigEndian.Uint16(h[2:]) == p.DstPort {
			mend(h[tcpSum:tcpSum+2], was, e.body())
			return
		}
	}
}

// mend changes a checksum by what became of some octets at an even distance (RFC
// 1624). None, 0, stays none.
func mend(field []byte, was string, is []byte) {
	c := binary.BigEndian.Uint16(field)
	if c == 0 {
		return
	}
	n := ^fold(uint32(^c) + uint32(^sum([]byte(was))) + uint32(sum(is)))
	if n == 0 {
		n = 0xffff
	}
	binary.BigEndian.PutUint16(field, n)
}

// sum is the ones' complement sum of b (RFC 1071).
func sum(b []byte) uint16 {
	var n uint32
	for ; len(b) >= 2; b = b[2:] {
		n += uint32(binary.BigEndian.Uint16(b))
		n = n&0xffff + n>>16
	}
	if len(b) == 1 {
		n += uint32(b[0]) << 8
	}
	return fold(n)
}

func fold(n uint32) uint16 {
	n = n&0xffff + n>>16
	return uint16(n&0xffff + n>>16)
}

// SCTP (RFC 9260 3): the common header and the chunks with data.
const (
	sctpHeader  = 12
	chunkHeader = 4
	dataChunk   = 0
	dataHeader  = 16
	iDataChunk  = 64 // RFC 8260 2.1
	iDataHeader = 20
	dataWhole   = 3 // B and E: the whole message is in this chunk
)

// chunks blanks what SCTP carries: of SIP what is to be blanked, everything else
// wholly.
func (m *mask) chunks(e *entry) bool {
	if e.at < sctpHeader {
		return e.cut(e.at)
	}
	packet := e.Data[e.at-sctpHeader : e.at+e.payload]
	right := binary.LittleEndian.Uint32(packet[8:]) == castagnoli(packet)
	changed := false
	for b := e.body(); len(b) >= chunkHeader; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		chunk := b[:min(len(b), max(n, chunkHeader))]
		header := 0
		switch chunk[0] {
		case dataChunk:
			header = dataHeader
		case iDataChunk:
			header = iDataHeader
		}
		if header > 0 && len(chunk) > header {
			m.data(chunk[header:], chunk[1]&dataWhole == dataWhole && len(chunk) == n)
			changed = true
		}
		b = b[min(len(b), (max(n, chunkHeader)+3)&^3):]
	}
	if changed && right {
		binary.LittleEndian.PutUint32(packet[8:], castagnoli(packet))
	}
	return changed
}

func (m *mask) data(b []byte, whole bool) {
	if whole && sip.Sniff(b) {
		m.message(b)
		return
	}
	clear(b)
}

// castagnoli is the checksum of an SCTP packet (RFC 9260 appendix A).
func castagnoli(packet []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	c := crc32.Update(0, table, packet[:8])
	c = crc32.Update(c, table, []byte{0, 0, 0, 0})
	return crc32.Update(c, table, packet[sctpHeader:])
}

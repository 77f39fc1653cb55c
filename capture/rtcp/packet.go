package rtcp

import "encoding/binary"

// Packet types (IANA, RTP Parameters).
const (
	SR    = 200 // sender report, RFC 3550 6.4.1
	RR    = 201 // receiver report, RFC 3550 6.4.2
	SDES  = 202 // source description, RFC 3550 6.5
	BYE   = 203 // RFC 3550 6.6
	APP   = 204 // RFC 3550 6.7
	RTPFB = 205 // transport layer feedback, RFC 4585 6.2
	PSFB  = 206 // payload-specific feedback, RFC 4585 6.3
	XR    = 207 // extended reports, RFC 3611
)

const (
	headerSize     = 4
	senderInfoSize = 20
	blockSize      = 24
)

// Packet is a view of one RTCP packet of a compound. Data is the whole packet
// with its header, without padding. A Packet comes from a Walker, which has
// checked its length; the accessors check what they read themselves.
type Packet struct {
	Data  []byte
	Type  uint8
	Count uint8 // report count, source count, subtype or feedback format: the header's 5 bits
}

// Walker goes through the packets of a datagram.
type Walker struct{ rest []byte }

// Walk returns a Walker over the packets of b.
func Walk(b []byte) Walker { return Walker{b} }

// Next returns the next packet. It reports false at the end of the datagram,
// and also where what follows is no RTCP packet or is cut short.
func (w *Walker) Next() (Packet, bool) {
	n := size(w.rest)
	if n == 0 {
		w.rest = nil
		return Packet{}, false
	}
	b := w.rest[:n]
	w.rest = w.rest[n:]
	p := Packet{Data: b, Type: b[1], Count: b[0] & 0x1f}
	if b[0]&0x20 != 0 {
		pad := int(b[n-1])
		if pad == 0 || pad > n-headerSize {
			w.rest = nil
			return Packet{}, false
		}
		p.Data = b[:n-pad]
	}
	return p, true
}

// size returns the octets of the packet that b begins with, or 0 when there is
// none.
func size(b []byte) int {
	if len(b) < headerSize || b[0]>>6 != 2 || b[1] < 192 || b[1] > 223 {
		return 0
	}
	n := headerSize * (int(binary.BigEndian.Uint16(b[2:])) + 1)
	if n > len(b) {
		return 0
	}
	return n
}

// Valid reports whether b is a compound RTCP packet by the checks of RFC 3550
// A.2: version 2 throughout, first a report without padding, padding only in
// the last packet, lengths that add up to b; and besides, that every report
// has room for the blocks it announces. The types must be RTCP's (192-223, RFC
// 5761 4). It is meant to tell RTCP from RTP and from anything else.
func Valid(b []byte) bool {
	return len(b) >= 8 && (b[1] == SR || b[1] == RR) && b[0]&0x20 == 0 && adds(b)
}

// ValidReduced is Valid for a port known to carry RTCP: b may also begin with
// another packet type (RFC 5506, reduced size) and its first packet be padded.
func ValidReduced(b []byte) bool {
	return len(b) >= 8 && b[1] >= SR && b[1] <= XR && adds(b)
}

// adds reports whether b is a sequence of whole RTCP packets.
func adds(b []byte) bool {
	for len(b) > 0 {
		n := size(b)
		if n == 0 || n < minimum(b[1], int(b[0]&0x1f)) {
			return false
		}
		if b[0]&0x20 != 0 {
			// Padding is a multiple of four octets, its own count included.
			pad := int(b[n-1])
			return n == len(b) && pad != 0 && pad%4 == 0 && n-pad >= minimum(b[1], int(b[0]&0x1f))
		}
		b = b[n:]
	}
	return true
}

// minimum returns the least octets of a packet of type t and count.
func minimum(t uint8, count int) int {
	switch t {
	case SR:
		return headerSize + 4 + senderInfoSize + count*blockSize
	case RR:
		return headerSize + 4 + count*blockSize
	case SDES, BYE:
		return headerSize + 4*count
	case APP, RTPFB, PSFB:
		return headerSize + 8
	case XR:
		return headerSize + 4
	}
	return headerSize
}

// Encrypted reports whether b looks like SRTCP (RFC 3711 3.4): it begins with
// the header of an RTCP packet that has room in it, but is not RTCP, and the
// SRTCP index stands where one of the usual transforms puts it, with the E bit
// set and the index below 2^24: before a tag of 10 octets (HMAC-SHA1-80), before
// one of 4, or at the end (AEAD, RFC 7714 9.2). Random octets are taken for it
// once in some ten million times.
func Encrypted(b []byte) bool {
	n := size(b)
	if n == 0 || b[1] < SR || b[1] > XR || n < minimum(b[1], int(b[0]&0x1f)) || len(b)-n < 4 || ValidReduced(b) {
		return false
	}
	for _, tag := range [...]int{10, 4, 0} {
		if i := len(b) - 4 - tag; i >= 8 && b[i] == 0x80 {
			return true
		}
	}
	return false
}

// Split cuts a compound into its first part and the rest. A part begins with a
// sender or receiver report and reaches up to the next one; what stands before
// the first report (reduced size) is a part of its own. When nothing readable
// is left both are empty.
func Split(b []byte) (part, rest []byte) {
	n := size(b)
	if n == 0 {
		return nil, nil
	}
	for {
		next := size(b[n:])
		if next == 0 {
			return b[:n], nil
		}
		if t := b[n+1]; t == SR || t == RR {
			return b[:n], b[n:]
		}
		n += next
	}
}

// SenderSSRC returns the SSRC in the first header of b, which is in clear in SRTCP
// too; 0 when b is too short.
func SenderSSRC(b []byte) uint32 { return word(b, 1) }

// SSRC returns the sender's SSRC, or of SDES and BYE the first source; 0 when
// p has none.
func (p Packet) SSRC() uint32 {
	if p.Count == 0 && (p.Type == SDES || p.Type == BYE) {
		return 0
	}
	return word(p.Data, 1)
}

// word returns the 32-bit word of b with index i, or 0 beyond its end.
func word(b []byte, i int) uint32 {
	if 4*i+4 > len(b) {
		return 0
	}
	return binary.BigEndian.Uint32(b[4*i:])
}

// SenderInfo is the sender information of an SR (RFC 3550 6.4.1).
type SenderInfo struct {
	NTPSeconds  uint32 // since 1900
	NTPFraction uint32 // of 2^32
	RTPTime     uint32 // the same instant, timestamp units
	Packets     uint32 // sent since the start
	Octets      uint32 // of payload sent since the start
}

// SenderInfo returns p's sender information; false when p is no SR.
func (p Packet) SenderInfo() (SenderInfo, bool) {
	b := p.Data
	if p.Type != SR || len(b) < headerSize+4+senderInfoSize {
		return SenderInfo{}, false
	}
	return SenderInfo{word(b, 2), word(b, 3), word(b, 4), word(b, 5), word(b, 6)}, true
}

// ReportBlock is one reception report block (RFC 3550 6.4.1).
type ReportBlock struct {
	SSRC         uint32 // of the source the report is about
	FractionLost uint8  // of 256, since the report before
	PacketsLost  int32  // cumulative, 24 bits with sign: duplicates make it negative
	HighestSeq   uint32 // extended highest sequence number
	Jitter       uint32 // timestamp units
	LSR          uint32 // middle 32 bits of the last SR's NTP time, 0 when none
	DLSR         uint32 // delay since then, 1/65536 s
}

// ReportBlock returns p's report block with index i; false when there is none,
// i being at least p.Count or p neither SR nor RR.
func (p Packet) ReportBlock(i int) (ReportBlock, bool) {
	off := headerSize + 4
	switch p.Type {
	case SR:
		off += senderInfoSize
	case RR:
	default:
		return ReportBlock{}, false
	}
	if i < 0 || i >= int(p.Count) || off+(i+1)*blockSize > len(p.Data) {
		return ReportBlock{}, false
	}
	b := p.Data[off+i*blockSize:]
	return ReportBlock{
		SSRC:         word(b, 0),
		FractionLost: b[4],
		PacketsLost:  int32(word(b, 1)<<8) >> 8,
		HighestSeq:   word(b, 2),
		Jitter:       word(b, 3),
		LSR:          word(b, 4),
		DLSR:         word(b, 5),
	}, true
}

// Source returns the SSRC with index i that leaves; false when p is no BYE or
// has no such source.
func (p Packet) Source(i int) (uint32, bool) {
	if p.Type != BYE || i < 0 || i >= int(p.Count) || headerSize+4*(i+1) > len(p.Data) {
		return 0, false
	}
	return word(p.Data, 1+i), true
}

// Reason returns the reason for leaving that a BYE gives, or nil.
func (p Packet) Reason() []byte {
	off := headerSize + 4*int(p.Count)
	if p.Type != BYE || off >= len(p.Data) {
		return nil
	}
	n := int(p.Data[off])
	return p.Data[off+1 : min(off+1+n, len(p.Data))]
}

// App returns the name of an APP packet, four octets, and its data; nil when p
// is none. Its subtype is p.Count.
func (p Packet) App() (name, data []byte) {
	if p.Type != APP || len(p.Data) < headerSize+8 {
		return nil, nil
	}
	return p.Data[8:12], p.Data[12:]
}

// MediaSSRC returns the SSRC of the source that a feedback packet is about;
// false when p is no feedback. Its format is p.Count.
func (p Packet) MediaSSRC() (uint32, bool) {
	if p.Type != RTPFB && p.Type != PSFB || len(p.Data) < headerSize+8 {
		return 0, false
	}
	return word(p.Data, 2), true
}

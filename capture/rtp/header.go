package rtp

import "encoding/binary"

// HeaderSize is the length in octets of an RTP header without CSRCs and extension.
const HeaderSize = 12

// Header is the view of one RTP packet's header. It holds no reference to the
// packet it was parsed from.
type Header struct {
	Marker        bool
	PayloadType   uint8  // 0-127
	Sequence      uint16 // wraps
	Timestamp     uint32 // in units of the payload type's clock, wraps
	SSRC          uint32
	PayloadOffset int // octets from the start of the datagram's payload
	PayloadLen    int // octets, without padding
}

// Parse reads the RTP packet that b holds: RFC 3550 5.1, with the CSRC list,
// the header extension and the padding inside b (A.1). It reports whether b
// is one; h is zero when it is not.
func (h *Header) Parse(b []byte) bool {
	if len(b) >= HeaderSize && b[0] == 0x80 { // by far the most: nothing optional
		h.fixed(b)
		h.PayloadOffset = HeaderSize
		h.PayloadLen = len(b) - HeaderSize
		return true
	}
	if !h.ParseFront(b) {
		return false
	}
	if b[0]&0x20 != 0 {
		pad := int(b[len(b)-1])
		if pad == 0 || pad > h.PayloadLen {
			*h = Header{}
			return false
		}
		h.PayloadLen -= pad
	}
	return true
}

// fixed reads what every packet has from b, which is long enough.
func (h *Header) fixed(b []byte) {
	_ = b[HeaderSize-1]
	h.Marker = b[1]&0x80 != 0
	h.PayloadType = b[1] & 0x7f
	h.Sequence = binary.BigEndian.Uint16(b[2:])
	h.Timestamp = binary.BigEndian.Uint32(b[4:])
	h.SSRC = binary.BigEndian.Uint32(b[8:])
}

// ParseFront is Parse without the check of the padding, for a datagram of
// which only the front was captured and for SRTP, whose last octet is not the
// padding's (RFC 3711 3.1). PayloadLen is then what b holds, padding and
// authentication tag included.
func (h *Header) ParseFront(b []byte) bool {
	if len(b) < HeaderSize || b[0]>>6 != 2 {
		*h = Header{}
		return false
	}
	off := HeaderSize
	if b[0]&0x1f != 0 {
		if off = payloadOffset(b); off < 0 {
			*h = Header{}
			return false
		}
	}
	h.fixed(b)
	h.PayloadOffset = off
	h.PayloadLen = len(b) - off
	return true
}

// payloadOffset returns where the payload begins behind CSRCs and extension,
// or -1 when that is outside b, which holds a fixed header.
func payloadOffset(b []byte) int {
	off := HeaderSize + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < off+4 {
			return -1
		}
		off += 4 + 4*int(binary.BigEndian.Uint16(b[off+2:]))
	}
	if len(b) < off {
		return -1
	}
	return off
}

// IsRTCP reports whether b, seen where RTP or RTCP may come, is RTCP: version
// 2 and a packet type of 192-223 (RFC 5761 4). It looks at the first header
// only, and takes SRTCP for RTCP.
func IsRTCP(b []byte) bool {
	return len(b) >= 4 && b[0]>>6 == 2 && b[1] >= 192 && b[1] <= 223
}

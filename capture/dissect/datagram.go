package dissect

import (
	"encoding/binary"

	"heptap/capture"
	"heptap/capture/rtcp"
	"heptap/capture/rtp"
	"heptap/capture/sip"
)

// Datagram returns which protocol the UDP datagram p carries, or
// capture.Unknown. It does not allocate and keeps nothing of p.
func Datagram(p *capture.Packet) capture.Protocol {
	b := p.Payload
	if len(b) == 0 {
		return keepAlive(p)
	}
	switch b[0] >> 6 {
	case 2:
		return media(b)
	case 3:
		return capture.Unknown
	case 0:
		if isSTUN(p) {
			return capture.STUN
		}
	}
	switch {
	case len(b) >= 4 && string(b[:4]) == "HEP3":
		return capture.Unknown
	case sip.Sniff(b):
		return capture.SIP
	}
	return keepAlive(p)
}

// media tells RTCP from RTP. The padding of RTP is not looked at: under SRTP
// (RFC 3711 3.1) and in a datagram that was cut the last octet does not count
// it. That is for media to weigh.
func media(b []byte) capture.Protocol {
	if rtp.IsRTCP(b) {
		if rtcp.Valid(b) {
			return capture.RTCP
		}
		return capture.Unknown
	}
	var h rtp.Header
	if h.ParseFront(b) {
		return capture.RTP
	}
	return capture.Unknown
}

// STUN's header (RFC 8489 5): type 2, length 2, magic cookie 4, transaction 12.
const (
	stunHeader = 20
	stunCookie = 0x2112a442
)

// isSTUN reports whether p is a STUN message, which fills its datagram.
func isSTUN(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < stunHeader || b[0]>>6 != 0 || binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	return length%4 == 0 && (stunHeader+length == len(b) || p.Truncated && stunHeader+length > len(b))
}

func keepAlive(p *capture.Packet) capture.Protocol {
	if !p.Truncated && sip.IsKeepAlive(p.Payload) {
		return capture.KeepAlive
	}
	return capture.Unknown
}

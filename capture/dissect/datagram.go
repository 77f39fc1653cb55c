package dissect

import (
	"encoding/binary"

	"heptap/capture"
	"heptap/capture/rtcp"
	"heptap/capture/rtp"
	"heptap/capture/sip"
)

// Datagram returns which protocol the UDP datagram p carries, or
// capture.Unknown; capture.NotSIP when it is nothing we know, is not cut short,
// and came from or to a SIP port. Of what is beside signalling it looks for what
// is in also. It does not allocate and keeps nothing of p.
//
// For STUN and TURN, Unwrap looks for what is relayed inside.
func Datagram(p *capture.Packet, also Beside) capture.Protocol {
	b := p.Payload
	if also&Lookups != 0 && lookup(p) {
		return capture.DNS
	}
	switch {
	case len(b) > 0 && b[0]>>6 == 2:
		if also&Commands != 0 && b[0] == magicBinRPC && isCommand(b) {
			return capture.MI
		}
		if proto := media(b); proto != capture.Unknown {
			return proto
		}
	default:
		proto := classify(p)
		if proto == capture.Unknown && also != 0 {
			proto = besides(p, also)
		}
		if proto != capture.Unknown {
			return proto
		}
	}
	if len(b) > 0 && !p.Truncated && (sipPort(p.SrcPort) || sipPort(p.DstPort)) {
		return capture.NotSIP
	}
	return capture.Unknown
}

// sipPort reports whether port is one that SIP is expected on (RFC 3261 19.1.2).
func sipPort(port uint16) bool { return port == 5060 || port == 5061 }

// classify judges datagrams that do not begin as RTP does.
func classify(p *capture.Packet) capture.Protocol {
	b := p.Payload
	if len(b) == 0 {
		return keepAlive(p)
	}
	switch b[0] >> 6 {
	case 3:
		return capture.Unknown
	case 0:
		switch {
		case isSTUN(p):
			return capture.STUN
		case isDTLS(p):
			return capture.DTLS
		case isZRTP(b):
			return capture.ZRTP
		}
	}
	switch {
	case isHEP(b):
		return capture.HEP
	case sip.Sniff(b):
		return capture.SIP
	case isChannelData(p):
		return capture.TURN
	case isUDPTL(p):
		return capture.UDPTL
	}
	return keepAlive(p)
}

// media tells RTCP from RTP. The padding of RTP is not looked at: under SRTP
// (RFC 3711 3.1) and in a datagram that was cut the last octet does not count
// it. That is for media to weigh.
func media(b []byte) capture.Protocol {
	if rtp.IsRTCP(b) {
		if rtcp.ValidReduced(b) || rtcp.Encrypted(b) {
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

// DTLS's record header (RFC 6347 4.1): type, version 2, epoch 2, sequence 6,
// length 2.
const dtlsHeader = 13

// isDTLS reports whether p begins with a DTLS 1.0 or 1.2 record, as handshakes
// of 1.3 do too. The encrypted records of 1.3 (RFC 9147 4) have no mark to know
// them by.
func isDTLS(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < dtlsHeader || b[0] < 20 || b[0] > 26 || b[1] != 0xfe || b[2] != 0xff && b[2] != 0xfd {
		return false
	}
	n := dtlsHeader + int(binary.BigEndian.Uint16(b[11:]))
	return n > dtlsHeader && (n <= len(b) || p.Truncated)
}

// isZRTP knows ZRTP by its cookie and the preamble of its message (RFC 6189 5).
func isZRTP(b []byte) bool {
	return len(b) >= 28 && b[0]&0xf0 == 0x10 && string(b[4:8]) == "ZRTP" && b[12] == 0x50 && b[13] == 0x5a
}

// isHEP reports whether b is somebody else's HEP: version 3 by its magic,
// versions 1 and 2, which have none, by family, protocol and the SIP that
// follows their header. The header length in HEP1 and HEP2 cannot be trusted.
func isHEP(b []byte) bool {
	if len(b) >= 4 && string(b[:4]) == "HEP3" {
		return true
	}
	if len(b) < 4 || b[0] != 1 && b[0] != 2 || b[3] != capture.ProtoUDP && b[3] != capture.ProtoTCP && b[3] != capture.ProtoSCTP {
		return false
	}
	header := 8
	switch b[2] {
	case 2: // AF_INET
		header += 2 * 4
	case 10: // AF_INET6, of Linux
		header += 2 * 16
	default:
		return false
	}
	if b[0] == 2 {
		header += 12 // seconds, microseconds, capture id, padding
	}
	return len(b) > header && sip.Sniff(b[header:])
}

func keepAlive(p *capture.Packet) capture.Protocol {
	if !p.Truncated && sip.IsKeepAlive(p.Payload) {
		return capture.KeepAlive
	}
	return capture.Unknown
}

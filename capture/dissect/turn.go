package dissect

import (
	"encoding/binary"
	"net/netip"

	"heptap/capture"
)

// STUN's header (RFC 8489 5): type 2, length 2, magic cookie 4, transaction 12.
const (
	stunHeader = 20
	stunCookie = 0x2112a442
)

// What carries relayed data in STUN (RFC 8656 11, 18).
const (
	sendIndication = 0x0016
	dataIndication = 0x0017
	attrPeer       = 0x0012 // XOR-PEER-ADDRESS
	attrData       = 0x0013
)

const channelHeader = 4 // channel 2, length 2 (RFC 8656 12.4)

// isSTUN reports whether p is a STUN message, which fills its datagram.
func isSTUN(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < stunHeader || b[0]>>6 != 0 || binary.BigEndian.Uint32(b[4:]) != stunCookie {
		return false
	}
	length := int(binary.BigEndian.Uint16(b[2:]))
	return length%4 == 0 && (stunHeader+length == len(b) || p.Truncated && stunHeader+length > len(b))
}

// isChannelData reports whether p is TURN channel data, which fills its
// datagram but for padding to a multiple of four (RFC 8656 12.4, 12.5).
func isChannelData(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < channelHeader || b[0]>>4 != 4 {
		return false
	}
	n := channelHeader + int(binary.BigEndian.Uint16(b[2:]))
	return n == len(b) || n < len(b) && len(b) == (n+3)&^3 || n > len(b) && p.Truncated
}

// Unwrap looks into p, which Datagram says is STUN or TURN, for what a TURN
// relay carries in it: channel data, or a Send or Data indication. When that is
// something we know, p.Payload, Length and Truncated become those of the inner
// datagram, and Unwrap returns its protocol; the addresses stay those of the
// wire. Otherwise it returns capture.Unknown and leaves p as it is.
func Unwrap(p *capture.Packet) capture.Protocol {
	data, length, ok := relayed(p.Payload)
	if !ok {
		return capture.Unknown
	}
	outer := *p
	p.Payload, p.Length, p.Truncated = data, length, len(data) < length
	var proto capture.Protocol
	if len(data) > 0 && data[0]>>6 == 2 {
		proto = media(data)
	} else {
		proto = classify(p)
	}
	switch proto {
	case capture.Unknown, capture.KeepAlive, capture.TURN:
		*p = outer
		return capture.Unknown
	}
	return proto
}

// relayed returns what b, channel data or a STUN message, carries, and how many
// octets that had on the wire.
func relayed(b []byte) (data []byte, length int, ok bool) {
	if len(b) < channelHeader {
		return nil, 0, false
	}
	if b[0]>>4 == 4 {
		length = int(binary.BigEndian.Uint16(b[2:]))
		b = b[channelHeader:]
		return b[:min(length, len(b))], length, true
	}
	switch binary.BigEndian.Uint16(b) {
	case sendIndication, dataIndication:
		return attribute(b, attrData)
	}
	return nil, 0, false
}

// attribute returns the first attribute of a STUN message that is of the type,
// and its length on the wire (RFC 8489 14).
func attribute(b []byte, typ uint16) (value []byte, length int, ok bool) {
	b = b[min(len(b), stunHeader):]
	for len(b) >= 4 {
		t, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		b = b[4:]
		if t == typ {
			return b[:min(n, len(b))], n, true
		}
		b = b[min(len(b), (n+3)&^3):]
	}
	return nil, 0, false
}

// Peer returns the XOR-PEER-ADDRESS of a STUN message, payload, whole (RFC
// 8656 18.3): whom the relay sends to or has received from.
func Peer(payload []byte) (netip.AddrPort, bool) {
	v, _, ok := attribute(payload, attrPeer)
	if !ok || len(payload) < stunHeader || len(v) < 8 {
		return netip.AddrPort{}, false
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ stunCookie>>16
	size := 4
	if v[1] == 2 { // family: IPv6
		size = 16
	}
	if v[1] != 1 && v[1] != 2 || len(v) != 4+size {
		return netip.AddrPort{}, false
	}
	var addr [16]byte
	for i := range size {
		addr[i] = v[4+i] ^ payload[4+i] // cookie and transaction id
	}
	a, _ := netip.AddrFromSlice(addr[:size])
	return netip.AddrPortFrom(a, port), true
}

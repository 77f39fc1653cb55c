package trace

import (
	"bytes"
	"net/netip"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/capture/sip"
)

// transport is a set of transports, one bit each but for 0: not known.
type transport uint8

// transportNames are the names of the bits, from the lowest on; the first stands
// for what is not known.
var transportNames = [...]string{"", "udp", "tcp", "tls", "ws", "wss", "sctp"}

const (
	overUDP transport = 1 << iota
	overTCP
	overTLS
	overWS
	overWSS
	overSCTP
)

// transportOf returns the bit of a name, in any case, or 0.
func transportOf(name []byte) transport {
	for i, n := range transportNames[1:] {
		if equalFold(name, n) {
			return 1 << i
		}
	}
	return 0
}

// fields are what rules compare of one record. What needs parsing is parsed when
// it is first asked for, and once.
type fields struct {
	r        *record.Record
	from, to netip.AddrPort // of the request, addresses without IPv4 in IPv6
	response bool           // of SIP

	hasTransport bool
	transport    transport

	parsed, sip             bool // sip: the payload is a SIP message
	method, host            []byte
	request, caller, callee party
	hasParties              bool
	view                    sip.View
	buf                     []byte
}

// textBytes is the room for all texts of a message: three users with domains,
// and a host.
const textBytes = 7 * maxText

// begin starts anew with a record.
func (f *fields) begin(r *record.Record) {
	f.r, f.parsed, f.sip, f.hasParties, f.hasTransport, f.response = r, false, false, false, false, false
	f.from, f.to = unmap(r.Flow.Src), unmap(r.Flow.Dst)
	if r.Type == record.SIP && isResponse(r.Payload) {
		f.response = true
		f.from, f.to = f.to, f.from
	}
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// isResponse tells responses from requests: no method has a slash.
func isResponse(b []byte) bool {
	b = bytes.TrimLeft(b, "\r\n")
	return len(b) > 4 && equalFold(b[:4], "sip/")
}

// isInvite reports whether b begins like an INVITE.
func isInvite(b []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(b, "\r\n"), []byte("INVITE "))
}

// inDialog reports whether the message is a response, or a request inside a dialog
// (RFC 3261 12.2).
func (f *fields) inDialog() bool {
	return f.response || f.parse() && len(f.view.ToTag()) > 0
}

// parse reads the SIP message, and reports whether there is one.
func (f *fields) parse() bool {
	if f.parsed {
		return f.sip
	}
	f.parsed = true
	if f.r.Type != record.SIP || f.view.Parse(f.r.Payload) != nil {
		return false
	}
	f.sip = true
	f.method = f.view.Method
	if !f.view.IsRequest {
		f.method = f.view.CSeqMethod
	}
	return true
}

// parties takes out who the message is about, and which host it comes from. It
// reports whether there is a message.
func (f *fields) parties() bool {
	if !f.parse() || f.hasParties {
		return f.sip
	}
	f.hasParties = true
	v, b := &f.view, f.buf[:0]
	f.request = party{}
	if v.IsRequest {
		b = f.request.take(v.RequestURI, b)
	}
	b = f.caller.take(v.FromURI(), b)
	b = f.callee.take(v.ToURI(), b)
	_, host, _ := v.TopHop()
	f.host = nil
	if len(host) > 0 {
		n := len(b)
		b = appendDomain(b, host)
		f.host = b[n:]
	}
	f.buf = b[:0]
	return true
}

// over returns how the record's message was carried.
func (f *fields) over() transport {
	if !f.hasTransport {
		f.hasTransport = true
		f.transport = f.findTransport()
	}
	return f.transport
}

// What agents write for TLS, Kamailio for WebSocket too, and OpenSIPS for WebSocket
// with and without TLS (hep.c of both).
const (
	protoIDP = 22
	protoESP = 50
)

func (f *fields) findTransport() transport {
	carrier := overTCP
	switch f.r.Flow.Proto {
	case capture.ProtoUDP:
		return overUDP
	case capture.ProtoSCTP:
		return overSCTP
	case capture.ProtoTCP:
	case protoIDP:
		carrier = overTLS
	case protoESP:
		carrier = overWS
	default:
		return 0
	}
	var name []byte
	switch {
	case f.r.Type == record.Net:
		name = firstMember(f.r.Payload, "Protocol") // as OpenSIPS has it
	case f.parse():
		name, _, _ = f.view.TopHop()
	}
	if t := transportOf(name); t&(overTLS|overWS|overWSS) != 0 {
		return t
	}
	return carrier
}

// firstMember returns the first member of a JSON object, if that is a string
// without escapes and has this name, or nil.
func firstMember(b []byte, name string) []byte {
	for _, token := range [...]string{"{", `"`, name, `"`, ":", `"`} {
		if token != name {
			b = bytes.TrimLeft(b, " \t\r\n")
		}
		if len(b) < len(token) || string(b[:len(token)]) != token {
			return nil
		}
		b = b[len(token):]
	}
	end := bytes.IndexAny(b, `"\\`)
	if end < 0 || b[end] != '"' {
		return nil
	}
	return b[:end]
}

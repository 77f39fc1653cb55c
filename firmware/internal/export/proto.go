package export

import (
	"bytes"

	"heptap/capture"
	"heptap/capture/record"
)

// Numbers says what chunk 0x02 is of what goes over TCP. It has a number of IP there, and
// OpenSIPS and Kamailio put one that IP has for something else for what is above TCP
// (proto_hep, hep.c): 22 for TLS, 50 for WebSocket.
type Numbers string

// The ways.
const (
	NumbersSeen     Numbers = "seen"     // as agents send them, 6 in records of our own; homer7, which shows 50 as UDP, has 6 instead of it
	NumbersIP       Numbers = "ip"       // 6
	NumbersOpenSIPS Numbers = "opensips" // 22 and 50, in records of our own too
)

const (
	protoIDP = 22 // TLS
	protoESP = 50 // WebSocket
)

// number returns chunk 0x02 of the record r.
func (p *Profile) number(r *record.Record) uint8 {
	proto := r.Flow.Proto
	if proto != capture.ProtoTCP && proto != protoIDP && proto != protoESP {
		return proto
	}
	switch p.numbers {
	case NumbersIP:
		return capture.ProtoTCP
	case NumbersOpenSIPS:
		return p.above(r)
	}
	if p.homer7 && proto == protoESP {
		return capture.ProtoTCP
	}
	return proto
}

// above returns the number of what the record says to go over TCP: the record of a
// connection by its protocol, SIP by its topmost Via.
func (p *Profile) above(r *record.Record) uint8 {
	var what []byte
	switch r.Type {
	case record.Net:
		const key = `{"Protocol":"`
		if rest, ok := bytes.CutPrefix(r.Payload, []byte(key)); ok {
			what, _, _ = bytes.Cut(rest, []byte{'"'})
		}
	case record.SIP:
		if p.sip.Parse(r.Payload) == nil {
			what, _, _ = p.sip.TopHop()
		}
	}
	switch {
	case bytes.EqualFold(what, []byte("TLS")):
		return protoIDP
	case bytes.EqualFold(what, []byte("WS")), bytes.EqualFold(what, []byte("WSS")):
		return protoESP
	}
	return r.Flow.Proto
}

package probe

import (
	"bytes"
	"strconv"

	"heptap/capture"
	"heptap/capture/record"
	"heptap/capture/sip"
	"heptap/firmware/internal/assembly"
	"heptap/firmware/internal/intake"
)

// Relay is what other agents have seen, and who tells it from what the mirror
// ports show (*intake.Intake).
type Relay interface {
	// Peek returns the first item, nil when there is none; Done ends it.
	Peek() *intake.Item
	Done()
	// Tap looks at a message of a mirror port, Relay at an item, before its record is made.
	Tap(m *capture.Message) intake.Verdict
	Relay(it *intake.Item) bool
}

// inside says what the agent has read that sent it: SIP in a WebSocket is what the
// agent's protocol number (50, OpenSIPS) or the Via of the hop (RFC 7118 5.1) says.
func inside(it *intake.Item) assembly.Inside {
	if it.Message.Protocol != capture.SIP {
		return assembly.Nothing
	}
	const esp = 50
	var v sip.View
	if it.Record.Flow.Proto == esp {
		return assembly.WebSocket
	}
	if v.Parse(it.Message.Payload) == nil {
		if t, _, _ := v.TopHop(); bytes.EqualFold(t, []byte("WSS")) || bytes.EqualFold(t, []byte("WS")) {
			return assembly.WebSocket
		}
	}
	return assembly.SIP
}

// outgoing puts right the port of who made the connection that the item went over, and reports
// whether it could: of such a connection Kamailio in requests, and OpenSIPS in responses too,
// names the port where they listen, as the Via of the hop does (RFC 3261 18.1.1).
func (p *Probe) outgoing(it *intake.Item) bool {
	var v sip.View
	if it.Message.Protocol != capture.SIP || v.Parse(it.Message.Payload) != nil {
		return false
	}
	transport, _, said := v.TopHop()
	port := uint64(5060)
	if len(said) > 0 {
		var err error
		if port, err = strconv.ParseUint(string(said), 10, 16); err != nil {
			return false
		}
	} else if bytes.EqualFold(transport, []byte("TLS")) {
		port = 5061
	}
	f := it.Record.Flow
	if !v.IsRequest {
		f = f.Reverse()
	}
	if uint64(f.Src.Port()) != port || !p.assembly.Outgoing(&f) {
		return false
	}
	if !v.IsRequest {
		f = f.Reverse()
	}
	it.Record.Flow, it.Message.Flow = f, f
	return true
}

// relayed takes in what another agent has seen.
func (p *Probe) relayed(it *intake.Item) {
	if !p.cfg.Relay.Relay(it) {
		p.correlator.Told(&it.Message, &it.Record)
		return
	}
	r := &it.Record
	var conn uint64
	if proto := r.Flow.Proto; proto != capture.ProtoUDP && proto != capture.ProtoSCTP {
		what := inside(it)
		conn = p.assembly.Connection(&r.Flow, r.Wall, what)
		if conn == 0 && p.outgoing(it) {
			conn = p.assembly.Connection(&r.Flow, r.Wall, what)
		}
	}
	if m := &it.Message; m.Protocol != capture.Unknown {
		m.Conn = conn
		p.correlator.Relayed(m, r)
		p.beside(m)
		return
	}
	if (r.Type == record.Net || r.Type == record.REST || r.Type == record.MI) && conn != 0 && len(r.Links) < record.MaxLinks { // it is, or went over, one that a port shows
		p.id = strconv.AppendUint(p.id[:0], conn, 10)
		r.Links = append(r.Links, record.Link{Type: record.Net, How: record.Flow, ID: p.id})
	}
	p.correlator.Foreign(r)
}

package stream

import "heptap/capture"

// Handler takes the octets of one connection. An Assembler calls it from its
// own methods only, so from one goroutine; it must not call the Assembler, but
// may call the connection's Release and Keep. dir is 0 for what goes from
// Flow().Src to Flow().Dst, 1 for the other direction.
type Handler interface {
	// Data shows all octets of one direction that are in order and were not
	// consumed yet. The last fresh of them (at least one) are new, and came in
	// the frame at. With gap > 0 so many octets before pending[0] were never
	// captured, with gap == -1 an unknown number: the connection was there
	// before we looked, or its numbers jumped. pending and at are
	// borrowed until Data returns. Data returns how many octets it consumed, from
	// the front; the rest is kept, and shown again only together with what
	// follows: Data takes all messages that are whole.
	Data(dir int, pending []byte, fresh int, gap int64, at *At) (consumed int)

	// Cut says that what comes next in this direction does not follow the last
	// octet shown: a gap comes (why is Gap), there was no room to keep what
	// was not consumed (Budget), the sender has finished (FIN), or the connection ends
	// (what Closed says then). pending is what Data left, for the last time; it
	// is empty only when why is FIN. at is the frame its last octet came
	// in, or the FIN's frame when it is empty. Both are borrowed.
	Cut(dir int, pending []byte, why Reason, at *Meta)

	// Closed is the last call. It does not come after Release.
	Closed(why Reason)
}

// Meta says when and where a frame was captured.
type Meta struct {
	Wall, Mono int64 // see capture.Frame
	VLAN       uint16
	HasVLAN    bool
	TOS        uint8
	Port       uint8 // mirror port index
}

// At is a frame with octets, and their numbers (RFC 9293 3.4).
type At struct {
	Meta
	End      uint32 // behind the last octet that is shown
	Ack      uint32 // what their sender had of the other direction, if
	Numbered bool   // it said so
}

func at(p *capture.Packet) At {
	return At{Meta: meta(p), Ack: p.TCP.Ack, Numbered: p.TCP.Flags&capture.FlagACK != 0}
}

func meta(p *capture.Packet) Meta {
	return Meta{Wall: p.Wall, Mono: p.Mono, VLAN: p.VLAN, HasVLAN: p.HasVLAN, TOS: p.TOS, Port: p.Port}
}

// Reason says why octets were cut off or a connection closed.
type Reason uint8

// The reasons. Gap and Budget are Cut's alone.
const (
	Gap     Reason = iota // octets are missing
	Budget                // no room to keep them
	FIN                   // the sender has finished; both have
	RST                   // reset
	Reused                // a new connection has the same addresses and ports
	Idle                  // no segment for too long
	Evicted               // another connection needed the place
	End                   // the input has ended
	NumReasons
)

var reasonNames = [NumReasons]string{"gap", "budget", "fin", "rst", "reused", "idle", "evicted", "end"}

// String returns the reason as metrics print it.
func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return "invalid"
}

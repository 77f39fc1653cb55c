package packets

import (
	"heptap/capture"
	"heptap/capture/sip"
)

// maxPatched is how many octets of TCP are put together for one file. What comes
// after them ends after its header.
const maxPatched = exportBytes

// patch is what may be shown of a segment's payload.
type patch struct {
	payload []byte // zero where nothing was vetted
	end     int    // where the last octet stands that was
	call    bool   // it has octets of a call that was asked for
}

// assembler follows TCP streams through a snapshot, to find where messages begin
// and end and blank them one by one. Only what comes in order is vetted: a
// segment that was sent again, or came out of order, stays without its payload.
type assembler struct {
	mask    *mask
	calls   map[string]bool // nil: every call
	learn   func(v *sip.View)
	streams map[capture.FiveTuple]*direction
	patches map[int]*patch
	octets  int
}

// direction is one direction of a connection.
type direction struct {
	next   uint32 // sequence number
	mode   mode
	begun  bool
	framer sip.Framer
	buf    []byte // pending octets
	spans  []span // where they came from
	left   int    // of TLS: octets of the record under way
	shown  bool   // and whether it may be shown
}

type mode uint8

const (
	undecided mode = iota
	overTCP
	overTLS
	opaque
)

// span is a part of pending octets that lies in one segment.
type span struct {
	patch *patch
	at, n int
}

// add takes in the i-th frame, which has a TCP segment.
func (a *assembler) add(i int, p *capture.Packet) {
	flow := p.FiveTuple()
	d := a.streams[flow]
	if d == nil {
		d = &direction{}
		a.streams[flow] = d
	}
	if p.TCP.Flags&capture.FlagSYN != 0 {
		*d = direction{next: p.TCP.Seq + 1, begun: true}
		return
	}
	if len(p.Payload) == 0 || d.mode == opaque {
		return
	}
	switch ahead := int32(p.TCP.Seq - d.next); {
	case d.begun && ahead == 0:
	case d.begun && ahead < 0:
		return
	default:
		a.gap(d)
	}
	d.begun, d.next = true, p.TCP.Seq+uint32(p.Length)
	if a.octets += 2 * len(p.Payload); a.octets > maxPatched {
		d.mode = opaque
		return
	}
	at := &patch{payload: make([]byte, len(p.Payload))}
	a.patches[i] = at
	d.buf = append(d.buf, p.Payload...)
	d.spans = append(d.spans, span{at, 0, len(p.Payload)})
	a.decide(d)
	if p.Truncated {
		a.gap(d)
	}
}

// gap forgets what is pending: octets are missing behind it.
func (a *assembler) gap(d *direction) {
	d.buf, d.spans = d.buf[:0], d.spans[:0]
	d.framer.Lost(0)
	d.left = 0
	if d.mode == overTLS { // there is no telling where the next record begins
		d.mode = opaque
	}
}

func (a *assembler) decide(d *direction) {
	if d.mode == undecided {
		d.mode = overTCP
		if b := d.buf; len(b) >= 3 && b[0] >= 20 && b[0] <= tlsData && b[1] == 3 && b[2] <= 4 {
			d.mode = overTLS
		}
	}
	switch d.mode {
	case overTCP:
		a.messages(d)
	case overTLS:
		a.records(d)
	}
}

// messages vets the SIP messages that are whole.
func (a *assembler) messages(d *direction) {
	for len(d.buf) > 0 {
		f := d.framer.Next(d.buf, false)
		switch f.Kind {
		case sip.More:
			return
		case sip.NotSIP:
			d.mode, d.buf, d.spans = opaque, nil, nil
			return
		case sip.Message:
			b := append([]byte(nil), d.buf[:f.N]...)
			wanted := a.wanted(b)
			if !f.Cut && wanted {
				a.mask.message(b)
				d.show(b, a.calls != nil)
			}
		case sip.KeepAlive:
			d.show(d.buf[:f.N], false)
		}
		d.drop(f.N)
	}
}

// wanted reports whether a message is of a call that was asked for.
func (a *assembler) wanted(b []byte) bool {
	if a.calls == nil {
		return true
	}
	var v sip.View
	if v.Parse(b) != nil || !a.calls[string(v.CallID)] {
		return false
	}
	a.learn(&v)
	return true
}

// records vets TLS records but those with application data.
func (a *assembler) records(d *direction) {
	for len(d.buf) > 0 {
		if d.left > 0 {
			n := min(d.left, len(d.buf))
			if d.shown {
				d.show(d.buf[:n], false)
			}
			d.left -= n
			d.drop(n)
			continue
		}
		if len(d.buf) < tlsHeader {
			return
		}
		if d.buf[0] < 20 || d.buf[0] > tlsData || d.buf[1] != 3 {
			d.mode, d.buf, d.spans = opaque, nil, nil
			return
		}
		d.left, d.shown = int(d.buf[3])<<8|int(d.buf[4]), d.buf[0] != tlsData
		d.show(d.buf[:tlsHeader], false)
		d.drop(tlsHeader)
	}
}

// show puts b where the first pending octets came from.
func (d *direction) show(b []byte, call bool) {
	for i := 0; len(b) > 0; i++ {
		s := d.spans[i]
		n := copy(s.patch.payload[s.at:s.at+s.n], b)
		s.patch.end = max(s.patch.end, s.at+n)
		s.patch.call = s.patch.call || call
		b = b[n:]
	}
}

// drop forgets the first n pending octets.
func (d *direction) drop(n int) {
	d.buf = d.buf[:copy(d.buf, d.buf[n:])]
	for n > 0 {
		s := &d.spans[0]
		k := min(n, s.n)
		s.at, s.n, n = s.at+k, s.n-k, n-k
		if s.n == 0 {
			d.spans = d.spans[:copy(d.spans, d.spans[1:])]
		}
	}
}

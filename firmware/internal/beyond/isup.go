package beyond

import (
	"bytes"
	"encoding/hex"
	"hash/maphash"
	"slices"
	"strconv"
	"sync/atomic"
	"unicode/utf8"

	"heptap/capture"
	"heptap/capture/correlate"
	"heptap/capture/isup"
	"heptap/capture/record"
	"heptap/capture/sigtran"
	"heptap/capture/sip"
	"heptap/capture/stream"
)

// A message of SIGTRAN makes a record (type 54) with captagent's keys in
// captagent's order (capture/isup, AppendJSON), of which heplify-server reads cic, opc and dpc
// as integers and makes its session's id min:max:cic, whatever the record's own
// id is. Behind them stand:
//
//	call          names the call: Low:High:CIC@seconds.microseconds of the first message seen of it
//	circuit       Low:High:CIC, what Homer makes of the message
//	picked_up     true: that was no IAM
//	dual_seizure  true: the IAM crosses one from the other end
//	sigtran       the layer: M3UA, M2UA, M2PA
//	parameters    all of them in words (capture/isup, AppendReadable)
//
// Circuits are used again, so Homer's id holds one call after the other. The
// record's primary id is the call therefore. What concerns the circuit alone
// (blocking, resets, tests) has the circuit as its primary id; it is no link between
// them, or whoever follows links would find all calls of a circuit to be one. A message about a group of
// circuits links the calls that it ends.
//
// A SIP message with a body application/ISUP makes another record beside its
// own, with the Call-ID as primary id and link. There is no circuit in it (RFC
// 3204), and no cic, opc and dpc, which Homer would take for the circuit 0:0:0:
//
//	event         "ISUP IAM", what Homer labels a log record with
//	callid        of the SIP message
//	variant, version, base
//	              of its Content-Type (RFC 3204 3.1)
//	msg_type, msg_name, ...
//	              captagent's keys, but event_information for its object event
//	parameters    as above
//	hex, octets   instead of these two, the octets of a variant that is not read: 256 at
//	              most, and how many there are when that is not all

// ISUPConfig says what an ISUP does.
type ISUPConfig struct {
	Circuits int // of which the calls are known, most at once; 0 is 16384
	// Note takes what is to become a record. It borrows n.
	Note func(n *correlate.Note) (linked bool)
}

const (
	defaultCircuits = 16384 // of 528 E1 lines
	maxHex          = 256   // octets of a body that is not read
	maxName         = 32    // octets of the parameters version and base
)

func (c ISUPConfig) circuits() int {
	if c.Circuits <= 0 {
		return defaultCircuits
	}
	return c.Circuits
}

// MemoryBytes is the most that an ISUP made of c holds.
func (c ISUPConfig) MemoryBytes() int64 {
	return circuitsBytes(c.circuits()) + 128<<10 // and what it writes into
}

// ISUPStats are running totals, but for the gauge Circuits. All may be read
// from any goroutine.
type ISUPStats struct {
	M2UA, M3UA, M2PA atomic.Uint64 // messages of SIGTRAN by layer, and
	Malformed        atomic.Uint64 // those that are none
	Other            atomic.Uint64 // of another user part, or none
	Foreign          atomic.Uint64 // ISUP with point codes that are not ITU-T's, of which no record is made

	Messages atomic.Uint64 // of ISUP in SIGTRAN, and
	Bodies   atomic.Uint64 // in SIP
	Faulty   atomic.Uint64 // of these two, with something wrong in them
	Unread   atomic.Uint64 // of Bodies, those of a variant that is not read, or in an unknown encoding

	Calls, PickedUp        atomic.Uint64 // on circuits: that began, and whose beginning was not seen
	Ended                  atomic.Uint64
	Replaced, DualSeizures atomic.Uint64 // by the next one on the circuit, and by one from the other end
	Expired, Evicted       atomic.Uint64 // forgotten: silent for too long, and for want of room
	CallsUnnamed           atomic.Uint64 // ended by a message about a group that has no room to name them
	Circuits               atomic.Int64
}

// ISUP reads ISUP in SIGTRAN and in SIP. One goroutine calls it.
type ISUP struct {
	Stats ISUPStats

	note     func(*correlate.Note) bool
	circuits *circuits
	seed     maphash.Seed

	// scratch
	view    sigtran.View
	sip     sip.View
	message isup.Message
	n       correlate.Note
	payload []byte
	primary []byte
	body    []byte
	ids     []byte // of links, one after the other
	linked  int    // octets of them that have their link
	links   []record.Link
	calls   [1][]byte
}

// NewISUP returns an ISUP that has seen nothing.
func NewISUP(c ISUPConfig) *ISUP {
	u := &ISUP{note: c.Note, seed: maphash.MakeSeed(), links: make([]record.Link, 0, record.MaxLinks)}
	u.circuits = newCircuits(c.circuits(), &u.Stats)
	return u
}

// Message takes in a message of any protocol, and borrows it. What is made of it
// is noted before it returns.
func (u *ISUP) Message(m *capture.Message) {
	switch m.Protocol {
	case capture.SIGTRAN:
		u.sigtran(m)
	case capture.SIP:
		if mentions(m.Payload) {
			u.inSIP(m)
		}
	}
}

// sigtran takes in a user message of SCTP.
func (u *ISUP) sigtran(m *capture.Message) {
	v := &u.view
	if v.Parse(m.PPID, m.Flow.Src.Port(), m.Flow.Dst.Port(), m.Payload) != nil {
		u.Stats.Malformed.Add(1)
		return
	}
	switch v.Kind {
	case sigtran.M2UA:
		u.Stats.M2UA.Add(1)
	case sigtran.M3UA:
		u.Stats.M3UA.Add(1)
	case sigtran.M2PA:
		u.Stats.M2PA.Add(1)
	}
	switch {
	case !v.HasMSU() || v.SI != sigtran.ISUP:
		u.Stats.Other.Add(1)
		return
	case v.Variant != sigtran.ITU:
		u.Stats.Foreign.Add(1)
		return
	case u.message.ParseWithCIC(v.MSU) != nil:
		u.Stats.Malformed.Add(1)
		return
	}
	u.Stats.Messages.Add(1)
	u.circuits.expire(m.Mono)
	u.onCircuit(m)
}

// onCircuit notes the message in u.message, on the circuit that u.view names.
func (u *ISUP) onCircuit(m *capture.Message) {
	v, msg := &u.view, &u.message
	k := networkCircuit{isup.CircuitOf(v.OPC, v.DPC, msg.CIC), v.NI}
	h := heard{typ: msg.Type, effect: msg.Effect(), fromHigh: v.OPC > v.DPC, wall: m.Wall, mono: m.Mono,
		sum: maphash.Bytes(u.seed, v.MSU)}
	u.unlink()
	var call callID
	crossed := false
	group := msg.Circuits() > 1
	if group {
		u.onGroup(k, &h)
	} else {
		call, crossed = u.circuits.tell(k, &h)
	}
	class := record.Routine
	if call.ok() || len(u.links) > 0 {
		class = record.Call
	}
	u.primary = u.primary[:0]
	if call.ok() {
		u.primary = call.appendTo(u.primary)
	} else {
		u.primary = k.AppendTo(u.primary)
	}
	b := msg.AppendMembers(append(u.payload[:0], '{'), v.OPC, v.DPC)
	if call.ok() {
		b = append(append(append(b, `,"call":"`...), u.primary...), '"')
	}
	b = append(k.AppendTo(append(b, `,"circuit":"`...)), '"')
	if call.midway {
		b = append(b, `,"picked_up":true`...)
	}
	if crossed {
		b = append(b, `,"dual_seizure":true`...)
	}
	b = append(append(append(b, `,"sigtran":"`...), v.Kind.String()...), '"')
	b = msg.AppendReadable(append(b, `,"parameters":`...))
	u.payload = append(b, '}')
	u.emit(m, class, nil)
}

// onGroup tells a group's circuits, from k on, of a message, and links the calls
// that it is about.
func (u *ISUP) onGroup(k networkCircuit, h *heard) {
	first := int(k.CIC)
	for i := range u.message.Circuits() {
		if h.effect = u.message.EffectOn(i); h.effect == isup.NoEffect || first+i > maxCircuit {
			continue
		}
		k.CIC = uint16(first + i)
		if call, _ := u.circuits.tell(k, h); call.ok() {
			if len(u.links) == record.MaxLinks {
				u.Stats.CallsUnnamed.Add(1)
				continue
			}
			u.ids = call.appendTo(u.ids)
			u.link(record.ISUP, record.Seen)
		}
	}
}

// link links the record at hand to what has the id that was appended to u.ids.
func (u *ISUP) link(t record.Type, how record.How) {
	// Ids before it stay where they are, in an array that u.ids has outgrown perhaps.
	u.links = append(u.links, record.Link{Type: t, How: how, ID: u.ids[u.linked:len(u.ids):len(u.ids)]})
	u.linked = len(u.ids)
}

// unlink forgets the links of the record before.
func (u *ISUP) unlink() { u.links, u.ids, u.linked = u.links[:0], u.ids[:0], 0 }

// emit notes the record whose parts are in u, of the call callID of SIP, if any.
func (u *ISUP) emit(m *capture.Message, class record.Class, callID []byte) {
	if u.message.Fault != isup.None {
		u.Stats.Faulty.Add(1)
	}
	if m.Conn != 0 && len(u.links) < record.MaxLinks {
		u.ids = strconv.AppendUint(u.ids, m.Conn, 10)
		u.link(record.Net, record.Flow)
	}
	u.n = correlate.Note{Type: record.ISUP, Class: class, Flow: m.Flow, Flags: record.FlagsOf(m.Flags),
		At:      stream.Meta{Wall: m.Wall, Mono: m.Mono, VLAN: m.VLAN, HasVLAN: m.HasVLAN, TOS: m.TOS, Port: m.Port},
		Primary: u.primary, Payload: u.payload, Links: u.links}
	if len(callID) > 0 {
		u.calls[0] = callID
		u.n.Calls = u.calls[:]
	}
	u.note(&u.n)
}

// mentions reports whether a SIP message may have a body of ISUP: most have not,
// and need not be taken apart.
func mentions(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '/')
		if i < 0 || len(b)-i < len("/isup") {
			return false
		}
		if b = b[i+1:]; bytes.EqualFold(b[:4], []byte("isup")) {
			return true
		}
	}
}

// inSIP takes in a SIP message.
func (u *ISUP) inSIP(m *capture.Message) {
	v := &u.sip
	if v.Parse(m.Payload) != nil {
		return // counted by correlate
	}
	part, ok := v.Find("application/isup")
	if !ok {
		return
	}
	u.Stats.Bodies.Add(1)
	octets, err := part.Octets(u.body[:0])
	switch {
	case err != nil:
		octets = part.Content
	case len(octets) == 0:
		u.Stats.Malformed.Add(1)
		return
	case &octets[0] != &part.Content[0]:
		u.body = octets
	}
	version, base := part.Param("version"), part.Param("base")
	variant := isup.VariantOf(string(version[:min(len(version), maxName)]), string(base[:min(len(base), maxName)]))
	u.message = isup.Message{}
	readable := err == nil && variant.Readable()
	typ := isup.Type(octets[0]) // the same in all variants
	if readable {
		_ = u.message.Parse(octets) // fails on no octets only
	}
	b := append(u.payload[:0], '{')
	if err == nil {
		b = append(appendTypeName(append(b, `"event":"ISUP `...), typ), `",`...)
	}
	b = appendQuoted(append(b, `"callid":`...), v.CallID)
	b = append(append(append(b, `,"variant":"`...), variant.String()...), '"')
	b = appendName(append(b, `,"version":`...), version)
	b = appendName(append(b, `,"base":`...), base)
	switch {
	case readable:
		b = appendMembers(append(b, ','), &u.message)
		b = u.message.AppendReadable(append(b, `,"parameters":`...))
	case err == nil:
		b = strconv.AppendUint(append(b, `,"msg_type":`...), uint64(typ), 10)
		b = append(appendTypeName(append(b, `,"msg_name":"`...), typ), '"')
	default:
		b = append(b, `,"fault":"content transfer encoding"`...)
	}
	if !readable {
		u.Stats.Unread.Add(1)
		b = appendHex(b, octets)
	}
	u.payload = append(b, '}')
	u.unlink()
	if u.primary = append(u.primary[:0], v.CallID...); len(u.primary) == 0 {
		u.primary = m.Flow.Src.AppendTo(append(u.primary, "isup@"...))
	}
	u.emit(m, record.Call, v.CallID)
}

// appendMembers appends captagent's members, but for the one called "event", which is
// an object: in a log record Homer has a string there.
func appendMembers(b []byte, m *isup.Message) []byte {
	from := len(b)
	b = m.AppendMembers(b, 0, 0)
	if _, ok := m.Find(isup.EventInformation); ok {
		const key = `,"event`
		if i := bytes.Index(b[from:], []byte(key+`":{`)); i >= 0 {
			b = slices.Insert(b, from+i+len(key), []byte("_information")...)
		}
	}
	return b
}

// appendHex appends what is not read.
func appendHex(b, octets []byte) []byte {
	b = hex.AppendEncode(append(b, `,"hex":"`...), octets[:min(len(octets), maxHex)])
	b = append(b, '"')
	if len(octets) > maxHex {
		b = strconv.AppendInt(append(b, `,"octets":`...), int64(len(octets)), 10)
	}
	return b
}

// appendName appends the value of a member whose key ends b, or takes the key away
// when there is none.
func appendName(b, name []byte) []byte {
	if len(name) == 0 {
		return b[:bytes.LastIndexByte(b, ',')]
	}
	return appendQuoted(b, name[:min(len(name), maxName)])
}

// appendTypeName appends a type's acronym, which captagent has wrong for Answer.
func appendTypeName(b []byte, t isup.Type) []byte {
	if t == isup.ANM {
		return append(b, "ANM"...)
	}
	if name := t.String(); name != "" {
		return append(b, name...)
	}
	return strconv.AppendUint(append(b, "unknown "...), uint64(t), 10)
}

// appendQuoted appends octets of the wire as a JSON string. What is no UTF-8 is
// replaced, and so is NUL, which PostgreSQL refuses even escaped.
func appendQuoted(b, s []byte) []byte {
	b = append(b, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == 0:
			b = append(b, `\ufffd`...)
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			const digits = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
		s = s[n:]
	}
	return append(b, '"')
}

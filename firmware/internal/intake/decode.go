package intake

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"net/netip"

	"heptap/capture"
	"heptap/capture/mask"
	"heptap/capture/ng"
	"heptap/capture/record"
	"heptap/capture/rtcp"
	"heptap/capture/sip"
	"heptap/hep"
)

// Types of packets that have a meaning here and are no record.Type.
const (
	typeRTP     = 4
	typeOldXlog = 86 // OpenSIPS 2.3.x, 2.4.0 to 2.4.7, 3.0.0 to 3.0.2
)

// maxInflated bounds a compressed payload, far above any message and far below
// what 64 KiB of deflate can become.
const maxInflated = 256 << 10

// decoder turns packets into items. Each goroutine that receives has its own.
type decoder struct {
	key       []byte
	ownID     uint32
	ownNode   []byte
	delimiter string
	keepPorts bool
	flows     *flows
	seed      maphash.Seed
	count     *counters

	sip     sip.View
	ng      ng.View
	members []member
	object  object
	head    []byte
	text    []byte
	chunks  [record.MaxChunks]byte
}

func newDecoder(in *Intake) *decoder {
	o := &in.options
	return &decoder{key: []byte(o.AuthKey), ownID: o.AgentID, ownNode: []byte(o.Node), delimiter: o.Delimiter,
		keepPorts: o.KeepRESTPorts, flows: in.flows, seed: in.seed, count: &in.count}
}

// decode fills it in with what frame says, which came at the time wall. It
// borrows frame.
func (d *decoder) decode(frame []byte, wall int64, it *Item) Drop {
	var p hep.Packet
	var v hep.View
	var packed []byte
	if hep.Legacy(frame) {
		var err error
		if p, err = hep.ParseAny(frame); err != nil {
			return d.malformed(err)
		}
		d.count.legacy.Add(1)
	} else {
		var err error
		if v, err = hep.Parse(frame); err != nil {
			return d.malformed(err)
		}
		p, packed = v.Packet(), v.Compressed()
	}
	if drop := d.refuse(&p); drop != DropNone {
		return drop
	}
	if len(p.Payload) == 0 && len(packed) > 0 {
		if p.Payload = hep.Inflate(packed, maxInflated); p.Payload == nil {
			return DropInflate
		}
		d.count.inflated.Add(1)
	}
	if len(p.Payload) == 0 && len(p.Extra) == 0 {
		return DropEmpty
	}
	d.begin(&p, wall, it)
	d.others(&p, &v, it)
	drop := d.fill(&p, it)
	d.trim()
	return drop
}

// keptScratch is the most octets that an idle decoder keeps of each buffer: what
// was inflated may need megabytes.
const keptScratch = 16 << 10

// trim lets go of what is only needed now and then.
func (d *decoder) trim() {
	clear(d.members[:cap(d.members)]) // they borrow
	for _, b := range [...]*[]byte{&d.head, &d.text, &d.object.b} {
		if cap(*b) > keptScratch {
			*b = nil
		}
	}
}

func (d *decoder) malformed(err error) Drop {
	d.count.faults[hep.FaultOf(err)].Add(1)
	return DropMalformed
}

// refuse says why a packet is not wanted at all.
func (d *decoder) refuse(p *hep.Packet) Drop {
	switch {
	case len(d.key) > 0 && subtle.ConstantTimeCompare(d.key, p.AuthKey) != 1:
		return DropKey
	case p.AgentID == d.ownID && bytes.Equal(p.Node, d.ownNode):
		return DropOwn
	case p.Type == hep.TypeNone:
		return DropKeepAlive
	case p.Type == typeRTP:
		return DropMedia
	}
	return DropNone
}

// begin fills in what every packet has.
func (d *decoder) begin(p *hep.Packet, wall int64, it *Item) {
	it.stamped = p.Wall > 0
	if it.stamped {
		if off := p.Wall - wall; off > maxSkew || off < -maxSkew {
			d.count.skewed.Add(1)
		}
		wall = p.Wall
	}
	if len(p.Node) > record.MaxNode {
		p.Node = p.Node[:record.MaxNode]
	}
	it.agent = d.agent(p.AgentID, p.Node)
	it.Record = record.Record{
		Type: record.Type(p.Type), Class: classOf(record.Type(p.Type)), Wall: wall, Mono: it.Mono,
		Flow: flowOf(p.Src, p.Dst, p.Proto), Flags: record.FlagRelayed | flagsOf(p.Flags), HasVLAN: p.HasVLAN, VLAN: p.VLAN, TOS: p.TOS,
		MOS: p.MOS, R: p.R, Links: it.links[:0], AgentID: p.AgentID, Node: it.keep(p.Node),
	}
	if len(p.Correlation) > maxID {
		d.count.ids.Add(1)
	} else {
		it.Record.Primary = it.keep(p.Correlation)
	}
	if len(p.Extra) > 0 {
		d.extra(p.Extra, it)
	}
}

// others takes in the chunks that have no place in a record, as they are, but for those
// that may hold a key. A record has room for so many.
func (d *decoder) others(p *hep.Packet, v *hep.View, it *Item) {
	chunks := d.chunks[:0]
	if p.TCPFlags != 0 {
		chunks = append(chunks, 0, 0, 0, chunkTCPFlags, 0, 7, p.TCPFlags)
	}
	for c := range v.Others {
		if len(chunks)+len(c) > record.MaxChunks || bytes.Contains(c, []byte(masterKey)) || mask.HasMediaKey(c) {
			d.count.chunksLost.Add(1)
			continue
		}
		d.count.chunks.Add(1)
		chunks = append(chunks, c...)
	}
	it.Record.Chunks = it.keep(chunks)
}

const chunkTCPFlags = 0x17

// maxSkew is how far a sender's clock may be off before it is counted, ns.
const maxSkew = int64(5 * 60 * 1e9)

func (d *decoder) agent(id uint32, node []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], id)
	_, _ = h.Write(b[:])
	_, _ = h.Write(node)
	return h.Sum64()
}

// flagsOf says as a record does what a packet's flags say.
func flagsOf(h uint16) (f uint16) {
	for _, pair := range [...][2]uint16{{hep.FlagGap, record.FlagGap}, {hep.FlagCut, record.FlagCut}, {hep.FlagDuplicate, record.FlagDuplicate}} {
		if h&pair[0] != 0 {
			f |= pair[1]
		}
	}
	return f
}

// classOf says what may be shed: reports come again, anything else does not.
func classOf(t record.Type) record.Class {
	switch t {
	case record.RTCP, record.RTPReport, 32, 35, 37, 38, 58, 99:
		return record.Periodic
	case record.Log:
		return record.Line
	case record.DNS, record.REST, record.MI:
		return record.Query
	}
	return record.Final
}

// typeNamed returns the type that an extra correlation id is of, as OpenSIPS
// (proto_hep, hep_ids) and we name it.
func typeNamed(name []byte) record.Type {
	switch string(name) {
	case "sip":
		return record.SIP
	case "rtcp":
		return record.RTCP
	case "rtp":
		return record.RTPReport
	case "dns":
		return record.DNS
	case "isup":
		return record.ISUP
	case "mi":
		return record.MI
	case "rest":
		return record.REST
	case "net":
		return record.Net
	case "xlog", "log":
		return record.Log
	}
	return 0
}

// extra takes in chunk 101: an object of type name to id, or to a list of ids.
// What cannot be taken is counted.
func (d *decoder) extra(b []byte, it *Item) {
	var ok bool
	if d.members, ok = scan(d.members[:0], b); !ok {
		d.count.ids.Add(1)
		return
	}
	for i := range d.members {
		m := &d.members[i]
		t := typeNamed(m.key)
		switch {
		case t == 0:
			d.count.ids.Add(1)
		case m.text:
			d.id(it, t, m.value)
		case m.value[0] == '[':
			d.ids(it, t, m.value)
		default:
			d.count.ids.Add(1)
		}
	}
}

func (d *decoder) id(it *Item, t record.Type, quoted []byte) {
	if d.text = unescape(d.text[:0], quoted); !it.link(t, d.text) {
		d.count.ids.Add(1)
	}
}

// ids takes in a list of texts.
func (d *decoder) ids(it *Item, t record.Type, list []byte) {
	s := scanner{b: list, at: 1}
	for s.next() == '"' {
		v, ok := s.quoted()
		if !ok {
			return
		}
		d.id(it, t, v)
		if !s.take(',') {
			return
		}
	}
}

// fill fills in the payload, and decides what the item is.
func (d *decoder) fill(p *hep.Packet, it *Item) Drop {
	r := &it.Record
	if p.Flags&hep.FlagRelayed != 0 && r.Type != record.SIP && (r.Type != record.Net || d.blanked(p.Payload)) { // another heptap has repaired it
		d.foreign(p, it)
		return DropNone
	}
	switch p.Type {
	case hep.TypeSIP:
		d.signalling(p, it)
	case hep.TypeRTCP:
		r.Payload = it.keep(p.Payload)
		if rtcp.Valid(p.Payload) {
			d.message(it, capture.RTCP)
		}
	case hep.TypeNet:
		return d.net(p, it)
	case hep.TypeREST:
		d.rest(p, it)
	case hep.TypeMI:
		if payload, ok := d.rewrite(p.Payload, "command", "reply"); ok {
			r.Payload = it.keep(payload)
		} else if payload, ok = d.miText(p.Payload); ok {
			d.repaired(it, payload)
		} else {
			r.Payload = it.keep(d.mask(p.Payload))
		}
	case typeOldXlog, hep.TypeLog:
		d.log(p, it)
	default:
		d.foreign(p, it)
	}
	return DropNone
}

// foreign takes in what has no repairs, without the keys in it. A message of
// rtpengine's NG protocol, which that sends under a type of the user's choice (61 if
// he makes none), belongs to the call that it names.
func (d *decoder) foreign(p *hep.Packet, it *Item) {
	r := &it.Record
	r.Payload = it.keep(p.Payload)
	switch v := &d.ng; {
	case v.Parse(r.Payload) == nil:
		v.Blank()
		it.link(record.SIP, v.CallID)
	case bytes.Contains(p.Payload, []byte(masterKey)) || mask.HasMediaKey(p.Payload):
		r.Payload = it.keep(d.mask(p.Payload))
	}
}

// repaired takes a payload that was made of what came.
func (d *decoder) repaired(it *Item, payload []byte) {
	d.count.repaired.Add(1)
	it.Record.Payload = it.keep(payload)
}

// message makes the item a message for the correlator.
func (d *decoder) message(it *Item, proto capture.Protocol) {
	r := &it.Record
	m := &it.Message
	*m = capture.Message{Protocol: proto, TOS: r.TOS, HasVLAN: r.HasVLAN, VLAN: r.VLAN, Wall: r.Wall, Mono: r.Mono, Flow: r.Flow, Payload: r.Payload}
	if r.Flags&record.FlagGap != 0 {
		m.Flags |= capture.GapBefore
	}
	if r.Flags&record.FlagCut != 0 {
		m.Flags |= capture.CutShort
	}
	if r.Flags&record.FlagDuplicate != 0 {
		m.Flags |= capture.Duplicate
	}
}

// signalling takes in SIP. OpenSIPS wraps it in {"payload":"..."} unless it
// speaks to Homer 5.
func (d *decoder) signalling(p *hep.Packet, it *Item) {
	payload := p.Payload
	if len(payload) > 0 && payload[0] == '{' {
		d.members, _ = scan(d.members[:0], payload)
		if len(d.members) == 1 && d.members[0].text && d.members[0].named("payload") {
			d.text = unescape(d.text[:0], d.members[0].value)
			payload = d.text
			d.count.repaired.Add(1)
		}
	}
	r := &it.Record
	r.Payload = it.keep(payload)
	v := &d.sip
	if v.Parse(r.Payload) != nil || v.HeadersCut && len(v.CallID) == 0 {
		d.count.notSIP.Add(1) // forwarded as it is
		return
	}
	// The id that a script gave the message instead of its Call-ID.
	if id := r.Primary; len(id) > 0 && len(v.CallID) > 0 && !bytes.Equal(id, v.CallID) {
		it.link(record.SIP, id)
	}
	d.message(it, capture.SIP)
}

// rewrite writes an object anew: compact, its texts UTF-8. It reports whether b
// is an object that has one of the members wanted.
func (d *decoder) rewrite(b []byte, wanted ...string) ([]byte, bool) {
	var ok bool
	if d.members, ok = scan(d.members[:0], b); !ok || !d.has(wanted) {
		return nil, false
	}
	o := &d.object
	o.begin()
	for i := range d.members {
		d.member(o, &d.members[i], "")
	}
	return o.end(), true
}

func (d *decoder) has(wanted []string) bool {
	for i := range d.members {
		for _, w := range wanted {
			if d.members[i].named(w) {
				return true
			}
		}
	}
	return false
}

// member writes m, its name behind a prefix, and without its secrets.
func (d *decoder) member(o *object, m *member, prefix string) {
	d.text = unescape(append(d.text[:0], prefix...), m.key)
	o.name(d.text)
	secret := mask.Secret(d.text)
	d.text = unescape(d.text[:0], m.value)
	switch {
	case secret, !m.text && bytes.Contains(d.text, []byte(masterKey)): // no sender that is known nests one
		o.b = append(o.b, `"`+mask.Text+`"`...)
	case !m.text:
		o.b = append(o.b, d.mask(m.value)...)
	case m.named("Ws-Request") || m.named("Ws-Reply"):
		d.head = mask.AppendHead(d.head[:0], d.text)
		o.b = appendQuoted(o.b, d.head)
	default:
		o.b = appendQuoted(o.b, d.mask(d.text))
	}
}

// mask returns a text without its secrets, until the next call. Octets that are no
// text, and what has none, come back as they are.
func (d *decoder) mask(text []byte) []byte {
	d.head = mask.AppendBody(d.head[:0], nil, text)
	return d.head
}

// masterKey is the name under which OpenSIPS sends the key of a TLS session.
const masterKey = "master-key"

// net takes in a connection's record.
func (d *decoder) net(p *hep.Packet, it *Item) Drop {
	r := &it.Record
	payload, event, ok := d.netObject(p.Payload)
	if !ok {
		if payload, event, ok = d.netText(p.Payload); ok {
			d.count.repaired.Add(1)
		}
	}
	switch {
	case ok:
		r.Payload = it.keep(payload)
	case bytes.Contains(p.Payload, []byte(masterKey)) || bytes.HasPrefix(p.Payload, []byte("TLS")) || bytes.HasPrefix(p.Payload, []byte("WSS")):
		return DropSecret
	default:
		r.Payload = it.keep(p.Payload)
	}
	if d.flows.repair(it.agent, r.Primary, event, &r.Flow) {
		d.count.repaired.Add(1)
	}
	return DropNone
}

// blanked reports whether no master key is left in a payload that says to have
// been repaired.
func (d *decoder) blanked(b []byte) bool {
	d.text = unescape(d.text[:0], b)
	if !bytes.Contains(d.text, []byte(masterKey)) {
		return true
	}
	var ok bool
	if d.members, ok = scan(d.members[:0], b); !ok {
		return false
	}
	for i := range d.members {
		m := &d.members[i]
		if m.named(masterKey) && string(m.value) != mask.Text || !m.text && bytes.Contains(unescape(nil, m.value), []byte(masterKey)) {
			return false
		}
	}
	return true
}

// netObject writes the object of a connection's record anew, its master key
// blanked. Over WSS OpenSIPS writes Event, Status and Message twice, those of TLS
// first: they get names of their own.
func (d *decoder) netObject(b []byte) (payload []byte, event string, ok bool) {
	if d.members, ok = scan(d.members[:0], b); !ok {
		return nil, "", false
	}
	o := &d.object
	o.begin()
	for i := range d.members {
		m := &d.members[i]
		if m.named(masterKey) {
			o.text(masterKey, []byte(mask.Text))
			continue
		}
		prefix := ""
		if (m.named("Event") || m.named("Status") || m.named("Message")) && again(d.members[i+1:], m.key) {
			prefix = "tls-"
		}
		if prefix == "" && m.text && m.named("Event") {
			event = string(m.value)
		}
		d.member(o, m, prefix)
	}
	return o.end(), event, true
}

// again reports whether a member of that name comes once more.
func again(members []member, key []byte) bool {
	for i := range members {
		if bytes.Equal(members[i].key, key) {
			return true
		}
	}
	return false
}

// rest takes in a record of an HTTP exchange.
func (d *decoder) rest(p *hep.Packet, it *Item) {
	r := &it.Record
	opensips := false
	if payload, ok := d.rewrite(p.Payload, "first_line"); ok {
		opensips = bytes.HasPrefix(r.Primary, []byte("RESTCORR"))
		r.Payload = it.keep(payload)
	} else if payload, ok := d.restText(p.Payload); ok {
		d.repaired(it, payload)
		if opensips = true; !bytes.HasPrefix(r.Primary, []byte("RESTCORR")) {
			it.link(record.SIP, r.Primary) // in this form the Call-ID takes the place of the id
		}
	} else {
		r.Payload = it.keep(d.mask(p.Payload))
	}
	// Every OpenSIPS puts its ports there in the host's order, and none a name.
	if opensips && !d.keepPorts && len(r.Node) == 0 && r.Flow.Src.Port()|r.Flow.Dst.Port() != 0 {
		r.Flow.Src = netip.AddrPortFrom(r.Flow.Src.Addr(), bits.ReverseBytes16(r.Flow.Src.Port()))
		r.Flow.Dst = netip.AddrPortFrom(r.Flow.Dst.Addr(), bits.ReverseBytes16(r.Flow.Dst.Port()))
		d.count.repaired.Add(1)
	}
}

// log takes in a line of a log. Anybody's may look like one of OpenSIPS; only
// OpenSIPS sends it over "TCP" from an address to itself.
func (d *decoder) log(p *hep.Packet, it *Item) {
	r := &it.Record
	old := p.Type == typeOldXlog
	if old {
		r.Type = record.Log
		d.count.repaired.Add(1)
	}
	if payload, ok := d.rewrite(p.Payload, "text"); ok {
		r.Payload = it.keep(payload)
		return
	}
	if old || p.Proto == capture.ProtoTCP && p.Src == p.Dst && p.Src.Addr().IsValid() {
		if payload, ok := d.logText(p.Payload); ok {
			d.repaired(it, payload)
			it.link(record.SIP, callID(r.Primary))
			return
		}
	}
	r.Payload = it.keep(d.mask(p.Payload))
}

// callID is the primary id of a line, unless OpenSIPS had none.
func callID(id []byte) []byte {
	if string(id) == "<null>" {
		return nil
	}
	return id
}

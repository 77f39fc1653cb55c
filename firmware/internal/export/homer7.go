package export

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"heptap/capture/record"
	"heptap/hep"
)

// call is a call that a record is filed under.
type call struct {
	id    []byte // Call-ID
	how   record.How
	score uint8
	at    int64 // when its frame is stamped, Unix nanoseconds
}

// maxCID is how long an id may be in chunk 0x11. heplify-server makes it a key of
// a btree, where one over a third of a page (2,704 octets) fails the whole batch.
const maxCID = 1024

// maxSID is how long the Call-ID of a SIP message may be, which heplify-server makes a key of such a tree,
// too. A message with a longer one is filed as nobody's log record.
const maxSID = 2600

// appendHomer7 appends the frames of the record in p.rec, of which h is what any
// profile has. On an error dst is unchanged.
func (p *Profile) appendHomer7(dst []byte, h *hep.Packet) ([]byte, error) {
	r := &p.rec
	if r.Flags&record.FlagRelayed != 0 {
		p.name = appendPlain(p.name[:0], r.Node)
		h.Node = p.name
	}
	if r.Type == record.SIP && len(r.Primary) <= maxSID {
		h.Correlation = p.legOf(r, h)
		return p.appendFrame(dst, h)
	}
	sound := object(h.Payload, &p.scan)
	p.findCalls(r, sound)
	switch {
	case !sound:
	case r.Type == record.RTCP && !p.scan.badBlocks, r.Type == record.RTPReport:
		return p.appendReports(dst, h)
	case r.Type == record.ISUP && p.scan.cic && p.scan.opc && p.scan.dpc && bytes.IndexByte(h.Payload, '\\') < 0:
		return p.appendISUP(dst, h)
	}
	return p.appendLogs(dst, h, sound)
}

// legOf returns chunk 0x11 of a SIP record: the Call-ID of the other leg when its
// id was on the wire. Without it heplify-server takes the header that its own
// AlegIDs names, or the Call-ID, and pastes that into JSON as it is. A Call-ID
// that would break this is sent too, as JSON has it; nobody's when it is too long. What another agent had there
// is that agent's business, and stays.
func (p *Profile) legOf(r *record.Record, h *hep.Packet) []byte {
	for i := range r.Links {
		if l := &r.Links[i]; l.Type == record.SIP && l.How == record.Seen {
			if p.cid = appendEscaped(p.cid[:0], l.ID); len(p.cid) > 0 && len(p.cid) <= maxCID {
				return p.cid
			}
		}
	}
	p.cid = appendEscaped(p.cid[:0], r.Primary)
	switch breaks := bytes.IndexByte(p.cid, '\\') >= 0; {
	case len(p.cid) <= maxCID && (breaks || r.Flags&record.FlagRelayed != 0):
		return p.cid
	case breaks:
		return p.nobody(h)
	}
	return nil
}

// findCalls fills p.calls with the calls that the record is filed under: the one
// that is its primary id, and of its links to calls the surest. Of the inferred
// ones two equally likely ones are none.
func (p *Profile) findCalls(r *record.Record, sound bool) {
	p.calls = p.calls[:0]
	if p.ofCall(r) {
		p.addCall(call{id: r.Primary, at: r.Wall})
	}
	if r.Type == record.RTPReport {
		return // the correlator makes one for each call
	}
	var first, then []byte // when each was first on a connection, if the record says so
	if sound && r.Type == record.Net {
		first, then = p.scan.callsAt, p.scan.othersAt
	}
	for i := range r.Links {
		l := &r.Links[i]
		if l.Type != record.SIP {
			continue
		}
		c := call{id: l.ID, how: l.How, score: l.Score, at: r.Wall}
		us, rest, ok := nextNumber(first)
		if !ok && then != nil {
			us, rest, ok = nextNumber(then)
			then = nil
		}
		if ok {
			if first = rest; us > 0 && us < r.Wall/1000 {
				c.at = 1000 * us
			}
		}
		if r.Type == record.Control { // it joins all of its ids
			if bytes.Equal(l.ID, r.Primary) {
				c.how = 0 // of its own call
			}
			p.addCall(c)
			continue
		}
		if equal, _ := best(r.Links, i); equal == 0 || l.How == record.Inferred && equal > 1 {
			continue
		}
		p.addCall(c)
	}
}

// ofCall reports whether the record's primary id is a Call-ID.
func (p *Profile) ofCall(r *record.Record) bool {
	return r.Type == record.Log || r.Type == record.RTCP || r.Type == record.RTPReport
}

// addCall adds c unless it is there, or cannot be looked up.
func (p *Profile) addCall(c call) {
	if p.cid = appendEscaped(p.cid[:0], c.id); len(p.cid) == 0 || len(p.cid) > maxCID {
		return
	}
	for i := range p.calls {
		if bytes.Equal(p.calls[i].id, c.id) {
			return
		}
	}
	p.calls = append(p.calls, c)
}

// maxCopies is how many octets of frames one record is made into before no more
// calls are added. All of them are in chunk 0x65.
const maxCopies = hep.MaxFrame

// filed reports whether c's id may stand in chunk 0x11, where Homer looks.
func (p *Profile) filed(c *call) bool {
	return (c.how != record.Inferred || p.inferred) && !p.old(c.at)
}

// appendReports appends an RTCP or RTP report, which Homer charts, for each of
// its calls.
func (p *Profile) appendReports(dst []byte, h *hep.Packet) ([]byte, error) {
	start, sent := len(dst), false
	for i := range p.calls {
		c := &p.calls[i]
		if !p.filed(c) || len(dst)-start > maxCopies {
			continue
		}
		p.cid = appendEscaped(p.cid[:0], c.id)
		h.Correlation = p.cid
		out, err := p.appendFrame(dst, h)
		if err != nil {
			return dst[:start], err
		}
		dst, sent = out, true
	}
	if sent {
		return dst, nil
	}
	h.Correlation = p.nobody(h)
	return p.appendFrame(dst, h)
}

// appendISUP appends a message of a circuit, as captagent sends it. heplify-server
// files it under the circuit whatever chunk 0x11 is; for the calls that it
// belongs to log records follow.
func (p *Profile) appendISUP(dst []byte, h *hep.Packet) ([]byte, error) {
	start := len(dst)
	h.Correlation = nil
	if p.cid = appendEscaped(p.cid[:0], p.rec.Primary); len(p.cid) <= maxCID {
		h.Correlation = p.cid
	}
	out, err := p.appendFrame(dst, h)
	if err != nil {
		return dst, err
	}
	dst = out
	for i := range p.calls {
		if c := &p.calls[i]; p.filed(c) && len(dst)-start <= maxCopies {
			if out, err = p.appendLog(dst, h, c, true); err != nil {
				return dst[:start], err
			}
			dst = out
		}
	}
	return dst, nil
}

// appendLogs appends the record as log records, one for each of its calls, or one
// for nobody's.
func (p *Profile) appendLogs(dst []byte, h *hep.Packet, sound bool) ([]byte, error) {
	start, sent := len(dst), false
	for i := range p.calls {
		c := &p.calls[i]
		if !p.filed(c) || len(dst)-start > maxCopies {
			continue
		}
		out, err := p.appendLog(dst, h, c, sound)
		if err != nil {
			return dst[:start], err
		}
		dst, sent = out, true
	}
	if sent {
		return dst, nil
	}
	return p.appendLog(dst, h, nil, sound)
}

// appendLog appends one log record, under the call c, or nobody's when that is nil.
func (p *Profile) appendLog(dst []byte, h *hep.Packet, c *call, sound bool) ([]byte, error) {
	l := *h
	l.Type, l.MOS, l.R = uint8(record.Log), 0, 0
	if c != nil {
		p.cid = appendEscaped(p.cid[:0], c.id)
		l.Correlation, l.Wall = p.cid, c.at
	} else {
		l.Correlation = p.nobody(h)
		if len(p.calls) > 0 { // not filed under it, but named
			c = &p.calls[0]
		}
	}
	p.log = p.appendHead(p.log[:0], c, l.Wall, sound)
	head := len(p.log)
	switch {
	case !sound:
		p.log = append(appendEscaped(append(p.log, `,"text":"`...), h.Payload), '"')
	case p.scan.any:
		p.log = append(append(p.log, ','), body(h.Payload)...)
	}
	l.Payload = p.closeLog()
	if !p.fits(&l) {
		// Half an object is of no use, but that there was one is.
		p.log = strconv.AppendInt(append(p.log[:head], `,"octets_cut":`...), int64(len(h.Payload)), 10)
		l.Payload = p.closeLog()
		l.Flags |= hep.FlagCut
		p.count()
	}
	return p.appendFrame(dst, &l)
}

// closeLog makes an object of the members in p.log, each of which begins with a
// comma.
func (p *Profile) closeLog() []byte {
	if len(p.log) == 0 {
		p.log = append(p.log, '{')
	}
	p.log[0] = '{'
	p.log = append(p.log, '}')
	return p.log
}

// appendHead appends the first members of a log record's object, stamped wall:
// what Homer has no column for. A record that has a member of the same name keeps
// its own.
func (p *Profile) appendHead(b []byte, c *call, wall int64, sound bool) []byte {
	r, m := &p.rec, &p.scan
	if !sound {
		*m = members{}
	}
	if !m.has("record") {
		b = append(append(append(b, `,"record":"`...), r.Type.String()...), '"')
	}
	if len(r.Primary) > 0 && !p.ofCall(r) && !m.has("native_id") {
		b = append(appendEscaped(append(b, `,"native_id":"`...), r.Primary), '"')
	}
	if wall != r.Wall && !m.has("record_ts") {
		b = appendSeconds(append(b, `,"record_ts":`...), r.Wall)
	}
	if c == nil {
		return b
	}
	if !m.has("callid") {
		b = append(appendEscaped(append(b, `,"callid":"`...), c.id), '"')
	}
	if how := howName(c.how); how != "" && !m.has("link") {
		b = append(append(append(b, `,"link":"`...), how...), '"')
	}
	if c.how == record.Inferred && !m.has("link_score") {
		b = strconv.AppendUint(append(b, `,"link_score":`...), uint64(c.score), 10)
	}
	return b
}

// howName says how a link was found; nothing when the id is the record's own.
func howName(h record.How) string {
	switch h {
	case record.Seen:
		return "seen"
	case record.Flow:
		return "flow"
	case record.Inferred:
		return "inferred"
	}
	return ""
}

// appendSeconds appends Unix nanoseconds as seconds with six decimals.
func appendSeconds(b []byte, ns int64) []byte {
	if ns < 0 {
		ns = 0
	}
	b = append(strconv.AppendInt(b, ns/1e9, 10), '.')
	for unit := int64(1e8); unit >= 1e3; unit /= 10 {
		b = append(b, byte('0'+ns/unit%10))
	}
	return b
}

// nobody returns chunk 0x11 of a record that belongs to no call: Homer stores
// nothing without one.
func (p *Profile) nobody(h *hep.Packet) []byte {
	p.cid = append(append(p.cid[:0], p.rec.Type.String()...), '@')
	if len(h.Node) > 0 {
		p.cid = append(p.cid, h.Node...)
	} else {
		p.cid = strconv.AppendUint(p.cid, uint64(h.AgentID), 10)
	}
	return p.cid
}

// appendPlain appends what of another agent's name can stand in JSON as it is.
func appendPlain(b, name []byte) []byte {
	for _, c := range name {
		if isPlain(c) {
			b = append(b, c)
		}
	}
	return b
}

// appendEscaped appends s as what stands between the quotes of a JSON string, and
// an id as chunk 0x11 has it, which heplify-server pastes into JSON. NUL and what
// is not UTF-8 are left out: its toUTF8 does so with the SIP message that has the
// same id.
func appendEscaped(b, s []byte) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == 0:
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRune(s[i:])
			if r != utf8.RuneError || n > 1 {
				b = append(b, s[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return b
}

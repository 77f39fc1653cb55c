package tlswire

import "unsafe"

// MemoryBytes is the most memory that a Session holds: itself and what Info
// has, until Trim, and the buffers that it was lent, at most two. While a certificate is
// parsed there are some 100 KiB more.
const (
	MemoryBytes  = TrimmedBytes + textBytes
	TrimmedBytes = int(unsafe.Sizeof(Session{})) + 2*int(unsafe.Sizeof(Certificate{})) // after Trim
	BufferBytes  = bufferBytes                                                         // of each of Buffers
)

const textBytes = maxName + maxALPN*(maxName+16) + 2*2*maxVersions + 3*36 +
	2*(4*maxText+2*maxNameText+2*maxNames*32)

// Session watches one connection. The zero Session is ready; it is used by one
// goroutine.
type Session struct {
	// Buffers lends what messages are put together in. nil: each is allocated.
	// Reset leaves it as it is.
	Buffers *Buffers

	dir    [2]direction
	role   [2]Side // of each direction's sender
	closer int8    // direction that ended first, plus one
	gone   How     // how both ended, when it is not known who did it
	retry  bool    // a HelloRetryRequest came
	chosen bool    // a ServerHello came that was none
	proved bool    // see Prove
	hellos Info    // what the hellos said
	alerts [maxAlerts]sent
	kept   uint8
	more   uint32 // alerts beyond
}

// sent is an alert in clear and the direction it came in.
type sent struct {
	dir   uint8
	alert Alert
}

// Reset makes a Session ready for another connection.
func (s *Session) Reset() {
	for i := range s.dir {
		s.Buffers.put(s.dir[i].body)
	}
	*s = Session{Buffers: s.Buffers}
}

// Trim frees what was said in text, once that is of no more use: names,
// certificates, fingerprints and what was offered. What it needs to go on stays.
func (s *Session) Trim() {
	for i := range s.dir {
		d := &s.dir[i]
		s.abandon(d)
		if c := d.cert; c != nil {
			d.cert = &Certificate{Chain: c.Chain, ChainCut: c.ChainCut}
		}
	}
	h := &s.hellos
	h.Offered, h.SNI, h.ALPNOffered, h.ALPN, h.JA3, h.JA3S, h.JA4 = nil, "", nil, "", "", "", ""
}

// Write takes the next octets of a direction, 0 or 1; which of them is the
// client's, the hellos tell. All are consumed, and none kept beyond the call
// but a wanted message's. Octets of the two directions should come in the order
// of the wire: what is inferred about TLS 1.3 depends on it.
func (s *Session) Write(dir int, b []byte) {
	d := &s.dir[dir&1]
	for len(b) > 0 && d.usable() {
		if d.left == 0 {
			b = s.header(d, b)
			continue
		}
		n := min(int(d.left), len(b))
		d.left -= uint16(n)
		if d.mode != skipped {
			s.fragment(d, b[:n])
		}
		b = b[n:]
		if d.left == 0 {
			s.recordEnds(d)
		}
	}
}

// Gap says that octets of a direction are missing behind those of the last
// Write: n of them, or an unknown number when n is not positive.
func (s *Session) Gap(dir int, n int64) {
	d := &s.dir[dir&1]
	if !d.usable() {
		return
	}
	d.gap = true
	known := n > 0 && n <= int64(d.left)
	if d.mode != skipped || !known {
		s.abandon(d)
		d.mode, d.alerts, d.blind = skipped, 0, true
	}
	if !known {
		d.state, d.have, d.left = searching, 0, 0
		return
	}
	if d.left -= uint16(n); d.left == 0 {
		s.recordEnds(d)
	}
}

// End says how the sender of a direction ended it, when it did so. The first word for
// each direction counts. Octets may still come in the other one: an alert among them is
// an answer to the end, and not its cause. A negative dir is for a reset by who knows
// whom.
func (s *Session) End(dir int, how How) {
	if dir < 0 {
		if s.closer == 0 {
			s.gone = how
		}
		return
	}
	d := &s.dir[dir&1]
	if d.how != Open || how == Open {
		return
	}
	d.how = how
	if s.closer == 0 && s.gone == Open {
		s.closer = int8(dir&1) + 1
	}
}

// Prove says that somebody has read what is inside: the handshake has succeeded,
// whatever was seen of it.
func (s *Session) Prove() { s.proved = true }

// Data returns how many records of application data have begun in a direction: in TLS
// 1.3 those of the handshake too, but not those as long as an alert.
func (s *Session) Data(dir int) uint32 { return s.dir[dir&1].data.begun }

// Role returns who sends a direction, as the hellos tell.
func (s *Session) Role(dir int) Side { return s.role[dir&1] }

// closed reports whether the connection has ended, in one direction at least.
func (s *Session) closed() bool { return s.closer > 0 || s.gone != Open }

// Settled reports whether the outcome is known and more octets can only add
// how the connection ends: an encrypted alert, and who closed it.
func (s *Session) Settled() bool {
	if !s.dir[0].usable() && !s.dir[1].usable() {
		return true
	}
	o := s.Info().Outcome
	return o.OK() || o.Failed()
}

func (s *Session) side(d *direction) int {
	if d == &s.dir[1] {
		return 1
	}
	return 0
}

// header takes octets of a record's header.
func (s *Session) header(d *direction, b []byte) []byte {
	n := copy(d.head[d.have:], b)
	d.have += uint8(n)
	switch h := d.head[:d.have]; {
	case isHeader(h):
	case d.records == 0 && d.state == reading && isOldHello(h):
		if d.have == recordHeader {
			s.oldHello(d)
			return b[n:]
		}
	default:
		s.leave(d)
		return nil
	}
	if d.have < recordHeader {
		return nil
	}
	d.have, d.state = 0, reading
	d.kind = d.head[0]
	d.length = uint16(d.head[3])<<8 | uint16(d.head[4])
	d.left, d.peeked = d.length, 0
	d.mode = s.modeOf(d)
	if d.kind == applicationData && !(s.hidden() && s.hellos.Suite.isAlert(d.length)) {
		bump(&d.data.begun)
	}
	if d.left == 0 {
		s.recordEnds(d)
	}
	return b[n:]
}

// oldHello notes a ClientHello in the format of SSL 2.0, and skips it.
func (s *Session) oldHello(d *direction) {
	d.have, d.kind, d.mode = 0, 0, skipped
	d.length = uint16(d.head[0]&0x7f)<<8 | uint16(d.head[1])
	d.left = d.length - (recordHeader - oldHeader) // isOldHello: there are so many
	s.take(d, Client)
	d.seen.add(clientHello)
}

// leave gives a direction up: its octets are no records.
func (s *Session) leave(d *direction) {
	s.abandon(d)
	switch {
	case d.gap:
		d.state = lost
	case d.records == 0:
		d.state = foreign
	default:
		d.state = malformed
	}
}

// modeOf says how to take the record whose header was read.
func (s *Session) modeOf(d *direction) mode {
	switch d.kind {
	case alertRecord:
		// A protected alert has at least a tag more. One of two octets in TLS 1.3
		// is in clear, also behind a ChangeCipherSpec.
		if d.length == 2 || !d.changed && d.length < 18 {
			return inClear
		}
	case handshakeRecord:
		switch {
		case d.inMessage() || !d.changed && !d.blind:
			return inClear
		case d.length >= peekBytes && d.tells(s.retry):
			return undecided
		}
	}
	return skipped
}

// fragment takes octets of a record that are in clear, or may be.
func (s *Session) fragment(d *direction, b []byte) {
	if d.kind == alertRecord {
		s.alert(d, b)
		return
	}
	if d.mode == undecided {
		n := copy(d.peek[d.peeked:], b)
		b = b[n:]
		if d.peeked += uint8(n); d.peeked < peekBytes {
			return
		}
		if !d.isHello() {
			d.mode = skipped
			return
		}
		d.mode, d.blind = inClear, false
		s.handshake(d, d.peek[:])
	}
	s.handshake(d, b)
}

// recordEnds counts a record that is whole.
func (s *Session) recordEnds(d *direction) {
	bump(&d.records)
	switch d.kind {
	case changeCipherSpec:
		d.changed = true
		s.abandon(d)
	case alertRecord:
		if d.mode == skipped && d.length > 0 {
			bump(&d.encrypted)
		}
	case handshakeRecord:
		if d.mode == skipped && d.changed {
			d.finished = true
		}
	case applicationData:
		s.count(d)
	}
}

// count takes in a record of application data.
func (s *Session) count(d *direction) {
	if s.hellos.EarlyData && !s.chosen {
		bump(&d.data.early)
		return
	}
	bump(&d.data.records)
	if s.dir[1-s.side(d)].how != Open {
		bump(&d.data.late)
	}
	d.data.last = d.length
	// In between early data the flight is known by its length alone.
	if int(d.data.kept) < len(d.data.first) && (!s.hellos.EarlyData || isFlight(d.length)) {
		peer := &s.dir[1-s.side(d)]
		d.data.first[d.data.kept] = early{d.length, d.data.records, peer.data.records}
		d.data.kept++
	}
}

// alert takes octets of alerts in clear: in one record, or in several.
func (s *Session) alert(d *direction, b []byte) {
	for _, o := range b {
		d.alert[d.alerts] = o
		if d.alerts++; d.alerts < 2 {
			continue
		}
		d.alerts = 0
		if s.kept == maxAlerts {
			bump(&s.more)
			continue
		}
		s.alerts[s.kept] = sent{uint8(s.side(d)), Alert{Level: Level(d.alert[0]), Description: Description(d.alert[1]), After: s.stage(),
			Late: s.dir[1-s.side(d)].how != Open}}
		s.kept++
	}
}

// abandon forgets the message that is being read.
func (s *Session) abandon(d *direction) {
	s.Buffers.put(d.body)
	d.body, d.begun, d.rest, d.wanted = nil, 0, 0, false
}

// handshake takes octets of messages in clear.
func (s *Session) handshake(d *direction, b []byte) {
	for len(b) > 0 {
		if d.begun < messageHeader {
			n := copy(d.message[d.begun:], b)
			b = b[n:]
			if d.begun += uint8(n); d.begun < messageHeader {
				return
			}
			d.typ = d.message[0]
			d.size = uint32(d.message[1])<<16 | uint32(d.message[2])<<8 | uint32(d.message[3])
			d.rest = d.size
			d.wanted = s.wants(d)
			if d.rest > 0 && len(b) == 0 {
				return
			}
		}
		n := int(min(d.rest, uint32(len(b))))
		s.body(d, b[:n])
		b = b[n:]
	}
}

// body takes octets of one message's body, and reads it when that was all.
func (s *Session) body(d *direction, b []byte) {
	whole := d.body == nil && uint32(len(b)) == d.size
	d.rest -= uint32(len(b))
	if d.wanted && !whole {
		if d.body == nil {
			d.body = s.Buffers.get()
		}
		if d.body == nil {
			d.wanted, d.cut, d.blind = false, true, true // what follows is believed as after a gap
		}
	}
	if d.wanted && !whole {
		d.body = append(d.body, b[:min(len(b), bufferBytes-len(d.body))]...)
	}
	if d.rest > 0 {
		return
	}
	if !whole {
		b = d.body
	}
	if d.wanted {
		s.read(d, b[:min(len(b), bufferBytes)], d.size > bufferBytes)
	}
	d.seen.add(d.typ)
	s.abandon(d)
}

// wants reports whether the message that begins is read, and not only noted.
func (s *Session) wants(d *direction) bool {
	peer := &s.dir[1-s.side(d)]
	switch d.typ {
	case clientHello:
		return d.hellos == 0 && !d.seen.has(serverHello) && !peer.seen.has(clientHello)
	case serverHello:
		return !s.chosen && !d.seen.has(clientHello) && !peer.seen.has(serverHello)
	case certificate:
		return d.cert == nil && !s.hidden()
	}
	return false
}

// hidden reports whether certificates are encrypted.
func (s *Session) hidden() bool { return s.chosen && s.hellos.Version.hides() }

// read takes in a message that was wanted. cut says that b is only its front.
func (s *Session) read(d *direction, b []byte, cut bool) {
	switch d.typ {
	case certificate:
		d.cert = parseChain(b, cut)
		return
	case clientHello:
		s.take(d, Client)
	case serverHello:
		s.take(d, Server)
	}
	d.cut = d.cut || cut
	var h hello
	switch {
	case !h.parse(d.typ, b):
		d.cut = true
	case d.typ == clientHello:
		s.hellos.client(&h)
	case s.hellos.server(&h):
		s.retry = true
	default:
		s.chosen = true
	}
}

// take settles the roles by the first hello.
func (s *Session) take(d *direction, who Side) {
	d.hellos++
	if i := s.side(d); s.role[i] == Nobody {
		s.role[i], s.role[1-i] = who, Client+Server-who
	}
}

package tlswire

// direction is one side's octets, and what they told.
type direction struct {
	// The record that is being read.
	head   [recordHeader]byte
	have   uint8 // octets of head
	kind   uint8
	mode   mode
	state  state
	length uint16
	left   uint16 // octets of it to come
	peeked uint8
	peek   [peekBytes]byte // its first octets: mode undecided
	alert  [2]byte         // an alert in clear
	alerts uint8           // octets of it

	// The handshake message that is being read.
	typ     uint8
	message [messageHeader]byte
	begun   uint8  // octets of message
	wanted  bool   // it is read, not skipped
	rest    uint32 // octets to come, behind its header
	size    uint32
	body    []byte // borrowed from Buffers, while it is in pieces

	// What is known.
	seen      messages
	hellos    uint8 // of its own kind
	blind     bool  // octets of the handshake were lost
	gap       bool
	cut       bool // a hello was longer than is read
	changed   bool // ChangeCipherSpec
	finished  bool // and an encrypted handshake record
	encrypted uint32
	records   uint32 // whole ones; never overflows: see end
	data      data
	cert      *Certificate
	how       How
}

// state is the record layer's.
type state uint8

const (
	reading   state = iota
	searching       // the next octets may be a header
	foreign         // the first octet was none of TLS
	malformed       // later ones were none
	lost
)

// mode says how the fragment of a record is taken.
type mode uint8

const (
	skipped   mode = iota // protected, or not wanted
	inClear               // handshake or alert
	undecided             // a hello, or protected: its first octets tell
)

// peekBytes is as much as tells a hello: header and version.
const peekBytes = messageHeader + 2

// messages is a set of handshake message types below 32.
type messages uint32

func (m messages) has(typ uint8) bool { return typ < 32 && m&(1<<typ) != 0 }

func (m *messages) add(typ uint8) {
	if typ < 32 {
		*m |= 1 << typ
	}
}

// data counts records of application data, in TLS 1.3 also the handshake's
// protected ones. Numbers stop at the highest.
type data struct {
	records uint32
	early   uint32 // before the ServerHello: 0-RTT
	begun   uint32 // begun, without those as long as an alert in TLS 1.3
	late    uint32 // of records, those that came when the other side had ended
	last    uint16 // length of the last one
	kept    uint8
	first   [4]early // the ones that may be the client's flight
}

// early is a record with the counts at its end, itself included.
type early struct {
	length    uint16
	own, peer uint32
}

func (d *direction) usable() bool { return d.state == reading || d.state == searching }

// inMessage reports whether a handshake message is not whole yet.
func (d *direction) inMessage() bool { return d.begun > 0 }

// tells reports whether a hello may be found in a handshake record that is
// otherwise protected or not trusted: the first after a gap, the second
// ClientHello and the ServerHello after a HelloRetryRequest.
func (d *direction) tells(retry bool) bool {
	switch {
	case d.hellos == 0:
		return d.blind && !d.changed
	case d.seen.has(clientHello):
		return d.hellos == 1 && !d.seen.has(clientKeyExchange)
	}
	return d.hellos == 1 && retry
}

// isHello judges what was peeked at.
func (d *direction) isHello() bool {
	p := d.peek
	size := int(p[1])<<16 | int(p[2])<<8 | int(p[3])
	typ := p[0] == clientHello && !d.seen.has(serverHello) || p[0] == serverHello && !d.seen.has(clientHello)
	return typ && p[4] == 3 && p[5] <= 4 && size+messageHeader >= int(d.length) && size <= 1<<16
}

func bump(n *uint32) {
	if *n+1 != 0 {
		*n++
	}
}

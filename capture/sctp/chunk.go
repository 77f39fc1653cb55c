package sctp

import "encoding/binary"

// Chunk types (RFC 9260 3.2, RFC 3758 3.2, RFC 8260 2).
const (
	chunkData             = 0
	chunkInit             = 1
	chunkInitAck          = 2
	chunkSack             = 3
	chunkAbort            = 6
	chunkShutdown         = 7
	chunkShutdownAck      = 8
	chunkError            = 9
	chunkCookieEcho       = 10
	chunkCookieAck        = 11
	chunkShutdownComplete = 14
	chunkIData            = 64
	chunkForwardTSN       = 192
	chunkIForwardTSN      = 194
)

// Flags of DATA and I-DATA (RFC 9260 3.3.1), and of ABORT and SHUTDOWN COMPLETE.
const (
	flagEnd       = 1
	flagBegin     = 2
	flagUnordered = 4
	flagReflected = 1 // T: the tag is the sender's own (RFC 9260 8.5.1)
)

const (
	chunkHeader = 4
	dataHeader  = 12 // after the chunk header
	iDataHeader = 16
	initHeader  = 16
)

// chunk is one chunk of a packet.
type chunk struct {
	body  []byte // after the chunk header, as captured, without padding
	typ   uint8
	flags uint8
	cut   bool // the capture has less than the chunk had
}

// next reads the chunk at the start of b, of which cut says that the capture
// has not all. ok is false at the end, and when what is there is no chunk;
// then rest is not empty.
func next(b []byte, cut bool) (c chunk, rest []byte, ok bool) {
	if len(b) < chunkHeader {
		return c, b, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < chunkHeader || n > len(b) && !cut {
		return c, b, false
	}
	c.typ, c.flags = b[0], b[1]
	c.cut = n > len(b)
	c.body = b[chunkHeader:min(n, len(b))]
	// The last chunk's padding may be missing: nobody misses it.
	return c, b[min((n+3)&^3, len(b)):], true
}

// data is what a DATA or I-DATA chunk says. What is of I-DATA alone is 0 in
// the other.
type data struct {
	tsn    uint32
	ppid   uint32 // of the message in DATA, and in I-DATA with flagBegin
	number uint32 // SSN; MID of I-DATA
	fsn    uint32 // I-DATA: of this fragment in the message
	stream uint16
	flags  uint8
	inter  bool // I-DATA
	cut    bool
	octets []byte
}

// data reads c, a DATA (RFC 9260 3.3.1) or I-DATA (RFC 8260 2.1) chunk. A chunk
// without user data is malformed (RFC 9260 6.2).
func (c *chunk) data(d *data) bool {
	b, header := c.body, dataHeader
	d.inter = c.typ == chunkIData
	if d.inter {
		header = iDataHeader
	}
	if len(b) < header || len(b) == header && !c.cut {
		return false
	}
	d.flags, d.cut = c.flags&(flagBegin|flagEnd|flagUnordered), c.cut
	d.tsn, d.stream = binary.BigEndian.Uint32(b), binary.BigEndian.Uint16(b[4:])
	d.octets = b[header:]
	d.fsn = 0
	if !d.inter {
		d.number, d.ppid = uint32(binary.BigEndian.Uint16(b[6:])), binary.BigEndian.Uint32(b[8:])
		return true
	}
	d.number, d.ppid = binary.BigEndian.Uint32(b[8:]), 0
	if c.flags&flagBegin != 0 {
		d.ppid = binary.BigEndian.Uint32(b[12:])
	} else {
		d.fsn = binary.BigEndian.Uint32(b[12:])
	}
	return true
}

// firstTSN returns the TSN of the first data chunk in b, the chunks of a
// packet.
func firstTSN(b []byte) (tsn uint32, ok bool) {
	for {
		c, rest, ok := next(b, true)
		if !ok {
			return 0, false
		}
		if (c.typ == chunkData || c.typ == chunkIData) && len(c.body) >= 4 {
			return binary.BigEndian.Uint32(c.body), true
		}
		b = rest
	}
}

package defrag

import (
	"bytes"
	"encoding/binary"
	"slices"

	"heptap/capture"
)

const (
	maxLength = 65535 // of a datagram without its IP header
	blockSize = 4096
	maxBlocks = (maxLength + blockSize) / blockSize
)

type block [blockSize]byte

// key says which datagram a fragment belongs to: source, destination (IPv4 in
// the first four octets of each), tunnel, identification, IP version, and for
// IPv4 the protocol.
type key [16 + 16 + 4 + 4 + 2]byte

// set fills in k and reports whether p's addresses are a pair.
func (k *key) set(p *capture.Packet) bool {
	n := len(p.Src)
	if n != len(p.Dst) || n != 4 && n != 16 {
		return false
	}
	copy(k[:16], p.Src)
	copy(k[16:32], p.Dst)
	binary.BigEndian.PutUint32(k[32:], p.Tunnel)
	binary.BigEndian.PutUint32(k[36:], p.Fragment.ID)
	k[40] = 6
	if n == 4 {
		k[40], k[41] = 4, p.Protocol
	}
	return true
}

func (k *key) is6() bool { return k[40] == 6 }

func (k *key) addresses() (src, dst []byte) {
	if k.is6() {
		return k[:16:16], k[16:32:32]
	}
	return k[:4:4], k[16:20:20]
}

// span is a fragment as it was on the wire: octets start to end, of which the
// first got were captured.
type span struct{ start, end, got uint16 }

func (s span) captured() int { return int(s.start) + int(s.got) }

// piece is a fragment on its way in.
type piece struct {
	span
	data []byte // got octets
	last bool
}

type state uint8

const (
	open state = iota
	done       // delivered; absorbs copies
	dead       // discarded; absorbs the rest
)

// datagram is a datagram of which fragments have come.
type datagram struct {
	key    key
	packet capture.Packet // of the first fragment, if it is there; borrows nothing
	spans  []span         // by start; IPv4 ones may overlap
	blocks [maxBlocks]*block
	total  int   // length, 0 until the last fragment says it
	born   int64 // Mono of the fragment that came first
	due    int64 // when its state ends
	state  state
	doubt  bool // it may be mixed from two

	chain      *datagram // in the hash bucket
	prev, next *datagram // in the list of its state
}

// fit says what a fragment is to a datagram.
type fit uint8

const (
	fits     fit = iota
	same         // all its octets are there and equal
	overlaps     // some are, in other cuts
	contrary     // both cannot be of one datagram
)

// compare says what f is to d.
func (d *datagram) compare(f *piece) fit {
	end := int(f.end)
	if d.total != 0 && (end > d.total || f.last != (end == d.total)) {
		return contrary
	}
	if f.last && len(d.spans) > 0 && slices.ContainsFunc(d.spans, func(s span) bool { return s.end > f.end || s.end == f.end && d.total == 0 }) {
		return contrary
	}
	result := fits
	for _, s := range d.spans {
		if s.start == f.start && s.end == f.end {
			if d.differs(f) {
				return contrary
			}
			return same
		}
		if s.start < f.end && f.start < s.end {
			result = overlaps
		}
	}
	return result
}

// absorbs reports whether f may be part of a copy of d, which is done: all
// octets of it that are there too are equal.
func (d *datagram) absorbs(f *piece) bool {
	return int(f.end) <= d.total && f.last == (int(f.end) == d.total) && !d.differs(f)
}

// differs reports whether f has an octet that d has otherwise. The checksum of
// the transport does not count: one point of view may be before a card fills it in.
func (d *datagram) differs(f *piece) bool {
	first, after := d.checksum()
	for _, s := range d.spans {
		from, to := max(int(s.start), int(f.start)), min(s.captured(), int(f.start)+len(f.data))
		if d.unlike(f, from, min(to, first)) || d.unlike(f, max(from, after), to) {
			return true
		}
	}
	return false
}

// checksum returns where the checksum of what d carries is, as far as that is
// known: of UDP (RFC 768), TCP (RFC 9293 3.1) or SCTP (RFC 9260 3.1).
func (d *datagram) checksum() (first, after int) {
	protocol := d.packet.Protocol
	if !d.key.is6() {
		protocol = d.key[41]
	}
	switch protocol {
	case capture.ProtoUDP:
		return 6, 8
	case capture.ProtoTCP:
		return 16, 18
	case capture.ProtoSCTP:
		return 8, 12
	}
	return 0, 0
}

// unlike reports whether f and d have other octets from from to to.
func (d *datagram) unlike(f *piece, from, to int) bool {
	for from < to {
		b := d.blocks[from/blockSize][from%blockSize:]
		n := min(to-from, len(b))
		if !bytes.Equal(b[:n], f.data[from-int(f.start):][:n]) {
			return true
		}
		from += n
	}
	return false
}

// write puts into d the octets of f that it does not have: what came first
// stays. The blocks are there.
func (d *datagram) write(f *piece) {
	at, end := int(f.start), int(f.start)+len(f.data)
	for _, s := range d.spans {
		if s.captured() <= at {
			continue
		}
		if int(s.start) >= end {
			break
		}
		d.fill(at, int(s.start), f)
		at = s.captured()
	}
	d.fill(at, end, f)
}

// fill copies octets from to to of the datagram, which f has.
func (d *datagram) fill(from, to int, f *piece) {
	for from < to {
		n := copy(d.blocks[from/blockSize][from%blockSize:], f.data[from-int(f.start):to-int(f.start)])
		from += n
	}
}

// insert notes that f is there.
func (d *datagram) insert(f *piece) {
	i := len(d.spans)
	for i > 0 && d.spans[i-1].start > f.start {
		i--
	}
	d.spans = slices.Insert(d.spans, i, f.span)
}

// complete reports whether every octet of d was on the wire.
func (d *datagram) complete() bool {
	if d.total == 0 {
		return false
	}
	reached := 0
	for _, s := range d.spans {
		if int(s.start) > reached {
			return false
		}
		reached = max(reached, int(s.end))
	}
	return reached == d.total
}

// prefix returns how many octets from the beginning were captured.
func (d *datagram) prefix() int {
	reached := 0
	for _, s := range d.spans {
		if int(s.start) > reached {
			break
		}
		reached = max(reached, s.captured())
	}
	return reached
}

// length returns d's length, as far as is known.
func (d *datagram) length() int {
	n := d.total
	for _, s := range d.spans {
		n = max(n, int(s.end))
	}
	return n
}

// note remembers what p, a fragment of d, says about the whole. The first
// fragment's header is the datagram's (RFC 791 3.2, RFC 8200 4.5); time, port
// and VLAN are of the frame that came last.
func (d *datagram) note(p *capture.Packet) {
	encap := d.packet.Encap | p.Encap
	if p.Fragment.Offset == 0 || len(d.spans) == 0 {
		d.packet = *p
		d.packet.Src, d.packet.Dst, d.packet.Payload = nil, nil, nil
		d.packet.Fragment = capture.Fragment{}
	}
	d.packet.Encap = encap
	d.packet.Wall, d.packet.Mono, d.packet.Port = p.Wall, p.Mono, p.Port
	d.packet.VLAN, d.packet.HasVLAN = p.VLAN, p.HasVLAN
}

// checksumWrong reports whether b, d's octets, is a UDP datagram whose
// checksum says that it was not sent so (RFC 768, RFC 8200 8.1).
func (d *datagram) checksumWrong(b []byte) bool {
	if d.packet.Protocol != capture.ProtoUDP || len(b) < 8 || binary.BigEndian.Uint16(b[6:]) == 0 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 8 || n > len(b) {
		return true
	}
	src, dst := d.key.addresses()
	sum := add(add(add(uint64(n)+capture.ProtoUDP, src), dst), b[:n])
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum != 0xffff
}

// add adds b to an Internet checksum (RFC 1071).
func add(sum uint64, b []byte) uint64 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

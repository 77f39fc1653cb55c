package duplicate

import (
	"encoding/binary"
	"hash/maphash"

	"heptap/capture"
)

// identity is what the copies of a packet share, but for the payload, which it
// has the hash of.
//
//	 0  source, 16 octets; destination, 16 octets (IPv4 in the first four)
//	32  source port, destination port, IPv4 identification, window
//	40  sequence number, or verification tag, or fragment identification
//	44  acknowledgement number, or fragment offset
//	48  tunnel
//	52  length on the wire
//	56  hash of the payload
//	64  protocol, TCP flags, fragment bits, address length
type identity [68]byte

// The fragment bits.
const (
	isFragment = 1 << iota
	moreFragments
	isCut // cut short by the capture: its end is not known
)

func (t *Table) hash(p *capture.Packet) uint64 {
	var b identity
	copy(b[:16], p.Src)
	copy(b[16:32], p.Dst)
	binary.LittleEndian.PutUint16(b[32:], p.SrcPort)
	binary.LittleEndian.PutUint16(b[34:], p.DstPort)
	binary.LittleEndian.PutUint16(b[36:], p.IPID)
	binary.LittleEndian.PutUint32(b[48:], p.Tunnel)
	binary.LittleEndian.PutUint32(b[52:], uint32(p.Length))
	binary.LittleEndian.PutUint64(b[56:], maphash.Bytes(t.seed, p.Payload))
	b[64], b[67] = p.Protocol, byte(len(p.Src))
	if p.Truncated {
		b[66] = isCut
	}
	switch {
	case p.Fragment.Valid:
		binary.LittleEndian.PutUint32(b[40:], p.Fragment.ID)
		binary.LittleEndian.PutUint32(b[44:], uint32(p.Fragment.Offset))
		b[66] |= isFragment
		if p.Fragment.More {
			b[66] |= moreFragments
		}
	case p.Protocol == capture.ProtoTCP:
		binary.LittleEndian.PutUint32(b[40:], p.TCP.Seq)
		binary.LittleEndian.PutUint32(b[44:], p.TCP.Ack)
		binary.LittleEndian.PutUint16(b[38:], p.TCP.Window)
		b[65] = p.TCP.Flags
	case p.Protocol == capture.ProtoSCTP:
		binary.LittleEndian.PutUint32(b[40:], p.SCTP.VTag)
	}
	return maphash.Bytes(t.seed, b[:])
}

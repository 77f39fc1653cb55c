package sctp_test

import (
	"encoding/binary"
	"time"

	"heptap/capture"
)

const ms = int64(time.Millisecond)

// Chunk flags.
const (
	end, begin, unordered = 1, 2, 4
	one                   = begin | end
)

// chunk builds a chunk with its padding (RFC 9260 3.2).
func chunk(typ, flags byte, body ...[]byte) []byte {
	b := []byte{typ, flags, 0, 0}
	for _, x := range body {
		b = append(b, x...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func u16(n ...uint16) (b []byte) {
	for _, x := range n {
		b = binary.BigEndian.AppendUint16(b, x)
	}
	return b
}

func u32(n ...uint32) (b []byte) {
	for _, x := range n {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	return b
}

// dat is a DATA chunk of stream 1, PPID 0 (RFC 9260 3.3.1).
func dat(tsn uint32, flags byte, text string) []byte {
	return chunk(0, flags, u32(tsn), u16(1, 7), u32(0), []byte(text))
}

// idat is an I-DATA chunk of PPID 3 (RFC 8260 2.1); fsn is 0 in the first.
func idat(tsn uint32, flags byte, stream uint16, mid, fsn uint32, text string) []byte {
	word := fsn
	if flags&begin != 0 {
		word = 3
	}
	return chunk(64, flags, u32(tsn), u16(stream, 0), u32(mid, word), []byte(text))
}

func sack(cum uint32) []byte { return chunk(3, 0, u32(cum, 65536, 0)) }

func initiate(typ byte, tag, tsn uint32) []byte {
	return chunk(typ, 0, u32(tag, 65536), u16(10, 10), u32(tsn))
}

// from builds a packet of end 0 (10.0.0.1:5060) or 1 (10.0.0.2:5061).
func from(side int, tag uint32, mono int64, chunks ...[]byte) *capture.Packet {
	p := &capture.Packet{Src: []byte{10, 0, 0, 1}, Dst: []byte{10, 0, 0, 2}, SrcPort: 5060, DstPort: 5061,
		Protocol: capture.ProtoSCTP, SCTP: capture.SCTP{VTag: tag}, Wall: mono + 5, Mono: mono}
	if side == 1 {
		p.Src, p.Dst, p.SrcPort, p.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	}
	for _, c := range chunks {
		p.Payload = append(p.Payload, c...)
	}
	p.Length = len(p.Payload)
	return p
}

// The tags of what end 0 and end 1 send.
const tag0, tag1 = 0xb0b, 0xa11ce

// handshake opens an association; end 0 begins with TSN 100, end 1 with 900.
func handshake(mono int64) []*capture.Packet {
	return []*capture.Packet{
		from(0, 0, mono, initiate(1, tag1, 100)),
		from(1, tag1, mono, initiate(2, tag0, 900)),
		from(0, tag0, mono, chunk(10, 0, []byte("cookie"))),
		from(1, tag1, mono, chunk(11, 0)),
	}
}

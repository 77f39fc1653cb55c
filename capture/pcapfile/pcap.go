package pcapfile

import (
	"encoding/binary"
	"fmt"

	"heptap/capture"
)

// The pcap file header:
//
//	off size field
//	  0    4 magic
//	  4    2 major version, 2
//	  6    2 minor version, 4 (3: captured and original length may be swapped)
//	  8    8 unused
//	 16    4 snap length
//	 20    4 link type in the low 16 bits, then frame check sequence length
//
// and before each frame:
//
//	 0    4 seconds
//	 4    4 micro- or nanoseconds
//	 8    4 captured length
//	12    4 original length
//	16    8 interface index, protocol, packet type, padding (Kuznetzov only)
const (
	pcapHeader   = 24
	recordHeader = 16
	recordExtra  = 8

	magicMicro     = 0xa1b2c3d4
	magicNano      = 0xa1b23c4d
	magicKuznetzov = 0xa1b2cd34
)

// pcap reads the records of a pcap file.
type pcap struct {
	order  binary.ByteOrder
	unit   int64 // nanoseconds of one unit of the fraction
	header int   // octets before each frame
	minor  uint16
	link   capture.LinkType
}

// newPcap reads the file header.
func newPcap(w *window) (*pcap, error) {
	b, err := w.peek(4)
	if err != nil {
		return nil, err
	}
	p := &pcap{unit: 1000, header: recordHeader}
	switch magic := [2]uint32{binary.LittleEndian.Uint32(b), binary.BigEndian.Uint32(b)}; {
	case isMagic(magic[0]):
		p.order = binary.LittleEndian
	case isMagic(magic[1]):
		p.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("%w: magic % x", ErrFormat, b)
	}
	switch p.order.Uint32(b) {
	case magicNano:
		p.unit = 1
	case magicKuznetzov:
		p.header += recordExtra
	}
	if b, err = w.peek(pcapHeader); err != nil {
		return nil, err
	}
	major, minor := p.order.Uint16(b[4:]), p.order.Uint16(b[6:])
	if major != 2 || minor < 3 || minor > 4 {
		return nil, fmt.Errorf("pcap version %d.%d", major, minor)
	}
	p.minor = minor
	p.link = capture.LinkType(p.order.Uint32(b[20:])) // the low 16 bits
	w.take(pcapHeader)
	return p, nil
}

func isMagic(m uint32) bool { return m == magicMicro || m == magicNano || m == magicKuznetzov }

// next implements format.
func (p *pcap) next(w *window, f *capture.Frame) error {
	b, err := w.peek(p.header)
	if err != nil {
		return err
	}
	captured, original := p.order.Uint32(b[8:]), p.order.Uint32(b[12:])
	if p.minor == 3 && captured > original {
		captured, original = original, captured
	}
	if captured > MaxFrame {
		return fmt.Errorf("captured length %d is above %d", captured, MaxFrame)
	}
	if b, err = w.peek(p.header + int(captured)); err != nil {
		return cutShort(err)
	}
	at := int64(p.order.Uint32(b))*1e9 + int64(p.order.Uint32(b[4:]))*p.unit
	*f = capture.Frame{
		Data:   b[p.header:],
		Length: wireLength(captured, original),
		Wall:   at,
		Mono:   at,
		Link:   p.link,
	}
	w.take(len(b))
	return nil
}

// wireLength returns a frame's length on the wire, which is never less than
// what was captured and has to fit in an int of 32 bits.
func wireLength(captured, original uint32) int {
	return int(min(max(captured, original), 1<<31-1))
}

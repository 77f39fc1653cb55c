package pcapfile

import (
	"encoding/binary"
	"errors"
	"fmt"

	"heptap/capture"
)

// A pcapng file is a row of blocks:
//
//	off size field
//	  0    4 type
//	  4    4 total length, a multiple of 4
//	  8      body, its layout by type
//	 -4    4 total length again
//
// The byte order is that of the section, which its header's magic tells.
const (
	blockHeader  = 8
	blockTrailer = 4

	blockInterface = 0x00000001
	blockPacket    = 0x00000002 // obsolete
	blockSimple    = 0x00000003
	blockEnhanced  = 0x00000006
	blockSection   = 0x0a0d0d0a // the same in either byte order

	orderMagic = 0x1a2b3c4d

	// maxInterfaces bounds the table of one section.
	maxInterfaces = 4096
)

// Offsets of the packet data in a packet block.
const (
	enhancedData = 28
	simpleData   = 12
)

// pcapng reads the blocks of a pcapng file.
type pcapng struct {
	order  binary.ByteOrder
	ifaces []iface // of the current section
	last   int64   // time of the frame before: simple packet blocks have none
}

// next implements format.
func (p *pcapng) next(w *window, f *capture.Frame) error {
	for {
		kind, total, err := p.header(w)
		if err != nil {
			return err
		}
		var frame bool
		switch kind {
		case blockSection, blockInterface, blockPacket, blockSimple, blockEnhanced:
			frame, err = p.block(w, kind, total, f)
		default:
			err = p.skip(w, total)
		}
		if err != nil {
			return cutShort(err)
		}
		if frame {
			p.last = f.Wall
			return nil
		}
	}
}

// header returns type and total length of the next block, and turns to the
// byte order of the section when one begins.
func (p *pcapng) header(w *window) (kind uint32, total int64, err error) {
	b, err := w.peek(blockHeader)
	if err != nil {
		return 0, 0, err
	}
	if binary.BigEndian.Uint32(b) == blockSection {
		if b, err = w.peek(blockHeader + 4); err != nil {
			return 0, 0, cutShort(err)
		}
		switch {
		case binary.LittleEndian.Uint32(b[8:]) == orderMagic:
			p.order = binary.LittleEndian
		case binary.BigEndian.Uint32(b[8:]) == orderMagic:
			p.order = binary.BigEndian
		default:
			return 0, 0, fmt.Errorf("section header: byte-order magic % x", b[8:12])
		}
	}
	kind, total = p.order.Uint32(b), int64(p.order.Uint32(b[4:]))
	if total < blockHeader+blockTrailer || total%4 != 0 {
		return 0, 0, fmt.Errorf("block type %#x: total length %d", kind, total)
	}
	return kind, total, nil
}

// block reads one block of a kind that we know, and says whether it filled f.
func (p *pcapng) block(w *window, kind uint32, total int64, f *capture.Frame) (bool, error) {
	if total > MaxBlock {
		return false, fmt.Errorf("block type %#x: total length %d is above %d", kind, total, MaxBlock)
	}
	b, err := w.peek(int(total))
	if err != nil {
		return false, err
	}
	if err := p.trailer(b[total-blockTrailer:], total); err != nil {
		return false, err
	}
	b = b[:total-blockTrailer]
	switch kind {
	case blockSection:
		err = p.section(b)
	case blockInterface:
		err = p.describe(b)
	case blockSimple:
		err = p.simple(b, f)
	default:
		err = p.packet(kind, b, f)
	}
	if err != nil {
		return false, err
	}
	w.take(int(total))
	return kind != blockSection && kind != blockInterface, nil
}

// skip moves past a block of a kind that we do not read.
func (p *pcapng) skip(w *window, total int64) error {
	if w.lent && int64(w.end-w.pos) < total {
		return errLent
	}
	start := w.offset
	err := w.skip(total - blockTrailer)
	if err == nil {
		var b []byte
		if b, err = w.peek(blockTrailer); err == nil {
			err = p.trailer(b, total)
		}
	}
	if err != nil {
		return &DamageError{start, cutShort(err)}
	}
	w.take(blockTrailer)
	return nil
}

// trailer checks the total length at a block's end.
func (p *pcapng) trailer(b []byte, total int64) error {
	if got := p.order.Uint32(b); int64(got) != total {
		return fmt.Errorf("block total length is %d at its start and %d at its end", total, got)
	}
	return nil
}

// section begins a new section: its interfaces are numbered from zero again.
func (p *pcapng) section(b []byte) error {
	if len(b) < 24 {
		return errors.New("section header too short")
	}
	if major := p.order.Uint16(b[12:]); major != 1 {
		return fmt.Errorf("pcapng version %d.%d", major, p.order.Uint16(b[14:]))
	}
	p.ifaces = p.ifaces[:0]
	return nil
}

// packet reads an enhanced packet block, or the obsolete one, which has the
// interface in 16 bits and a drop count beside it.
func (p *pcapng) packet(kind uint32, b []byte, f *capture.Frame) error {
	if len(b) < enhancedData {
		return errors.New("packet block too short")
	}
	id := p.order.Uint32(b[8:])
	if kind == blockPacket {
		id = uint32(p.order.Uint16(b[8:]))
	}
	if int64(id) >= int64(len(p.ifaces)) {
		return fmt.Errorf("packet of interface %d of %d", id, len(p.ifaces))
	}
	ifc := &p.ifaces[id]
	ticks := uint64(p.order.Uint32(b[12:]))<<32 | uint64(p.order.Uint32(b[16:]))
	captured, original := p.order.Uint32(b[20:]), p.order.Uint32(b[24:])
	return setFrame(f, ifc, ifc.time(ticks), b[enhancedData:], captured, original)
}

// simple reads a simple packet block. It has no time, so the frame gets that
// of the one before it, and no captured length: that follows from the snap
// length and the block's.
func (p *pcapng) simple(b []byte, f *capture.Frame) error {
	if len(b) < simpleData {
		return errors.New("simple packet block too short")
	}
	if len(p.ifaces) == 0 {
		return errors.New("simple packet block without an interface")
	}
	ifc := &p.ifaces[0]
	original := p.order.Uint32(b[8:])
	captured := original
	if ifc.snapLength != 0 {
		captured = min(captured, ifc.snapLength)
	}
	return setFrame(f, ifc, p.last, b[simpleData:], captured, original)
}

// setFrame makes f of a packet block whose data begins at b.
func setFrame(f *capture.Frame, ifc *iface, at int64, b []byte, captured, original uint32) error {
	if captured > MaxFrame {
		return fmt.Errorf("captured length %d is above %d", captured, MaxFrame)
	}
	if int(captured) > len(b) {
		return fmt.Errorf("captured length %d in a block with room for %d", captured, len(b))
	}
	*f = capture.Frame{
		Data:   b[:captured:captured],
		Length: wireLength(captured, original),
		Wall:   at,
		Mono:   at,
		Link:   ifc.link,
	}
	return nil
}

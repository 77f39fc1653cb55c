package pcapfile

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"heptap/capture"
)

// Options of an interface description block that change what frames mean.
const (
	optionEnd      = 0
	optionTSResol  = 9
	optionTSOffset = 14
)

// iface is one interface of a pcapng section.
type iface struct {
	link       capture.LinkType
	snapLength uint32 // 0 is no limit
	unit       uint64 // ticks of the clock in one second
	offset     int64  // seconds to add
}

// describe reads an interface description block:
//
//	off size field
//	  8    2 link type
//	 10    2 reserved
//	 12    4 snap length
//	 16      options
func (p *pcapng) describe(b []byte) error {
	if len(b) < 16 {
		return errors.New("interface description too short")
	}
	if len(p.ifaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces in one section", maxInterfaces)
	}
	ifc := iface{link: capture.LinkType(p.order.Uint16(b[8:])), snapLength: p.order.Uint32(b[12:]), unit: 1e6}
	for b = b[16:]; len(b) >= 4; {
		code, size := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		if code == optionEnd {
			break
		}
		padded := 4 + (size+3)&^3
		if padded > len(b) {
			return fmt.Errorf("interface option %d: length %d", code, size)
		}
		value := b[4 : 4+size]
		b = b[padded:]
		switch code {
		case optionTSResol:
			if size != 1 || !ifc.setResolution(value[0]) {
				return fmt.Errorf("interface option if_tsresol: % x", value)
			}
		case optionTSOffset:
			if size != 8 {
				return fmt.Errorf("interface option if_tsoffset: % x", value)
			}
			ifc.offset = int64(p.order.Uint64(value))
		}
	}
	p.ifaces = append(p.ifaces, ifc)
	return nil
}

// setResolution takes if_tsresol: ticks of 10^-v seconds, or 2^-v when the top
// bit is set. It refuses what 64 bits cannot count.
func (i *iface) setResolution(v uint8) bool {
	if v&0x80 != 0 {
		if v &= 0x7f; v > 63 {
			return false
		}
		i.unit = 1 << v
		return true
	}
	if v > 19 {
		return false
	}
	i.unit = 1
	for range v {
		i.unit *= 10
	}
	return true
}

// time returns ticks as Unix nanoseconds; what does not fit in them becomes
// the earliest or latest time that does.
func (i *iface) time(ticks uint64) int64 {
	seconds, ticks := ticks/i.unit, ticks%i.unit
	hi, lo := bits.Mul64(ticks, 1e9)
	fraction, _ := bits.Div64(hi, lo, i.unit) // ticks < unit, so hi < unit
	const limit int64 = math.MaxInt64/1_000_000_000 - 1
	if seconds > math.MaxInt64 {
		return math.MaxInt64
	}
	sum := int64(seconds) + i.offset
	switch {
	case i.offset > 0 && sum < 0 || sum > limit:
		return math.MaxInt64
	case sum < -limit:
		return math.MinInt64
	}
	return sum*1e9 + int64(fraction)
}

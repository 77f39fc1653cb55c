package neighbour

import "encoding/binary"

// snap is LLC and SNAP of CDP: organisation 00-00-0c, protocol 2000.
const snap = "\xaa\xaa\x03\x00\x00\x0c\x20\x00"

// TLV types of CDP.
const (
	cdpDevice = 0x0001
	cdpPort   = 0x0003
	cdpVLAN   = 0x000a // native VLAN
	cdpSystem = 0x0014
)

const (
	cdpHeader = 4
	cdpTLV    = 4
)

// cdp reads what follows SNAP. An octet or three at the end are padding that somebody
// counted.
func (v *View) cdp(b []byte) error {
	if len(b) < cdpHeader {
		return ErrShort
	}
	v.TTL = uint16(b[1])
	for b = b[cdpHeader:]; len(b) >= cdpTLV; {
		kind, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		switch {
		case size < cdpTLV:
			return ErrLength
		case size > len(b):
			return ErrShort
		}
		value := b[cdpTLV:size]
		b = b[size:]
		switch kind {
		case cdpDevice, cdpPort:
			id := &v.Chassis
			if kind == cdpPort {
				id = &v.Port
			}
			if id.Value != nil {
				return ErrTwice
			}
			if len(value) == 0 {
				return ErrLength
			}
			id.Value = value
		case cdpSystem:
			if v.System == nil {
				v.System = value
			}
		case cdpVLAN:
			if len(value) == 2 {
				v.VLAN = vlanID(value)
			}
		}
	}
	if v.Chassis.Value == nil || v.Port.Value == nil {
		return ErrMissing
	}
	return nil
}

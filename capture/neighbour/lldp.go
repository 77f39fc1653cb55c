package neighbour

import "encoding/binary"

// TLV types of LLDP (802.1AB 8.4.1, table 8-1).
const (
	lldpEnd = iota
	lldpChassis
	lldpPort
	lldpTTL
	lldpPortDescription
	lldpSystem
	lldpOrganisation = 127
)

// Subtypes of the chassis id (table 8-2) and of the port id (table 8-3) that are no
// text.
const (
	chassisMAC     = 4
	chassisAddress = 5
	portMAC        = 3
	portAddress    = 4
)

// portVLAN begins the port VLAN id TLV of 802.1: organisation 00-80-c2, subtype 1
// (802.1Q-2018 D.2.1).
const portVLAN = "\x00\x80\xc2\x01"

// lldp reads an LLDPDU. Of an optional TLV that is there twice the first one holds.
// What ends without the end TLV ends where the frame does.
func (v *View) lldp(b []byte) error {
	next := lldpChassis // as long as it is one of those that must be there
	for ; len(b) >= 2; next++ {
		head := binary.BigEndian.Uint16(b)
		kind, size := int(head>>9), int(head&0x1ff)
		switch {
		case next <= lldpTTL && kind != next:
			return ErrMissing
		case kind == lldpEnd:
			return nil
		case next > lldpTTL && kind <= lldpTTL:
			return ErrTwice
		case len(b)-2 < size:
			return ErrShort
		}
		if err := v.tlv(kind, b[2:2+size]); err != nil {
			return err
		}
		b = b[2+size:]
	}
	if next <= lldpTTL {
		return ErrMissing
	}
	return nil
}

func (v *View) tlv(kind int, value []byte) error {
	const idMost = 256 // subtype and id
	switch kind {
	case lldpChassis, lldpPort:
		if len(value) < 2 || len(value) > idMost {
			return ErrLength
		}
		id, subtype := ID{Value: value[1:]}, int(value[0])
		switch {
		case kind == lldpChassis && subtype == chassisMAC, kind == lldpPort && subtype == portMAC:
			id.form = formMAC
		case kind == lldpChassis && subtype == chassisAddress, kind == lldpPort && subtype == portAddress:
			id.form = formAddress
		}
		if kind == lldpChassis {
			v.Chassis = id
		} else {
			v.Port = id
		}
	case lldpTTL:
		if len(value) < 2 {
			return ErrLength
		}
		v.TTL = binary.BigEndian.Uint16(value)
	case lldpPortDescription:
		if v.PortDescription == nil {
			v.PortDescription = value
		}
	case lldpSystem:
		if v.System == nil {
			v.System = value
		}
	case lldpOrganisation:
		if len(value) == len(portVLAN)+2 && string(value[:len(portVLAN)]) == portVLAN && v.VLAN == 0 {
			v.VLAN = vlanID(value[len(portVLAN):])
		}
	}
	return nil
}

// vlanID is the VLAN id in b, 0 for one that is none (802.1Q 9.6).
func vlanID(b []byte) uint16 {
	if id := binary.BigEndian.Uint16(b); id < 0xfff {
		return id
	}
	return 0
}

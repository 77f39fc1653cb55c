package neighbour

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"unicode"
	"unicode/utf8"

	"heptap/capture"
)

// Protocol is which of the protocols a frame was of.
type Protocol uint8

// The protocols.
const (
	LLDP Protocol = iota + 1
	CDP
)

// String returns "LLDP" or "CDP".
func (p Protocol) String() string {
	switch p {
	case LLDP:
		return "LLDP"
	case CDP:
		return "CDP"
	}
	return "unknown"
}

// Errors of Parse.
const (
	ErrOther   = viewError("neither LLDP nor CDP")
	ErrShort   = viewError("the frame ends inside of what it announces")
	ErrMissing = viewError("chassis, port or time to live is missing, or out of order")
	ErrTwice   = viewError("chassis, port or time to live is there twice")
	ErrLength  = viewError("a field has a length that it cannot have")
)

type viewError string

// Error implements error.
func (e viewError) Error() string { return "neighbour: " + string(e) }

// What a frame is known by: EtherType is that of LLDP, and LLC are the first two
// octets of the 802.2 header of CDP, and of much else.
const (
	EtherType = 0x88cc
	LLC       = 0xaaaa
)

// Octets.
const (
	etherHeader = 14
	vlanTag     = 4
	minType     = 0x0600 // below: an 802.3 length
	mac         = 6
)

// form is how an ID is written.
type form uint8

const (
	formText    form = iota // but in hex if it is none
	formMAC                 // in hex
	formAddress             // an octet of IANA's address family numbers, and an address
)

// ID is what a device or one of its ports is called. Value borrows from the frame.
type ID struct {
	Value []byte
	form  form
}

// Append appends the ID as people write it.
func (id ID) Append(b []byte) []byte {
	switch id.form {
	case formMAC:
		return appendHex(b, id.Value)
	case formAddress:
		const ip4, ip6 = 1, 2
		if v := id.Value; len(v) == 5 && v[0] == ip4 || len(v) == 17 && v[0] == ip6 {
			a, _ := netip.AddrFromSlice(v[1:])
			return a.AppendTo(b)
		}
		return appendHex(b, id.Value)
	}
	return appendText(b, id.Value)
}

// View is what one frame says. Its slices borrow from the frame.
type View struct {
	Protocol        Protocol
	Source          [6]byte // hardware address that the frame is from
	TTL             uint16  // seconds for which this holds; 0: the sender is about to leave
	VLAN            uint16  // of untagged frames on the port; 0: not given
	Chassis, Port   ID      // together they name the other end of the cable
	PortDescription []byte  // CDP has none
	System          []byte  // name of the system; nil: not given
}

// Parse reads an Ethernet frame that begins with its addresses and may lack its
// checksum. On an error v is zero.
func (v *View) Parse(frame []byte) error {
	*v = View{}
	protocol, body, length := locate(frame)
	var err error
	switch {
	case protocol == LLDP:
		err = v.lldp(body)
	case protocol != CDP:
		return ErrOther
	case len(body) < length || length < len(snap):
		return ErrShort
	default:
		err = v.cdp(body[len(snap):length])
	}
	if err != nil {
		*v = View{}
		return err
	}
	v.Protocol, v.Source = protocol, [6]byte(frame[mac:])
	return nil
}

// locate finds what follows the addresses and the tags, which for CDP has a length
// that does not count padding. The protocol is 0 for any other frame.
func locate(b []byte) (p Protocol, body []byte, length int) {
	if len(b) < etherHeader {
		return 0, nil, 0
	}
	kind := binary.BigEndian.Uint16(b[2*mac:])
	b = b[etherHeader:]
	for tags := 0; isTag(kind); tags++ {
		if len(b) < vlanTag || tags == capture.MaxVLANTags {
			return 0, nil, 0
		}
		kind = binary.BigEndian.Uint16(b[2:])
		b = b[vlanTag:]
	}
	switch {
	case kind == EtherType:
		return LLDP, b, len(b)
	case kind < minType && len(b) >= len(snap) && string(b[:len(snap)]) == snap:
		return CDP, b, int(kind)
	}
	return 0, nil, 0
}

func isTag(kind uint16) bool {
	switch kind {
	case 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300:
		return true
	}
	return false
}

// appendText appends b without the NULs that some devices end texts with, in hex if
// it is no text.
func appendText(b, text []byte) []byte {
	text = bytes.TrimRight(text, "\x00")
	for rest := text; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			return appendHex(b, text)
		}
		rest = rest[n:]
	}
	return append(b, text...)
}

// appendHex appends octets as hardware addresses are written.
func appendHex(b, octets []byte) []byte {
	for i := range octets {
		if i > 0 {
			b = append(b, ':')
		}
		b = hex.AppendEncode(b, octets[i:i+1])
	}
	return b
}

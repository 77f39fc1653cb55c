package sigtran

import (
	"encoding/binary"
	"errors"
)

// Errors of View.Parse.
var (
	ErrHeader = errors.New("sigtran: no common header")
	ErrKind   = errors.New("sigtran: layer unknown")
)

// Service indicators whose user parts are told apart here.
const (
	SCCP = 3
	ISUP = 5
)

// Variant says which standard's point codes a message has.
type Variant uint8

// The variants.
const (
	NoCodes Variant = iota // the message has no point codes
	ITU                    // 14 bits, ITU-T Q.704; what is not proven to be otherwise
	Wide                   // more than 14 bits: ANSI and China 24, TTC 16
)

// String returns the variant's name.
func (v Variant) String() string {
	switch v {
	case ITU:
		return "ITU"
	case Wide:
		return "wide"
	}
	return ""
}

const (
	version      = 1
	headerSize   = 8
	sequenceSize = 8 // BSN and FSN of M2PA

	protocolDataSize = 12 // of M3UA's, before the user part
)

// Parameter tags of M3UA and M2UA.
const (
	tagInterfaceInt  = 0x0001
	tagInterfaceText = 0x0003
	tagRouting       = 0x0006
	tagAppearance    = 0x0200
	tagProtocolData  = 0x0210
	tagData1         = 0x0300
	tagData2         = 0x0301
)

// View is one message taken apart. Its slices are views of the message,
// read-only.
type View struct {
	Kind        Kind
	Class, Type uint8
	Cut         bool // a length promises more octets than there are

	// Of a message that carries an MSU (HasMSU):
	Variant  Variant
	OPC, DPC uint32 // originating and destination point code
	SI       uint8  // service indicator, 0-15 except in M3UA
	NI       uint8  // network indicator, 0-3 except in M3UA
	MP       uint8  // message priority; the spare bits of ITU-T's service information octet
	SLS      uint8  // signalling link selection
	MSU      []byte // the user part: of ISUP from the CIC on

	HasRouting    bool
	Routing       uint32 // first routing context, M3UA
	HasAppearance bool
	Appearance    uint32 // network appearance, M3UA
	HasInterface  bool
	Interface     uint32 // interface identifier, M2UA
	InterfaceText []byte // interface identifier as text, M2UA

	BSN, FSN  uint32 // 24 bits, M2PA
	LinkState uint32 // M2PA Link Status

	hasMSU bool
}

// HasMSU reports whether the message carries an MSU whose label was whole.
func (v *View) HasMSU() bool { return v.hasMSU }

// Name returns the message type's name as its RFC has it, of a Link Status that of
// the state, or "" when it is unknown.
func (v *View) Name() string {
	if v.Kind == M2PA && v.Type == TypeLinkStatus && v.LinkState > 0 && v.LinkState <= uint32(len(linkStates)) {
		return linkStates[v.LinkState-1]
	}
	return typeName(v.Kind, v.Class, v.Type)
}

// Parse fills v from b, a user message of SCTP that Claims claims. It fails
// with ErrKind when identifier and ports name no layer that has such a message, and
// with ErrHeader when b is no message; v is then empty. A message that is cut or
// whose contents make no sense is no error: what was understood is in v.
func (v *View) Parse(ppid uint32, srcPort, dstPort uint16, b []byte) error {
	*v = View{}
	kind := claimed(ppid, srcPort, dstPort)
	if kind == None {
		return ErrKind
	}
	if len(b) < headerSize || b[0] != version {
		return ErrHeader
	}
	n := int64(binary.BigEndian.Uint32(b[4:]))
	if n < headerSize {
		return ErrHeader
	}
	if typeName(kind, b[2], b[3]) == "" {
		if ppid != 0 {
			v.Kind, v.Class, v.Type = kind, b[2], b[3] // named by the sender: an extension
			return nil
		}
		if kind = Sniff(b); kind == None { // the port was a guess
			return ErrKind
		}
	}
	v.Kind, v.Class, v.Type = kind, b[2], b[3]
	// Padding may be in the message and not in its length, or the reverse.
	v.Cut = n-int64(len(b)) >= 4
	body := b[headerSize:min(int64(len(b)), (n+3)&^3)]
	if kind == M2PA {
		v.peer(body[:min(int64(len(body)), n-headerSize)])
	} else {
		v.parameters(body)
	}
	return nil
}

// parameters takes in those of M3UA and M2UA.
func (v *View) parameters(b []byte) {
	for len(b) >= 4 {
		tag, size := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if size < 4 {
			v.Cut = true
			return
		}
		if size > len(b) {
			v.Cut = true
			size = len(b)
		}
		v.parameter(tag, b[4:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}

func (v *View) parameter(tag uint16, value []byte) {
	switch {
	case tag == tagProtocolData && v.Kind == M3UA:
		v.protocolData(value)
	case tag == tagData1 && v.Kind == M2UA:
		v.mtp3(value)
	case tag == tagData2 && v.Kind == M2UA && len(value) > 0:
		v.mtp3(value[1:])
	case tag == tagRouting && v.Kind == M3UA:
		number(&v.Routing, &v.HasRouting, value)
	case tag == tagAppearance && v.Kind == M3UA:
		number(&v.Appearance, &v.HasAppearance, value)
	case tag == tagInterfaceInt && v.Kind == M2UA:
		number(&v.Interface, &v.HasInterface, value)
	case tag == tagInterfaceText && v.Kind == M2UA && v.InterfaceText == nil:
		v.InterfaceText = value
	}
}

// number sets dst from a parameter's value, once.
func number(dst *uint32, has *bool, value []byte) {
	if !*has && len(value) >= 4 {
		*dst, *has = binary.BigEndian.Uint32(value), true
	}
}

// protocolData takes in M3UA's (RFC 4666 3.3.1).
func (v *View) protocolData(b []byte) {
	if v.hasMSU || v.Class != ClassDATA || v.Type != TypeData {
		return
	}
	if len(b) < protocolDataSize {
		v.Cut = true
		return
	}
	v.OPC, v.DPC = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	v.SI, v.NI, v.MP, v.SLS = b[8], b[9], b[10], b[11]
	v.MSU, v.hasMSU = b[protocolDataSize:], true
	v.Variant = ITU
	if v.OPC > maxITU || v.DPC > maxITU {
		v.Variant = Wide
	}
}

// peer takes in what M2PA has behind its common header.
func (v *View) peer(b []byte) {
	if len(b) < sequenceSize {
		v.Cut = true
		return
	}
	v.BSN, v.FSN = binary.BigEndian.Uint32(b)&0xffffff, binary.BigEndian.Uint32(b[4:])&0xffffff
	switch b = b[sequenceSize:]; {
	case v.Type == TypeLinkStatus && len(b) >= 4:
		v.LinkState = binary.BigEndian.Uint32(b)
	case v.Type == TypeLinkStatus:
		v.Cut = true
	case len(b) > 0:
		v.mtp3(b[1:])
	}
}

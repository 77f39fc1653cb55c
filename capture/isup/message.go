package isup

import (
	"encoding/binary"
	"errors"
)

// ErrShort says that not even the message type is there.
var ErrShort = errors.New("isup: no message type")

// maxParameters is how many parameters of a message are kept.
const maxParameters = 64

// Message is one message taken apart: a view of the octets parsed, read-only
// and valid as long as they are. One may be used again and again.
type Message struct {
	Type   Type
	CIC    uint16 // circuit identification code, 0-4095
	HasCIC bool
	Fault  Fault // the first one, None when the message is sound
	// FaultAt is the parameter that Fault is about, EndOfOptional when none.
	FaultAt Code

	octets     []byte // from the message type on
	count      int
	parameters [maxParameters]parameter
}

// parameter is where one lies: its value begins at octets[at], 16 bits at most
// as 64 parameters of 255 octets are all there are.
type parameter struct {
	at   uint16
	code Code
	size uint8
}

// Fault says what is wrong with a message.
type Fault uint8

// The faults.
const (
	None            Fault = iota
	UnknownType           // not in Q.763: nothing was read
	Cut                   // the message ends in the parameter, or before it
	BadPointer            // leads out of the message, into the pointers, or nowhere
	NoOptional            // the message ends before the pointer to the optional part
	NoEnd                 // the optional part has no end
	TooMany               // more than 64 parameters
	ContentTooShort       // a parameter has fewer octets than Q.763 allows
)

// String returns the fault in words, "" of None.
func (f Fault) String() string {
	switch f {
	case UnknownType:
		return "unknown message type"
	case Cut:
		return "cut"
	case BadPointer:
		return "pointer out of range"
	case NoOptional:
		return "no pointer to the optional part"
	case NoEnd:
		return "no end of optional parameters"
	case TooMany:
		return "too many parameters"
	case ContentTooShort:
		return "too short"
	}
	return ""
}

// fault keeps the first fault.
func (m *Message) fault(f Fault, at Code) {
	if m.Fault == None {
		m.Fault, m.FaultAt = f, at
	}
}

// Parse fills m from b, which begins with the message type, as the bodies of SIP
// do (RFC 3204). It fails with ErrShort when b is empty.
func (m *Message) Parse(b []byte) error {
	m.Type, m.CIC, m.HasCIC, m.Fault, m.FaultAt, m.octets, m.count = 0, 0, false, None, EndOfOptional, nil, 0
	if len(b) == 0 {
		return ErrShort
	}
	m.Type, m.octets = Type(b[0]), b
	m.parse(m.Type.format())
	return nil
}

// ParseWithCIC is Parse of what MTP3 carries: the circuit's code comes first. It
// fails with ErrShort when b has less than three octets.
func (m *Message) ParseWithCIC(b []byte) error {
	if len(b) < 3 {
		_ = m.Parse(nil) // empties m
		return ErrShort
	}
	err := m.Parse(b[2:])
	m.CIC, m.HasCIC = binary.LittleEndian.Uint16(b)&0x0fff, true
	return err
}

// Len returns how many parameters there are.
func (m *Message) Len() int { return m.count }

// Parameter returns the i-th parameter, in the order of the message: fixed,
// variable, optional.
func (m *Message) Parameter(i int) (code Code, value []byte) {
	p := &m.parameters[i]
	return p.code, m.octets[p.at : int(p.at)+int(p.size)]
}

// Find returns the value of the first parameter called code, empty when that
// is. ok is false when there is none.
func (m *Message) Find(code Code) (value []byte, ok bool) {
	for i := range m.count {
		if m.parameters[i].code == code {
			_, value = m.Parameter(i)
			return value, true
		}
	}
	return nil, false
}

// find is Find of a parameter that has the octets it must have.
func (m *Message) find(code Code) (value []byte, ok bool) {
	if value, ok = m.Find(code); len(value) < code.least() {
		return nil, false
	}
	return value, ok
}

// parse reads the parts of a message that is laid out as f says.
func (m *Message) parse(f format) {
	if f.name == "" {
		m.fault(UnknownType, EndOfOptional)
		return
	}
	at := 1
	for _, p := range f.fixed {
		if at+p.size > len(m.octets) {
			m.fault(Cut, p.code)
			return
		}
		m.add(p.code, at, p.size)
		at += p.size
	}
	pointers := len(f.variable)
	if f.optional {
		pointers++
	}
	for i, code := range f.variable {
		m.variable(code, at+i, pointers-i)
	}
	if f.optional {
		m.optional(at + len(f.variable))
	}
}

// variable reads the mandatory parameter whose pointer is at octet at; least is
// the smallest that pointer may be, as that and the pointers behind it are in the way.
func (m *Message) variable(code Code, at, least int) {
	if at >= len(m.octets) {
		m.fault(Cut, code)
		return
	}
	pointer := int(m.octets[at])
	if at += pointer; pointer < least || at >= len(m.octets) {
		m.fault(BadPointer, code)
		return
	}
	size := int(m.octets[at])
	if at++; at+size > len(m.octets) {
		m.fault(Cut, code)
		return
	}
	m.add(code, at, size)
}

// optional reads the part whose pointer is at octet at.
func (m *Message) optional(at int) {
	if at >= len(m.octets) {
		if m.Type != RLC { // had none before 1992
			m.fault(NoOptional, EndOfOptional)
		}
		return
	}
	pointer := int(m.octets[at])
	if pointer == 0 {
		return
	}
	if at += pointer; at >= len(m.octets) {
		m.fault(BadPointer, EndOfOptional)
		return
	}
	for at < len(m.octets) {
		code := Code(m.octets[at])
		if code == EndOfOptional {
			return
		}
		if at+2 > len(m.octets) || at+2+int(m.octets[at+1]) > len(m.octets) {
			m.fault(Cut, code)
			return
		}
		size := int(m.octets[at+1])
		if !m.add(code, at+2, size) {
			return
		}
		at += 2 + size
	}
	m.fault(NoEnd, EndOfOptional)
}

// add keeps a parameter, if there is room.
func (m *Message) add(code Code, at, size int) bool {
	if m.count == maxParameters {
		m.fault(TooMany, code)
		return false
	}
	if size < code.least() {
		m.fault(ContentTooShort, code)
	}
	m.parameters[m.count] = parameter{at: uint16(at), code: code, size: uint8(size)}
	m.count++
	return true
}

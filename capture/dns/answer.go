package dns

import (
	"encoding/binary"
	"net/netip"
)

// Answer is one resource record (RFC 1035 4.1.3). Which of the fields behind
// Data are filled depends on Type; when its data is broken none of them is.
type Answer struct {
	Name  Name
	Type  Type
	Class Class
	TTL   uint32 // seconds
	Data  []byte // RDATA as it is

	Addr   netip.Addr // A, AAAA
	Target Name       // CNAME, DNAME, NS, PTR; MX: the exchange; SRV: the target; NAPTR: the replacement

	Priority uint16 // SRV; MX calls it preference
	Weight   uint16 // SRV
	Port     uint16 // SRV

	Order      uint16 // NAPTR
	Preference uint16 // NAPTR
	Flags      []byte // NAPTR: S, A, U, P or none
	Service    []byte // NAPTR: SIP+D2U, E2U+sip, ...
	Regexp     []byte // NAPTR: of ENUM, what makes a URI of the number

	Broken bool // the data is not what the type says
}

// Answers walks the answers of a message.
type Answers struct {
	msg  []byte
	at   int
	left int
}

// Walk begins at the first answer.
func (v *View) Walk() Answers { return Answers{v.msg, v.answers, v.Answers} }

// Next fills a with the next answer and reports whether there is one.
func (w *Answers) Next(a *Answer) bool {
	if w.left == 0 {
		return false
	}
	w.left--
	*a, w.at, _ = record(w.msg, w.at)
	a.decode(w.msg, w.at-len(a.Data))
	return true
}

// record reads the record at b[at] without what its data means.
func record(b []byte, at int) (a Answer, next int, ok bool) {
	n, at, st := name(b, at)
	if st != whole || at+10 > len(b) {
		return Answer{}, 0, false
	}
	end := at + 10 + int(binary.BigEndian.Uint16(b[at+8:]))
	if end > len(b) {
		return Answer{}, 0, false
	}
	return Answer{Name: n, Type: Type(binary.BigEndian.Uint16(b[at:])), Class: Class(binary.BigEndian.Uint16(b[at+2:])),
		TTL: binary.BigEndian.Uint32(b[at+4:]), Data: b[at+10 : end : end]}, end, true
}

// decode reads the data, which begins at msg[at]: names in it may point to
// what is before.
func (a *Answer) decode(msg []byte, at int) {
	if a.Class&^classTop != ClassIN {
		return
	}
	msg = msg[:at+len(a.Data)]
	switch d := a.Data; a.Type {
	case A:
		if a.Broken = len(d) != 4; !a.Broken {
			a.Addr = netip.AddrFrom4([4]byte(d))
		}
	case AAAA:
		if a.Broken = len(d) != 16; !a.Broken {
			a.Addr = netip.AddrFrom16([16]byte(d))
		}
	case CNAME, DNAME, NS, PTR:
		a.target(msg, at)
	case MX:
		if a.Broken = len(d) < 2; !a.Broken && a.target(msg, at+2) {
			a.Priority = binary.BigEndian.Uint16(d)
		}
	case SRV:
		if a.Broken = len(d) < 6; !a.Broken && a.target(msg, at+6) {
			a.Priority, a.Weight, a.Port = binary.BigEndian.Uint16(d), binary.BigEndian.Uint16(d[2:]), binary.BigEndian.Uint16(d[4:])
		}
	case NAPTR:
		a.naptr(msg, at)
	}
}

// target reads the name at msg[at], with which the data has to end.
func (a *Answer) target(msg []byte, at int) bool {
	n, next, st := name(msg, at)
	if a.Broken = st != whole || next != len(msg); !a.Broken {
		a.Target = n
	}
	return !a.Broken
}

// naptr reads RFC 3403 4.1: three strings between two numbers and a name, which
// must not be compressed, and sometimes is.
func (a *Answer) naptr(msg []byte, at int) {
	d := a.Data
	if a.Broken = len(d) < 4; a.Broken {
		return
	}
	var s [3][]byte
	rest := d[4:]
	for i := range s {
		if len(rest) == 0 || len(rest) < 1+int(rest[0]) {
			a.Broken = true
			return
		}
		n := 1 + int(rest[0])
		s[i], rest = rest[1:n:n], rest[n:]
	}
	if a.target(msg, at+len(d)-len(rest)) {
		a.Order, a.Preference = binary.BigEndian.Uint16(d), binary.BigEndian.Uint16(d[2:])
		a.Flags, a.Service, a.Regexp = s[0], s[1], s[2]
	}
}

// Text calls yield for each string of a TXT record, until yield returns false
// or a string does not end.
func (a *Answer) Text(yield func(s []byte) bool) {
	if a.Type != TXT {
		return
	}
	for d := a.Data; len(d) > 0 && len(d) > int(d[0]); {
		n := 1 + int(d[0])
		if !yield(d[1:n:n]) {
			return
		}
		d = d[n:]
	}
}

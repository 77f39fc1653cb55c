package dns

import "strconv"

// Type is a record's or question's type.
type Type uint16

// The types that are decoded.
const (
	A     Type = 1
	NS    Type = 2
	CNAME Type = 5
	PTR   Type = 12
	MX    Type = 15
	TXT   Type = 16
	AAAA  Type = 28
	SRV   Type = 33
	NAPTR Type = 35
	DNAME Type = 39
	OPT   Type = 41
)

// String returns the type's name in IANA's registry, or TYPE and the number (RFC
// 3597 5).
func (t Type) String() string {
	if s := t.name(); s != "" {
		return s
	}
	return "TYPE" + strconv.Itoa(int(t))
}

func (t Type) name() string {
	switch t {
	case A:
		return "A"
	case NS:
		return "NS"
	case CNAME:
		return "CNAME"
	case 6:
		return "SOA"
	case PTR:
		return "PTR"
	case 13:
		return "HINFO"
	case MX:
		return "MX"
	case TXT:
		return "TXT"
	case AAAA:
		return "AAAA"
	case SRV:
		return "SRV"
	case NAPTR:
		return "NAPTR"
	case DNAME:
		return "DNAME"
	case OPT:
		return "OPT"
	case 43:
		return "DS"
	case 46:
		return "RRSIG"
	case 47:
		return "NSEC"
	case 48:
		return "DNSKEY"
	case 50:
		return "NSEC3"
	case 52:
		return "TLSA"
	case 64:
		return "SVCB"
	case 65:
		return "HTTPS"
	case 251:
		return "IXFR"
	case 252:
		return "AXFR"
	case 255:
		return "ANY"
	case 256:
		return "URI"
	case 257:
		return "CAA"
	}
	return ""
}

// Class is a record's or question's class.
type Class uint16

// The classes. Of mDNS the highest bit has another meaning (RFC 6762 10.2, 5.4).
const (
	ClassIN   Class = 1
	ClassCH   Class = 3
	ClassHS   Class = 4
	ClassNone Class = 254
	ClassAny  Class = 255

	classTop Class = 1 << 15
)

// String returns the class's name, without mDNS's bit, or CLASS and the number.
func (c Class) String() string {
	if s := c.name(); s != "" {
		return s
	}
	return "CLASS" + strconv.Itoa(int(c))
}

func (c Class) name() string {
	switch c &^ classTop {
	case ClassIN:
		return "IN"
	case ClassCH:
		return "CH"
	case ClassHS:
		return "HS"
	case ClassNone:
		return "NONE"
	case ClassAny:
		return "ANY"
	}
	return ""
}

// opcodeName returns the opcode's name as heplify writes it.
func opcodeName(op uint8) string {
	switch op {
	case 0:
		return "Query"
	case 1:
		return "Inverse Query"
	case 2:
		return "Status"
	case 4:
		return "Notify"
	case 5:
		return "Update"
	case 6:
		return "Stateful"
	}
	return "Unknown"
}

var rcodeNames = [...]string{"No Error", "Format Error", "Server Failure", "Non-Existent Domain", "Not Implemented", "Query Refused",
	"Name Exists when it should not", "RR Set Exists when it should not", "RR Set that should exist does not",
	"Server Not Authoritative for zone", "Name not contained in zone"}

// RCodeName returns a response code's name as heplify writes it.
func RCodeName(rcode uint8) string {
	if int(rcode) < len(rcodeNames) {
		return rcodeNames[rcode]
	}
	return "Unknown"
}

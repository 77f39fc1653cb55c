package syslog

import (
	"bytes"
	"errors"
)

// Errors of View.Parse.
var (
	ErrEmpty   = errors.New("syslog: empty message")
	ErrNotText = errors.New("syslog: neither a priority nor text")
)

// View is one syslog message taken apart. All slices are views of it: nil when
// the message has no such thing, or has it in a shape that is not sure.
type View struct {
	HasPriority bool // without, Facility and Severity say nothing
	Facility    Facility
	Severity    Severity
	Version     uint8 // of RFC 5424: 1; 0 is BSD syslog

	Time       []byte // as written, without Cisco's * or .
	Host       []byte // name or address, as written
	Program    []byte // APP-NAME or TAG
	PID        []byte // PROCID; need not be a number
	MsgID      []byte // MSGID, or a Cisco message's FACILITY-SEVERITY-MNEMONIC
	Sequence   []byte // Cisco's number before the time, the last if there are two
	Structured []byte // SD-ELEMENTs with their brackets (RFC 5424 6.3), or Cisco's
	Message    []byte // the text, without BOM and without a trailing line end or NUL
	BOM        bool   // the sender marked the text as UTF-8
}

// Parse fills v from one message: a datagram, or what a Framer cut. It takes
// text without a PRI too, and fails with ErrEmpty, or with ErrNotText for what
// has none and begins as no text does; v is then empty. It does not allocate.
func (v *View) Parse(b []byte) error {
	*v = View{}
	b = trimEnd(b)
	if len(b) == 0 {
		return ErrEmpty
	}
	value, n, verdict := priority(b)
	if verdict == Yes {
		v.HasPriority = true
		v.Facility, v.Severity = Facility(value>>3), Severity(value&7)
	} else if !isText(b) {
		return ErrNotText
	}
	if rest := b[n:]; !v.HasPriority || !v.rfc5424(rest) {
		v.bsd(rest)
	}
	return nil
}

// trimEnd returns b without line ends and NULs at its end, which senders add
// to datagrams.
func trimEnd(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	return b
}

// rfc5424 reads what follows PRI if it is RFC 5424's: the version and a time
// or "-" in its place. A header that ends early is taken as far as it goes.
func (v *View) rfc5424(b []byte) bool {
	if len(b) < 3 || b[0] < '1' || b[0] > '9' || b[1] != ' ' {
		return false
	}
	at := b[2:]
	if n := isoTime(at); n > 0 && at[n-1] != ' ' && (n == len(at) || at[n] == ' ') {
		v.Time = at[:n]
		at = at[n:]
	} else if b[0] == '1' && at[0] == '-' && (len(at) == 1 || at[1] == ' ') {
		at = at[1:]
	} else {
		return false
	}
	v.Version = b[0] - '0'
	for _, field := range [...]*[]byte{&v.Host, &v.Program, &v.PID, &v.MsgID} {
		if len(at) == 0 {
			return true
		}
		*field, at = word(at[1:])
	}
	if len(at) > 0 {
		v.structured(at[1:])
	}
	return true
}

// word returns the octets up to the next space, nil for NILVALUE, and from
// that space on.
func word(b []byte) (field, rest []byte) {
	n := bytes.IndexByte(b, ' ')
	if n < 0 {
		n = len(b)
	}
	if n == 0 || n == 1 && b[0] == '-' {
		return nil, b[n:]
	}
	return b[:n:n], b[n:]
}

var bom = []byte{0xef, 0xbb, 0xbf}

// structured reads STRUCTURED-DATA and the message after it. Where the one is
// broken, or was left out, all is message.
func (v *View) structured(b []byte) {
	n := elements(b)
	switch {
	case n > 0 && (n == len(b) || b[n] == ' '):
		v.Structured = b[:n:n]
	case len(b) > 0 && b[0] == '-' && (len(b) == 1 || b[1] == ' '):
		n = 1
	default:
		n = 0
	}
	if b = b[n:]; n > 0 && len(b) > 0 {
		b = b[1:]
	}
	if bytes.HasPrefix(b, bom) {
		b, v.BOM = b[len(bom):], true
	}
	if len(b) > 0 {
		v.Message = b
	}
}

// elements returns the length of the SD-ELEMENTs that b begins with (RFC 5424
// 6.3.1), 0 when one does not end. In a value ", \ and ] are escaped.
func elements(b []byte) int {
	n := 0
	for n < len(b) && b[n] == '[' {
		quoted, i := false, n+1
		for ; i < len(b) && (quoted || b[i] != ']'); i++ {
			switch b[i] {
			case '"':
				quoted = !quoted
			case '\\':
				if quoted {
					i++
				}
			}
		}
		if i >= len(b) || i == n+1 {
			return 0
		}
		n = i + 1
	}
	return n
}

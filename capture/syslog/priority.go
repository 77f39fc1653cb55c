package syslog

import "strconv"

// Facility says what part of a system wrote a message (RFC 5424 table 1).
type Facility uint8

// Severity says how bad it is (RFC 5424 table 2): 0 is worst.
type Severity uint8

const (
	numFacilities = 24
	numSeverities = 8
	maxPriority   = numFacilities*numSeverities - 1
)

var facilityNames = [numFacilities]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

var severityNames = [numSeverities]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// String returns the facility's name as syslog.conf writes it.
func (f Facility) String() string {
	if f < numFacilities {
		return facilityNames[f]
	}
	return strconv.Itoa(int(f))
}

// String returns the severity's name as syslog.conf writes it.
func (s Severity) String() string {
	if s < numSeverities {
		return severityNames[s]
	}
	return strconv.Itoa(int(s))
}

// Verdict says whether octets are the front of something.
type Verdict uint8

// The verdicts of Front.
const (
	Maybe Verdict = iota // more octets will tell
	No
	Yes
)

// maxPRI is the length of "<191>".
const maxPRI = 5

// priority reads the PRI that b begins with: n octets for value. On Maybe b
// ends inside what may be one.
func priority(b []byte) (value, n int, v Verdict) {
	if len(b) > 0 && b[0] != '<' {
		return 0, 0, No
	}
	for i := 1; i < len(b) && i < maxPRI; i++ {
		switch c := b[i]; {
		case c == '>' && i > 1:
			return value, i + 1, Yes
		case !isDigit(c), i == 2 && b[1] == '0': // "<0>" is kern.emerg, "<07>" is nothing
			return 0, 0, No
		default:
			if value = value*10 + int(c-'0'); value > maxPriority {
				return 0, 0, No
			}
		}
	}
	if len(b) < maxPRI {
		return 0, 0, Maybe
	}
	return 0, 0, No
}

// glance is how many octets after PRI have to be text. A message may hold
// anything further on (RFC 5424 6.4, MSG-ANY), no sender begins with it.
const glance = 64

// Is reports whether a datagram is a syslog message with a PRI and text behind
// it. It is cheap on anything else: most fails at the first octet, all binary
// within five. Messages without PRI are not told from other text here.
func Is(b []byte) bool {
	b = trimEnd(b)
	_, n, v := priority(b)
	return v == Yes && len(b) > n && isText(b[n:])
}

// Front is Is for the octets that a stream has so far, in either framing of
// RFC 6587: b begins with a frame, or never will, or may when there is more.
func Front(b []byte) Verdict { return front(b, maxPRI+glance) }

// front is Front for messages of which only the first most octets count.
func front(b []byte, most int) Verdict {
	more := Maybe
	if len(b) > 0 && b[0] != '<' {
		c, v := count(b)
		if v != Yes {
			return v
		}
		if b = b[c.header:]; len(b) >= c.length {
			b, more = b[:c.length], No // the frame is over
		}
	}
	b = b[:min(len(b), most)]
	_, n, v := priority(b)
	switch {
	case v == No:
		return No
	case v == Maybe, len(b) == n:
		return more
	}
	b = b[n:min(len(b), n+glance)]
	if end, ok := trailer(b); ok {
		b = b[:end-1]
	}
	if isText(b) {
		return Yes
	}
	return No
}

// isText reports whether the first octets of b are no control characters but
// white space and ESC.
func isText(b []byte) bool {
	for _, c := range b[:min(len(b), glance)] {
		if c < ' ' && (c < '\t' || c > '\r') && c != 0x1b || c == 0x7f {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c-'0' < 10 }

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

package syslog

// stamp returns the length of the time that b begins with, in any of the forms
// of the package comment but time since boot; 0 when there is none. A zone
// belongs to it.
func stamp(b []byte) int {
	if n := isoTime(b); n > 0 {
		return n
	}
	return bsdTime(b)
}

// shape matches b against a pattern, in which 9 is a digit, and 0 a digit or a
// space, and returns whether b begins so.
func shape(b []byte, pattern string) bool {
	if len(b) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		switch p := pattern[i]; {
		case p == '9' && isDigit(b[i]), p == '0' && (isDigit(b[i]) || b[i] == ' '), p == b[i] && p != '9' && p != '0':
		default:
			return false
		}
	}
	return true
}

const (
	isoDate = "9999-99-99"
	clock   = "99:99:99"
)

// isoTime measures an ISO 8601 time, with T or one space in the middle (RFC
// 3339 5.6 allows both).
func isoTime(b []byte) int {
	n := len(isoDate)
	if !shape(b, isoDate) || len(b) == n || b[n] != 'T' && b[n] != 't' && b[n] != ' ' || !shape(b[n+1:], clock) {
		return 0
	}
	n += 1 + len(clock)
	n += fraction(b[n:])
	if n < len(b) && (b[n] == 'Z' || b[n] == 'z') {
		return n + 1
	}
	return n + offset(b[n:])
}

// fraction measures the fraction of a second at the front of b. Java loggers
// write a comma.
func fraction(b []byte) int {
	if len(b) < 2 || b[0] != '.' && b[0] != ',' || !isDigit(b[1]) {
		return 0
	}
	n := 2
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return n
}

// offset measures a numeric zone: +hh:mm, +hhmm or +hh.
func offset(b []byte) int {
	if len(b) == 0 || b[0] != '+' && b[0] != '-' {
		return 0
	}
	for _, p := range [...]string{"99:99", "9999", "99"} {
		if shape(b[1:], p) && (len(b) == 1+len(p) || !isDigit(b[1+len(p)])) {
			return 1 + len(p)
		}
	}
	return 0
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// month reports whether b begins with a month and a space.
func month(b []byte) bool {
	if len(b) < 4 || b[3] != ' ' {
		return false
	}
	for i := 0; i < len(months); i += 3 {
		if string(b[:3]) == months[i:i+3] {
			return true
		}
	}
	return false
}

// bsdTime measures the time of RFC 3164 4.1.2 with what was added to it.
func bsdTime(b []byte) int {
	n := 0
	if shape(b, "9999 ") && month(b[5:]) { // NX-OS
		n = 5
	}
	if !month(b[n:]) {
		return 0
	}
	n += 4
	switch { // the day
	case shape(b[n:], "09 "):
		n += 3
	case shape(b[n:], "9 "):
		n += 2
	default:
		return 0
	}
	if shape(b[n:], "9999 ") {
		n += 5
	}
	if !shape(b[n:], clock) {
		return 0
	}
	n += len(clock)
	n += fraction(b[n:])
	if z := offset(b[n:]); z > 0 {
		return n + z
	}
	return n + zone(b[n:])
}

// zone measures " UTC" or " +02:00" in front of a colon or of the next part.
// Letters are a zone only before a colon, as Cisco writes them: else they may be
// a host.
func zone(b []byte) int {
	if len(b) < 2 || b[0] != ' ' {
		return 0
	}
	if z := offset(b[1:]); z > 0 {
		return 1 + z
	}
	n := 1
	for n < len(b) && b[n]-'A' < 26 {
		n++
	}
	if n < 3 || n > 6 || n == len(b) || b[n] != ':' {
		return 0
	}
	return n
}

// uptime measures Cisco's time since boot: 00:00:46, 3d04h, 1w2d, 1y4w.
func uptime(b []byte) int {
	if shape(b, clock) {
		return len(clock)
	}
	n, units := 0, 0
	for units < 2 {
		digits := n
		for n < len(b) && isDigit(b[n]) {
			n++
		}
		if n == digits || n-digits > 3 || n == len(b) || b[n] != 'y' && b[n] != 'w' && b[n] != 'd' && b[n] != 'h' {
			return 0
		}
		n++
		units++
	}
	return n
}

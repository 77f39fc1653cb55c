package syslog

import "bytes"

const (
	maxTag      = 64 // octets; RFC 3164 4.1.3 says 32, and containers write more
	maxPID      = 128
	maxHost     = 255
	maxSequence = 12 // digits
)

// bsd reads what follows PRI in BSD syslog.
func (v *View) bsd(b []byte) {
	b = trimLeft(b)
	if v.HasPriority && v.cisco(b) {
		return
	}
	if n := stamp(b); n > 0 && (n == len(b) || b[n] == ' ' || b[n] == ':') {
		v.Time = b[:n:n]
		b = b[n:]
		if len(b) > 0 && b[0] == ':' {
			b = b[1:]
		}
		b = v.host(trimLeft(b))
	}
	if !v.HasPriority && v.Time == nil {
		if len(b) > 0 {
			v.Message = b // text like any other: "Warning: ..." is no program's name
		}
		return
	}
	v.text(b)
}

// host takes the host name, if that is what b begins with, and returns the
// rest.
func (v *View) host(b []byte) []byte {
	if n, _, _ := tag(b); n > 0 || len(b) > 0 && b[0] == '%' {
		return b
	}
	n := bytes.IndexByte(b, ' ')
	if n <= 0 || n > maxHost || b[n-1] == ':' {
		return b
	}
	for _, c := range b[:n] { // a name or an address of either kind
		if !isDigit(c) && !isLetter(c) && c != '-' && c != '.' && c != '_' && c != ':' && c != '/' && c != '%' && c < 0x80 {
			return b
		}
	}
	v.Host = b[:n:n]
	b = trimLeft(b[n:])
	if len(b) > 2 && b[0] == ':' && isSpace(b[1]) { // ASA
		b = trimLeft(b[1:])
	}
	return b
}

// text takes the tag and the message.
func (v *View) text(b []byte) {
	if n, name, pid := tag(b); n > 0 {
		v.Program, v.PID = name, pid
		b = trimLeft(b[n:])
	}
	if n, id := mnemonic(b); n > 0 {
		v.MsgID = id
		b = trimLeft(b[n:])
	}
	if bytes.HasPrefix(b, bom) {
		b, v.BOM = b[len(bom):], true
	}
	if len(b) > 0 {
		v.Message = b
	}
}

// tag reads "name: ", "name[pid]: " or, with a number, "name[pid] ": n octets,
// 0 when b begins with none. A kernel's "kernel:[" counts.
func tag(b []byte) (n int, name, pid []byte) {
	for n < len(b) && n <= maxTag && isTag(b[n]) {
		n++
	}
	if n == 0 || n > maxTag || n == len(b) || b[0] == '%' {
		return 0, nil, nil
	}
	name = b[:n:n]
	if b[n] == '[' {
		end := bytes.IndexByte(b[n:min(len(b), n+maxPID)], ']')
		if end <= 1 {
			return 0, nil, nil
		}
		pid = b[n+1 : n+end : n+end]
		n += end + 1
		if n < len(b) && b[n] == ' ' && digits(pid) {
			return n, name, pid
		}
	}
	if n == len(b) || b[n] != ':' || n+1 < len(b) && !isSpace(b[n+1]) && b[n+1] != '[' && b[n+1] < 0x80 {
		return 0, nil, nil
	}
	return n + 1, name, pid
}

// isTag reports whether c may be in a program's name: printable, and none of
// what separates.
func isTag(c byte) bool {
	switch c {
	case ':', '[', ']', '=', '"', ',', ';', '<', '>', '{', '}', '|', '\'', '*':
		return false
	}
	return c > ' ' && c < 0x7f
}

func digits(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return len(b) > 0
}

// mnemonic reads Cisco's "%FACILITY-SEVERITY-MNEMONIC:".
func mnemonic(b []byte) (n int, id []byte) {
	if len(b) == 0 || b[0] != '%' {
		return 0, nil
	}
	n = 1
	severity := false
	for n < len(b) && n <= maxTag && (isLetter(b[n]) || isDigit(b[n]) || b[n] == '_' || b[n] == '-' || b[n] == '/') {
		severity = severity || b[n] == '-' && n+2 < len(b) && b[n+1]-'0' < numSeverities && b[n+2] == '-'
		n++
	}
	end := n
	for n < len(b) && b[n] == ' ' {
		n++
	}
	if !severity || n == len(b) || b[n] != ':' {
		return 0, nil
	}
	return n + 1, b[1:end:end]
}

// cisco reads IOS's and IOS XR's message, which nothing but its order of parts
// and the colons behind them make out. It is one when there is a number in
// front, or a mnemonic behind a time.
func (v *View) cisco(b []byte) bool {
	at := b
	if len(at) > 0 && at[0] == ':' { // NX-OS, ASA: no number
		at = trimLeft(at[1:])
	}
	var seq, sd, host, when []byte
	for range 2 { // the sender's own number, and "service sequence-numbers"
		n := 0
		for n < len(at) && n <= maxSequence && isDigit(at[n]) {
			n++
		}
		if n == 0 || n > maxSequence || n+1 >= len(at) || at[n] != ':' || at[n+1] != ' ' {
			break
		}
		seq = at[:n:n]
		at = trimLeft(at[n+1:])
	}
	when, at = ciscoTime(at)
	if when == nil && seq != nil {
		host, at = ciscoHost(at)
		if n := elements(at); n > 0 && n < len(at) && at[n] == ':' {
			sd = at[:n:n]
			at = trimLeft(at[n+1:])
		}
		when, at = ciscoTime(at)
	}
	if n, _ := mnemonic(at); seq == nil && (when == nil || n == 0) {
		return false
	}
	v.Sequence, v.Host, v.Structured, v.Time = seq, host, sd, when
	v.text(at)
	return true
}

// ciscoHost takes "R1: ", or XR's "RP/0/RP0/CPU0:" in front of the time. A
// mnemonic or an XML element is none.
func ciscoHost(b []byte) (host, rest []byte) {
	n := 0
	for n < len(b) && n <= maxTag && isTag(b[n]) {
		n++
	}
	if n == 0 || n > maxTag || n+1 >= len(b) || b[n] != ':' || b[0] == '%' {
		return nil, b
	}
	rest = trimLeft(b[n+1:])
	if when, _ := ciscoTime(rest); when == nil && !isSpace(b[n+1]) {
		return nil, b
	}
	return b[:n:n], rest
}

// ciscoTime takes a time and the colon behind it.
func ciscoTime(b []byte) (when, rest []byte) {
	at := b
	if len(at) > 0 && (at[0] == '*' || at[0] == '.') {
		at = at[1:]
	}
	n := stamp(at)
	if n == 0 {
		n = uptime(at)
	}
	end := n
	for n < len(at) && at[n] == ' ' { // XR
		n++
	}
	if end == 0 || n+1 >= len(at) || at[n] != ':' || at[n+1] != ' ' {
		return nil, b
	}
	return at[:end:end], trimLeft(at[n+1:])
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

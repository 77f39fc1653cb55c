package intake

import (
	"bytes"
	"slices"

	"heptap/capture/mask"
)

// OpenSIPS with homer5_on=1, which is its default, sends the values of a record
// alone, joined by a delimiter and without escapes (proto_hep, hep.c). What each
// one is follows from the type and the words that can stand there; a text in which
// they do not stand is none of its own.

var (
	netEvents = []string{"ACCEPTED", "CONNECT_START", "CONNECTED", "CLOSED"}
	netProtos = []string{"TCP", "TLS", "WS", "WSS", "BINS"}
	outcomes  = []string{"SUCCESS", "FAILURE"}
	backends  = []string{"fifo", "datagram", "json", "http", "xmlrpc", "script"}
	logLevels = []string{"ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DBG"}
)

// cut splits b at the first delimiter.
func cut(b []byte, delim string) (before, after []byte, found bool) {
	return bytes.Cut(b, []byte(delim))
}

// wordAt finds the first place in b where one of words stands between two
// delimiters, or at b's end if last is set.
func wordAt(b []byte, delim string, words []string, last bool) (at int, word string) {
	at = -1
	for _, w := range words {
		for from := 0; ; {
			i := bytes.Index(b[from:], []byte(delim+w))
			if i < 0 {
				break
			}
			i += from
			end := i + len(delim) + len(w)
			if bytes.HasPrefix(b[end:], []byte(delim)) || last && end == len(b) {
				if at < 0 || i < at {
					at, word = i, w
				}
				break
			}
			from = i + 1
		}
	}
	return at, word
}

// netText reads the text of a connection's record, and returns it without its
// master key: PROTOCOL[:certificates and key]:EVENT[:request]:STATUS[:reply]:message.
func (d *decoder) netText(b []byte) ([]byte, string, bool) {
	delim := d.delimiter
	proto, _, found := cut(b, delim)
	if !found || !slices.Contains(netProtos, string(proto)) {
		return nil, "", false
	}
	o := &d.object
	o.begin()
	o.text("Protocol", proto)
	rest := b[len(proto):] // begins with a delimiter
	at, event := wordAt(rest, delim, netEvents, false)
	if at < 0 {
		return nil, "", false
	}
	if at > 0 {
		certificates(o, rest[len(delim):at], delim)
	}
	o.text("Event", []byte(event))
	rest = rest[at+len(delim)+len(event):]
	at, status := wordAt(rest, delim, outcomes, true)
	if at < 0 {
		return nil, "", false
	}
	if at > 0 {
		d.head = mask.AppendHead(d.head[:0], rest[len(delim):at])
		o.text("Ws-Request", d.head)
	}
	o.text("Status", []byte(status))
	rest = bytes.TrimPrefix(rest[at+len(delim)+len(status):], []byte(delim))
	if i := bytes.Index(rest, []byte("\r\n\r\n"+delim)); i >= 0 && bytes.HasPrefix(rest, []byte("HTTP/")) {
		d.head = mask.AppendHead(d.head[:0], rest[:i+4])
		o.text("Ws-Reply", d.head)
		rest = rest[i+4+len(delim):]
	}
	o.text("Message", rest)
	return o.end(), event, true
}

// certificates writes what stands between protocol and event: the names of one
// or two certificates, subject and issuer each, and the master key. What is not a
// pair of names is taken for a part of the key, also the rest of a name with a
// delimiter in it: in doubt it is blanked.
func certificates(o *object, b []byte, delim string) {
	var names [4][]byte
	n := 0
	for ; n < len(names); n += 2 {
		subject, rest, _ := cut(b, delim)
		issuer, rest, more := cut(rest, delim)
		if !oneline(subject) || !oneline(issuer) {
			break
		}
		names[n], names[n+1], b = subject, issuer, rest
		if !more {
			n, b = n+2, nil
			break
		}
	}
	switch n {
	case 4:
		for i, k := range [...]string{"client-subject", "client-issuer", "server-subject", "server-issuer"} {
			o.text(k, names[i])
		}
	case 2: // one certificate, and nothing says whose
		o.text("subject", names[0])
		o.text("issuer", names[1])
	}
	if len(b) > 0 {
		o.text(masterKey, []byte(mask.Text))
	}
}

// oneline reports whether b is a name as OpenSSL's X509_NAME_oneline writes it:
// printable ASCII that begins with "/" and an attribute.
func oneline(b []byte) bool {
	equals := bytes.IndexByte(b, '=')
	if equals < 2 || b[0] != '/' {
		return false
	}
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// restText reads FIRST LINE[:body].
func (d *decoder) restText(b []byte) ([]byte, bool) {
	line, body, ok := restLine(b, d.delimiter)
	if !ok {
		return nil, false
	}
	o := &d.object
	o.begin()
	o.text("first_line", d.mask(line))
	if len(body) > 0 {
		o.text("payload", d.mask(body))
	}
	return o.end(), true
}

// restLine finds the end of the first line, which has no escape for delimiters:
// a request's ends with its version, a reply's reason has none in it.
func restLine(b []byte, delim string) (line, body []byte, ok bool) {
	const version = "HTTP/1.1"
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		line, body, _ = cut(b, delim)
		return line, body, bytes.IndexByte(line, ' ') > 0
	}
	if !bytes.HasPrefix(b, []byte("GET ")) && !bytes.HasPrefix(b, []byte("POST ")) && !bytes.HasPrefix(b, []byte("PUT ")) {
		return nil, nil, false
	}
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(" HTTP/"))
		if i < 0 {
			return nil, nil, false
		}
		end := from + i + 1 + len(version)
		if bytes.IndexByte([]byte("12"), at(b, end-3)) >= 0 && at(b, end-2) == '.' {
			if end == len(b) {
				return b, nil, true
			}
			if bytes.HasPrefix(b[end:], []byte(delim)) {
				return b[:end], b[end+len(delim):], true
			}
		}
		from += i + 1
	}
}

func at(b []byte, i int) byte {
	if i < len(b) {
		return b[i]
	}
	return 0
}

// miText reads COMMAND:BACKEND[:parameters], CODE:REASON[:reply], or a reply to
// JSON-RPC as it is (OpenSIPS 3.x).
func (d *decoder) miText(b []byte) ([]byte, bool) {
	o := &d.object
	o.begin()
	if len(b) > 0 && (b[0] == '{' || b[0] == '[') {
		o.text("reply", d.mask(b))
		return o.end(), true
	}
	first, rest, found := cut(b, d.delimiter)
	if !found || len(first) == 0 || bytes.ContainsAny(first, " \t\r\n") {
		return nil, false
	}
	second, third, more := cut(rest, d.delimiter)
	switch {
	case slices.Contains(backends, string(second)):
		o.text("command", first)
		o.text("backend", second)
		if more {
			o.text("parameters", d.mask(third))
		}
	case len(first) == 3 && first[0] >= '1' && first[0] <= '6' && digits(first):
		o.text("code", first)
		o.text("reason", second)
		if more {
			o.text("reply", d.mask(third))
		}
	default:
		return nil, false
	}
	return o.end(), true
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// logText reads LEVEL:line.
func (d *decoder) logText(b []byte) ([]byte, bool) {
	level, line, found := cut(b, d.delimiter)
	if !found || !slices.Contains(logLevels, string(level)) {
		return nil, false
	}
	o := &d.object
	o.begin()
	o.text("Event", level)
	o.text("text", d.mask(line))
	return o.end(), true
}

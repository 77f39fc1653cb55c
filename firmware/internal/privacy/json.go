package privacy

import (
	"bytes"

	"heptap/capture/record"
)

// json changes a record's JSON text, string by string. Names of members stay;
// so do JSON's numbers, since telephone numbers are strings in our records. An
// element of an array is looked at as the member that the array belongs to.
func (f *Filter) json(t record.Type, b []byte) {
	var key []byte
	for i := 0; i < len(b); {
		if b[i] != '"' {
			i++
			continue
		}
		s := b[i+1 : i+1+stringLength(b[i+1:])]
		if i += len(s) + 2; i < len(b) && b[i] == ':' {
			key = s
		} else {
			f.member(t, key, s)
		}
	}
}

// stringLength returns how long the JSON string is whose opening quotation mark
// stands before b.
func stringLength(b []byte) int {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(b)
}

// isID reports whether a member holds ids, or what else belongs to no person.
func isID(key []byte) bool {
	switch lower(key) {
	case "callid", "call-id", "call_id", "correlation_id", "rtp_sip_call_id", "calls", "exchange", "cookie", "from_tag", "to_tag", "from-tag",
		"to-tag", "via-branch", "rpc_id", "time":
		return true
	}
	return false
}

// foreign reports whether a member of a connection's record has text that is not ours.
func foreign(key []byte) bool {
	switch lower(key) {
	case "ws-request", "ws-reply", "ws_close_reason", "server-subject", "server-issuer", "client-subject", "client-issuer":
		return true
	}
	return false
}

// member changes the value of the member called key, or of an element of it.
func (f *Filter) member(t record.Type, key, value []byte) {
	switch {
	case f.options.Bodies && t == record.REST && is(key, "payload"):
		blankString(value)
	case f.options.Key == nil, isID(key), t == record.RTPReport, t == record.Net && !foreign(key):
	case t == record.ISUP && is(key, "num"), t == record.DNS && is(key, "enum"), t == record.MI && is(key, "user"):
		f.user(value)
	case t == record.ISUP && is(key, "hex"): // a number may be in it
		blankString(value)
	case t == record.RTCP && is(key, "text") && bytes.IndexByte(value, '@') < 0: // SDES (RFC 3550 6.5)
		blankString(value)
	default:
		f.text(value, true)
	}
}

// blankString is blank for the inside of a JSON string: escapes stay escapes.
func blankString(b []byte) {
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			blank(b[i : i+1])
			i++
			continue
		}
		n := escape(b[i:])
		if n == 6 {
			copy(b[i+2:], "0078") // x
		}
		i += n
	}
}

package tlswire

import (
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Suite is a cipher suite's number. String gives its IANA name.
type Suite uint16

// Version is a protocol version as it is on the wire.
type Version uint16

// The versions.
const (
	SSL30 Version = 0x0300 + iota
	TLS10
	TLS11
	TLS12
	TLS13
)

// String returns the version as people write it.
func (v Version) String() string {
	switch v {
	case 0:
		return "unknown"
	case SSL30:
		return "SSL 3.0"
	case TLS10:
		return "TLS 1.0"
	case TLS11:
		return "TLS 1.1"
	case TLS12:
		return "TLS 1.2"
	case TLS13:
		return "TLS 1.3"
	}
	return hex16(uint16(v))
}

// hides reports whether handshakes of this version are encrypted behind the
// ServerHello: TLS 1.3, its drafts, and what may come after it.
func (v Version) hides() bool { return v > TLS12 }

// Level is an alert's.
type Level uint8

// The levels (RFC 5246 7.2). TLS 1.3 gives them no meaning.
const (
	Warning Level = 1
	Fatal   Level = 2
)

// String returns the name of the level in the RFCs.
func (l Level) String() string {
	switch l {
	case Warning:
		return "warning"
	case Fatal:
		return "fatal"
	}
	return "unknown"
}

// Description is what an alert says.
type Description uint8

// Those that do not mean failure by themselves.
const (
	closeNotify  Description = 0
	userCanceled Description = 90
)

// String returns the name in RFC 8446 B.2 and RFC 5246 A.3, and for the rest in
// the IANA registry "TLS Alerts".
func (d Description) String() string {
	if name := descriptions[d]; name != "" {
		return name
	}
	return "unknown"
}

var descriptions = [256]string{
	0:   "close_notify",
	10:  "unexpected_message",
	20:  "bad_record_mac",
	21:  "decryption_failed_RESERVED",
	22:  "record_overflow",
	30:  "decompression_failure_RESERVED",
	40:  "handshake_failure",
	41:  "no_certificate_RESERVED",
	42:  "bad_certificate",
	43:  "unsupported_certificate",
	44:  "certificate_revoked",
	45:  "certificate_expired",
	46:  "certificate_unknown",
	47:  "illegal_parameter",
	48:  "unknown_ca",
	49:  "access_denied",
	50:  "decode_error",
	51:  "decrypt_error",
	52:  "too_many_cids_requested", // RFC 9146
	60:  "export_restriction_RESERVED",
	70:  "protocol_version",
	71:  "insufficient_security",
	80:  "internal_error",
	86:  "inappropriate_fallback",
	90:  "user_canceled",
	100: "no_renegotiation_RESERVED",
	109: "missing_extension",
	110: "unsupported_extension",
	111: "certificate_unobtainable_RESERVED",
	112: "unrecognized_name",
	113: "bad_certificate_status_response",
	114: "bad_certificate_hash_value_RESERVED",
	115: "unknown_psk_identity",
	116: "certificate_required",
	117: "general_error",
	120: "no_application_protocol",
	121: "ech_required", // RFC 9849
}

func hex16(v uint16) string {
	return "0x" + hex.EncodeToString([]byte{byte(v >> 8), byte(v)})
}

// text makes a printable string, at most n octets long, of what the wire has.
func text(b []byte, n int) string {
	return clean(string(b[:min(len(b), n)]), n)
}

// clean is text of a string. It does not keep a longer one alive.
func clean(s string, n int) string {
	if len(s) > n {
		s = s[:n]
		for len(s) > 0 && !utf8.RuneStart(s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		if len(s) > 0 && s[len(s)-1] >= utf8.RuneSelf {
			s = s[:len(s)-1]
		}
	}
	return strings.Clone(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s))
}

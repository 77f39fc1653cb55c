// Package sip recognises SIP messages (RFC 3261) and gives views of what the
// probe reads in them. It keeps no state, does not judge conformance and does
// not allocate: every view is a sub-slice of the message, valid as long as the
// message is, and read-only.
//
//	start line    request: Method SP Request-URI SP "SIP/2.0"
//	              response: "SIP/2.0" SP 3DIGIT SP Reason-Phrase
//	header        Name ":" value, folded lines begin with SP or HT (7.3.1)
//	...
//	empty line
//	body          Content-Length octets, else the rest of the datagram (18.3)
//
// A probe must show broken messages too, so the package is liberal where a
// user agent must not be: lines may end in LF alone, spaces may be repeated or
// trail in the start line, headers may be missing, senseless or repeated (the
// first one counts). Not SIP are a start line with another version, with a
// status of other than three digits, or with a NUL in it.
package sip

// Package dissect says which protocol a datagram carries. It is the only
// package that knows several protocol packages; each of them knows only its
// own. It keeps no state: it judges one datagram by its octets, and not by its
// ports, since SIP runs on any port and other things run on 5060. Two of what is
// beside signalling (Beside) have no mark to know them by, and are the
// exceptions: DNS, and lines of a log without PRI.
//
// # Precedence
//
// The first octet divides what may share a port (RFC 7983, RFC 5761):
//
//	0x80-0xbf  version 2 of RTP and RTCP: first, as almost every datagram is one,
//	           and nothing else we read can begin so. A second octet of 192-223 is
//	           RTCP's (RFC 5761 4): then it is RTCP, if it holds together from
//	           end to end (RFC 3550 A.2, RFC 5506) or its front does and the rest
//	           may be SRTCP (RFC 3711 3.4), or unknown, never RTP. DNS and others with
//	           random first octets get in here too: an RTP header is plausible, not
//	           proven, and media waits for a sequence before it believes.
//	0xc0-0xff  nothing that we read (QUIC, SRTP of no version): unknown
//	0x00-0x3f  STUN (RFC 8489), by its two zero bits, length and magic cookie.
//	           Before SIP and keep-alives, since the cookie leaves no doubt.
//	0x00-0x7f  HEP, by its magic: unknown. It carries SIP of elsewhere: taken for SIP
//	           it would be a call that never was on this wire.
//	           SIP, by its start line.
//	           A keep-alive (RFC 5626 4.4.1, RFC 6263): last, since SIP may follow
//	           the same CRLFs.
//	0x20-0x7e  What is beside signalling: syslog by its PRI, management commands as
//	           JSON-RPC or lines, NG by cookie and dictionary, rtpproxy's commands
//	           by the number and shape of their words, and whatever else of text
//	           goes to port 514. After SIP: none of it has a start line.
//
// DNS comes before all of this, since its first octet may be any: on port 53 or
// 5353, where a message's header and question make sense. Kamailio's binrpc
// begins with A1 and is taken for RTP.
//
// # Datagrams that the capture cut
//
// SIP is known by its start line, RTP by its header and STUN by its front: cut
// after that they stay what they are, and the caller looks at
// Packet.Truncated. RTCP and keep-alives are known by all of their octets: cut
// they are unknown.
package dissect
